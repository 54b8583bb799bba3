//! An issuer, two programs with a sidecar each, and the warehouse.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::Request;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::built::built;
use crate::process::{BETWEEN_LOOKS, Process, START, free_ports};

/// What users' tokens are signed with (RFC 8037 appendix A.1).
const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange'
        exchange:
          - { subject-kinds: user, targets: stock-service, scopes: 'orders:read' }
      - client-id: stock-service
        client-secret: StockSecret123!
        scopes: internal-service
        audiences: warehouse
";

pub(crate) struct Estate {
    pub(crate) orders: u16,
    pub(crate) outbound: u16,
    pub(crate) port_of_warehouse: u16,
    pub(crate) orders_health: u16,
    /// Who has called the warehouse.
    pub(crate) reserved_by: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
    issuer: TestIssuer,
    _warehouse: TestServer,
    _programs: Vec<Process>,
}

/// The folder that newcomers look into.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sidecar")
}

impl Estate {
    /// `None`, with a line that says so, where a language is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let (python, node) = (runs("python3")?, runs("node")?);
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let reserved_by = Arc::<Mutex<Vec<String>>>::default();
        let warehouse = warehouse(&issuer, &reserved_by).await;
        let [orders_program, orders, orders_health, outbound] = free_ports();
        let [stock_program, stock, stock_health, port_of_warehouse] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let ports = [
            ("8001", orders_program),
            ("8081", orders),
            ("9911", orders_health),
            ("15001", outbound),
            ("8002", stock_program),
            ("8082", stock),
            ("9912", stock_health),
            ("15002", port_of_warehouse),
            ("8083", warehouse.address().port()),
            ("9000", issuer.address().port()),
        ];
        let mut estate = Self {
            orders,
            outbound,
            port_of_warehouse,
            orders_health,
            reserved_by,
            folder,
            issuer,
            _warehouse: warehouse,
            _programs: Vec::new(),
        };
        for (file, secret, health) in [
            (
                "orders.yaml",
                ("ORDER_SECRET", "OrderSecret123!"),
                orders_health,
            ),
            (
                "stock.yaml",
                ("STOCK_SECRET", "StockSecret123!"),
                stock_health,
            ),
        ] {
            estate.sidecar(file, secret, health, &ports).await;
        }
        let mut orders = Command::new(python);
        orders
            .arg(example().join("python/app.py"))
            .env("PORT", orders_program.to_string())
            .env("HTTP_PROXY", format!("http://127.0.0.1:{outbound}"))
            .env("http_proxy", format!("http://127.0.0.1:{outbound}"))
            .env_remove("no_proxy")
            .env_remove("NO_PROXY");
        estate.start_program(orders, orders_program).await;
        let mut stock = Command::new(node);
        stock
            .arg(example().join("node/app.mjs"))
            .env("PORT", stock_program.to_string())
            .env(
                "WAREHOUSE_URL",
                format!("http://127.0.0.1:{port_of_warehouse}"),
            );
        estate.start_program(stock, stock_program).await;
        estate.are_ready(&[orders_health, stock_health]).await;
        Some(estate)
    }

    /// With the file of the example, at ports that are free.
    async fn sidecar(
        &mut self,
        file: &str,
        secret: (&str, &str),
        health: u16,
        ports: &[(&str, u16)],
    ) {
        let mut yaml = std::fs::read_to_string(example().join(file)).unwrap();
        for (shown, port) in ports {
            yaml = yaml.replace(&format!(":{shown}"), &format!(":{port}"));
        }
        std::fs::write(self.folder.path().join(file), yaml).unwrap();
        let mut command = Command::new(built(&["hallpass-cli"], &["hallpass"], "hallpass"));
        command
            .env_clear()
            .env(secret.0, secret.1)
            .args(["sidecar", "--config", file]);
        self.start_program(command, health).await;
    }

    async fn start_program(&mut self, command: Command, port: u16) {
        let process = Process::start(command, self.folder.path(), port).await;
        self._programs.push(process);
    }

    async fn are_ready(&self, health: &[u16]) {
        let ready = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            for port in health {
                while ask(*port, "/health/ready", &[]).await.0 != 200 {
                    again.tick().await;
                }
            }
        };
        tokio::time::timeout(START, ready).await.expect("ready");
    }

    pub(crate) fn tokens_issued(&self) -> u64 {
        self.issuer.tokens_issued()
    }

    /// A user's token for the order service.
    pub(crate) fn token(user: &str) -> String {
        let now = UnixTime::from(SystemClock::new().now());
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            user.parse().unwrap(),
            "order-service".parse().unwrap(),
            now.saturating_add(Duration::from_secs(500)),
        );
        claims.client_id = Some("web-shop".parse().unwrap());
        claims.scope = "orders:read".parse().unwrap();
        claims.issued_at = Some(now);
        let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
        sign(&claims, &key, now).unwrap().expose().to_owned()
    }
}

/// Status and document for a request to this port.
pub(crate) async fn ask(port: u16, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = Request::get(format!("http://127.0.0.1:{port}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let Ok(response) = HttpTransport::new().unwrap().oneshot(request).await else {
        return (0, Value::Null);
    };
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(100_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The last service, which is one of ours: its callers are services alone.
async fn warehouse(issuer: &TestIssuer, reserved_by: &Arc<Mutex<Vec<String>>>) -> TestServer {
    let yaml = format!(
        "hallpass: {{ service: {{ name: warehouse }}, security: {{ internal-jwt: {{ jwks-url: '{}', internal-only: {{ paths: [/reserve/**] }} }} }} }}",
        issuer.jwks_url()
    );
    let settings = Loader::new("hallpass").text("warehouse", yaml);
    let settings: Settings = settings.load().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let noted = Arc::clone(reserved_by);
    let reserve = move |caller: Caller| {
        let subject = caller.subject().to_string();
        noted.lock().unwrap().push(subject.clone());
        async move { format!("reserved for {subject}") }
    };
    let router = Router::new().route("/reserve/{number}", get(reserve));
    TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap()
}

/// A program of this name, if it runs.
fn runs(name: &str) -> Option<&str> {
    let run = Command::new(name).arg("--version").output();
    if run.is_ok_and(|run| run.status.success()) {
        return Some(name);
    }
    use std::io::Write as _;
    let line = format!("\n!! SKIPPED, the tests of the sidecar: {name} is not installed\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}
