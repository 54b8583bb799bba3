//! An issuer, the service, `hallpass authz`, and a proxy between the two, with the files of `deploy/proxies`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::TestIssuer;
use tempfile::TempDir;

use crate::built::built;
use crate::process::{Process, free_ports};
use crate::recorder::Recorder;

/// What users' tokens are signed with (RFC 8037 appendix A.1).
const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;
/// The service that tokens are for, in `hallpass.yaml`.
const AUDIENCE: &str = "shop";

/// Its secret as a client.
pub(crate) const SECRET: &str = "Shop-Secret-123!";

/// The issuer of the estate: what docs/proxies.md shows.
const ISSUER_SETTINGS: &str = r"
hallpass:
  issuer:
    key-announce-seconds: 0
    clients:
      - client-id: shop
        client-secret: ${SHOP_SECRET}
        scopes: internal-service
        audiences: admin-service
        grant-types: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange']
        exchange:
          - { subject-kinds: user, targets: order-service, scopes: orders.read, claims: tenant }
";

/// The address in the files of `deploy/proxies` that each part has there.
const PROXY: &str = "8000";
const SERVICE: &str = "8081";
const AUTHZ: &str = "9191";
const MANAGEMENT: &str = "9192";
const GRPC: &str = "9193";
const ISSUER: &str = "9000";

/// What is in `deploy/proxies`: written out by [`Estate::write`], or built by Maven as it is.
const SHIPPED: [&str; 18] = [
    "apisix/route.json",
    "caddy/Caddyfile",
    "envoy/grpc.yaml",
    "envoy/http.yaml",
    "hallpass.yaml",
    "higress/envoy.yaml",
    "nginx/nginx.conf",
    "shenyu/pom.xml",
    "shenyu/routes.json",
    "shenyu/src/main/java/hallpass/Gateway.java",
    "shenyu/src/main/java/hallpass/HallpassPlugin.java",
    "shenyu/src/main/resources/application.yaml",
    "spring-cloud-gateway/pom.xml",
    "spring-cloud-gateway/src/main/java/hallpass/Gateway.java",
    "spring-cloud-gateway/src/main/java/hallpass/HallpassFilter.java",
    "spring-cloud-gateway/src/main/resources/application.yaml",
    "traefik/routes.yaml",
    "traefik/traefik.yaml",
];

/// Everything but the proxy.
pub(crate) struct Estate {
    issuer: TestIssuer,
    pub(crate) service: Recorder,
    authz: Option<Process>,
    pub(crate) authz_port: u16,
    management_port: u16,
    grpc_port: u16,
    pub(crate) proxy_port: u16,
    folder: TempDir,
}

impl Estate {
    pub(crate) async fn start() -> Self {
        let settings = Loader::new("hallpass")
            .text("issuer", ISSUER_SETTINGS)
            .environment([("SHOP_SECRET", SECRET)]);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [proxy_port, authz_port, management_port, grpc_port] = free_ports();
        let mut estate = Self {
            issuer,
            service: Recorder::start().await,
            authz: None,
            authz_port,
            management_port,
            grpc_port,
            proxy_port,
            folder,
        };
        estate.start_authz().await;
        estate
    }

    pub(crate) async fn start_authz(&mut self) {
        self.write("hallpass.yaml", "hallpass.yaml");
        let mut command = Command::new(built(&["hallpass-cli"], &["hallpass"], "hallpass"));
        command
            .env_clear()
            .env("SHOP_SECRET", SECRET)
            .args(["authz", "--config", "hallpass.yaml"]);
        self.authz = Some(Process::start(command, self.folder(), self.authz_port).await);
    }

    pub(crate) fn stop_authz(&mut self) {
        self.authz = None;
    }

    pub(crate) fn authz(&self) -> &Process {
        self.authz.as_ref().unwrap()
    }

    /// Where the keys of the issuer are.
    pub(crate) fn jwks_url(&self) -> String {
        self.issuer.jwks_url()
    }

    /// Where the files are that programs read.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the file `shipped` of `deploy/proxies`, with the ports of this estate and nothing else changed.
    pub(crate) fn write(&self, shipped: &str, name: &str) {
        assert!(SHIPPED.contains(&shipped), "{shipped} is listed");
        let text = std::fs::read_to_string(deployed().join(shipped)).unwrap();
        self.write_text(&text, name);
    }

    /// Writes a text with the ports of this estate.
    pub(crate) fn write_text(&self, text: &str, name: &str) {
        let ports = [
            (PROXY, self.proxy_port),
            (SERVICE, self.service.port()),
            (AUTHZ, self.authz_port),
            (MANAGEMENT, self.management_port),
            (GRPC, self.grpc_port),
            (ISSUER, self.issuer.address().port()),
        ];
        let mut text = text.to_owned();
        // By way of a mark each: a port of here may hold the digits of one that is still to be replaced.
        let mark = |index: usize| format!("\u{0}{index}\u{0}");
        for (index, (port, _)) in ports.iter().enumerate() {
            text = text.replace(port, &mark(index));
        }
        for (index, (_, here)) in ports.iter().enumerate() {
            text = text.replace(&mark(index), &here.to_string());
        }
        std::fs::write(self.folder().join(name), text).unwrap();
    }

    /// A token of the user `alice`, by the client `web`, with these scopes.
    pub(crate) fn user(&self, scopes: &str) -> String {
        Self::token("alice", "web", scopes)
    }

    /// A token of the service `report`.
    pub(crate) fn service_token(&self) -> String {
        Self::token("report", "report", "internal-service")
    }

    /// As [`user`](Self::user), of a tenant.
    pub(crate) fn user_of_tenant(&self, tenant: &str, scopes: &str) -> String {
        Self::token_with("alice", "web", scopes, |claims| {
            claims.extra.insert("tenant".to_owned(), tenant.into());
        })
    }

    fn token(subject: &str, client: &str, scopes: &str) -> String {
        Self::token_with(subject, client, scopes, |_| {})
    }

    fn token_with(
        subject: &str,
        client: &str,
        scopes: &str,
        more: impl FnOnce(&mut TokenClaims),
    ) -> String {
        let now = UnixTime::from(SystemClock::new().now());
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            subject.parse().unwrap(),
            AUDIENCE.parse().unwrap(),
            now.saturating_add(Duration::from_secs(500)),
        );
        claims.client_id = Some(client.parse().unwrap());
        claims.scope = scopes.parse().unwrap();
        claims.issued_at = Some(now);
        more(&mut claims);
        let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
        sign(&claims, &key, now).unwrap().expose().to_owned()
    }
}

/// The folder of the files that newcomers take.
fn deployed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/proxies")
}

#[test]
fn no_file_is_shipped_that_no_test_starts() {
    let mut found = Vec::new();
    let mut folders = vec![deployed()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(deployed()).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    assert_eq!(found, SHIPPED);
}
