//! An issuer, programs with a sidecar each, and a service of ours at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::built::built;
use crate::java::SpringBoot;
use crate::process::{BETWEEN_LOOKS, Process, START, free_ports};
use crate::tools;

/// What users' tokens are signed with (RFC 8037 appendix A.1).
pub(crate) const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

/// The secrets that the files of the example ask the environment for.
const SECRETS: [(&str, &str); 4] = [
    ("ALICE_SECRET", "AliceSecret123!"),
    ("ORDER_SECRET", "OrderSecret123!"),
    ("STOCK_SECRET", "StockSecret123!"),
    ("WAREHOUSE_SECRET", "WarehouseSecret123!"),
];

/// Who stands at the end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// A service of ours in the place of the warehouse, where there may be no JVM.
    Warehouse,
    /// The ledger, which the program in Java calls.
    Ledger,
}

pub(crate) struct Estate {
    pub(crate) orders: u16,
    pub(crate) outbound: u16,
    pub(crate) port_of_warehouse: u16,
    pub(crate) orders_health: u16,
    /// Who has called the service at the end.
    pub(crate) called_by: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
    issuer: TestIssuer,
    _last: TestServer,
    _programs: Vec<Process>,
    _java: Option<SpringBoot>,
}

/// One of the sidecars: its file, and where it says how it is.
struct Beside {
    file: &'static str,
    health: u16,
}

/// The folder that newcomers look into.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sidecar")
}

impl Estate {
    /// The programs in Python and Node.js, and a warehouse of ours. `None`, with a line that says so, where a language cannot be had.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_until(Last::Warehouse).await
    }

    /// The program in Java as well, and a ledger of ours behind it.
    pub(crate) async fn start_with_java() -> Option<Self> {
        Self::start_until(Last::Ledger).await
    }

    async fn start_until(last: Last) -> Option<Self> {
        let (python, node) = (tools::python()?, tools::node()?);
        let [
            warehouse_program,
            warehouse,
            warehouse_health,
            java_outbound,
        ] = free_ports();
        let java = match last {
            Last::Warehouse => None,
            Last::Ledger => Some(java(warehouse_program, java_outbound)?),
        };
        let issuer = issuer().await;
        let called_by = Arc::<Mutex<Vec<String>>>::default();
        let server = last.start(&issuer, &called_by).await;
        let (warehouse, ledger) = match last {
            Last::Warehouse => (server.address().port(), 0),
            Last::Ledger => (warehouse, server.address().port()),
        };
        let [orders_program, orders, orders_health, outbound] = free_ports();
        let [stock_program, stock, stock_health, port_of_warehouse] = free_ports();
        let ports = [
            ("8001", orders_program),
            ("8081", orders),
            ("9911", orders_health),
            ("15001", outbound),
            ("8002", stock_program),
            ("8082", stock),
            ("9912", stock_health),
            ("15002", port_of_warehouse),
            ("8003", warehouse_program),
            ("8083", warehouse),
            ("9913", warehouse_health),
            ("15003", java_outbound),
            ("8084", ledger),
            ("9000", issuer.address().port()),
        ];
        let mut estate = Self {
            orders,
            outbound,
            port_of_warehouse,
            orders_health,
            called_by,
            folder: tempfile::tempdir().unwrap(),
            issuer,
            _last: server,
            _programs: Vec::new(),
            _java: java,
        };
        let beside = |file, health| Beside { file, health };
        let mut sidecars = vec![
            beside("orders.yaml", orders_health),
            beside("stock.yaml", stock_health),
        ];
        if last == Last::Ledger {
            sidecars.push(beside("warehouse.yaml", warehouse_health));
        }
        for sidecar in &sidecars {
            estate.sidecar(sidecar, &ports).await;
        }
        estate.orders(&python, orders_program).await;
        estate.stock(&node, stock_program).await;
        let health: Vec<_> = sidecars.iter().map(|it| it.health).collect();
        estate.are_ready(&health).await;
        Some(estate)
    }

    /// The program in Python, which goes by `HTTP_PROXY`.
    async fn orders(&mut self, python: &Path, port: u16) {
        let proxy = format!("http://127.0.0.1:{}", self.outbound);
        let mut orders = Command::new(python);
        orders
            .arg(example().join("python/app.py"))
            .env("PORT", port.to_string())
            .env("HTTP_PROXY", &proxy)
            .env("http_proxy", &proxy)
            .env_remove("no_proxy")
            .env_remove("NO_PROXY");
        self.start_program(orders, port).await;
    }

    /// The program in Node.js, which goes by a port.
    async fn stock(&mut self, node: &Path, port: u16) {
        let warehouse = format!("http://127.0.0.1:{}", self.port_of_warehouse);
        let mut stock = Command::new(node);
        stock
            .arg(example().join("node/app.mjs"))
            .env("PORT", port.to_string())
            .env("WAREHOUSE_URL", warehouse);
        self.start_program(stock, port).await;
    }

    /// With the file of the example, at ports that are free.
    async fn sidecar(&mut self, beside: &Beside, ports: &[(&str, u16)]) {
        let mut yaml = std::fs::read_to_string(example().join(beside.file)).unwrap();
        for (shown, port) in ports {
            yaml = yaml.replace(&format!(":{shown}"), &format!(":{port}"));
        }
        std::fs::write(self.folder.path().join(beside.file), yaml).unwrap();
        let mut command = Command::new(built(&["hallpass-cli"], &["hallpass"], "hallpass"));
        command
            .env_clear()
            .envs(SECRETS)
            .args(["sidecar", "--config", beside.file]);
        self.start_program(command, beside.health).await;
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

    /// What the issuer gives the client that stands in for a user, as the example has it fetched by hand.
    pub(crate) async fn token_by_hand(&self) -> String {
        let form = "grant_type=client_credentials&client_id=alice&client_secret=AliceSecret123!&audience=order-service";
        let request = Request::post(self.issuer.token_url())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        let (status, document) = send(request).await;
        assert_eq!(status, 200, "{document}");
        document["access_token"].as_str().unwrap().to_owned()
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
    send(request.body(Body::empty()).unwrap()).await
}

/// Status 0 where there is no response.
async fn send(request: Request<Body>) -> (u16, Value) {
    let Ok(response) = HttpTransport::new().unwrap().oneshot(request).await else {
        return (0, Value::Null);
    };
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(100_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// By the file of the example, with a key that tests sign with too.
async fn issuer() -> TestIssuer {
    let loader = Loader::new("hallpass").file(example().join("issuer.yaml"));
    let settings = loader.environment(SECRETS).load::<IssuerSettings>();
    let settings = settings.unwrap().into_settings();
    let issuer = TestIssuer::of(settings).start().await.unwrap();
    issuer.import_key(USERS_KEY).await.unwrap();
    issuer
}

/// The program in Java at this port, which calls others by this one.
fn java(port: u16, outbound: u16) -> Option<SpringBoot> {
    let jvm = [
        "-Xmx256m".to_owned(),
        "-Dhttp.proxyHost=127.0.0.1".to_owned(),
        format!("-Dhttp.proxyPort={outbound}"),
    ];
    let properties = [
        "server.address=127.0.0.1".to_owned(),
        format!("server.port={port}"),
        "ledger.url=http://ledger".to_owned(),
    ];
    SpringBoot::start_by("spring", &jvm, &properties)
}

impl Last {
    const fn name(self) -> &'static str {
        match self {
            Self::Warehouse => "warehouse",
            Self::Ledger => "ledger",
        }
    }

    /// The service at the end, which is one of ours: its callers are services alone.
    async fn start(self, issuer: &TestIssuer, called_by: &Arc<Mutex<Vec<String>>>) -> TestServer {
        let yaml = format!(
            "hallpass: {{ service: {{ name: {} }}, security: {{ internal-jwt: {{ jwks-url: '{}', internal-only: {{ paths: [/reserve/**, /entries/**] }} }} }} }}",
            self.name(),
            issuer.jwks_url()
        );
        let settings = Loader::new("hallpass").text("last", yaml);
        let settings: Settings = settings.load().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let guard = hallpass.resource_server().build().unwrap();
        let noted = Arc::clone(called_by);
        let note = move |caller: Caller| {
            let subject = caller.subject().to_string();
            noted.lock().unwrap().push(subject.clone());
            async move { Json(json!({ "caller": subject })) }
        };
        let router = Router::new()
            .route("/reserve/{number}", get(note.clone()))
            .route("/entries/{number}", get(note));
        TestServer::start(router.layer(guard.layer()))
            .await
            .unwrap()
    }
}
