//! Every hop over TLS, with a private authority and client certificates that YAML names.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::{Router, routing::get};
use hallpass::Metrics;
use hallpass::Settings;
use hallpass::clock::SystemClock;
use hallpass::config::{Configuration, Loader};
use hallpass::listen::RunningServer;
use hallpass::nacos::Nacos;
use hallpass::prelude::*;
use hallpass::tls::{ClientTls, ClientTlsSettings, PeerCertificates, TestAuthority, TlsMetrics};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::service::{BoxSystem, FeignSystem, System};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Issuer, callee and the files of all; each listener demands a client certificate.
struct Estate {
    folder: TempDir,
    authority: TestAuthority,
    issuer: RunningIssuer,
    callee: Callee,
}

/// The service that is called.
struct Callee {
    address: SocketAddr,
    metrics: Metrics,
    _running: RunningServer,
}

impl Estate {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for name in ["issuer", "callee", "caller"] {
            let certificate = authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(folder.path(), name);
        }
        let issuer: IssuerSettings = load(
            folder.path(),
            &format!(
                r#"
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: need, client-ca-file: ca.crt }}
    clients:
      - {{ client-id: order-service, client-secret: {SECRET}, secret-kind: generated, scopes: [internal-service], audiences: [service-system] }}
"#
            ),
        );
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start(&issuer, clock).await.unwrap();
        let callee = serve(folder.path(), &issuer).await;
        Self {
            folder,
            authority,
            issuer,
            callee,
        }
    }

    /// A caller whose section `tls` is this.
    fn caller(&self, tls: &str) -> (Hallpass, BoxSystem) {
        let settings: Settings = load(self.folder.path(), &self.caller_yaml(tls));
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
        (hallpass, system)
    }

    fn caller_yaml(&self, tls: &str) -> String {
        format!(
            r#"
hallpass:
  service: {{ name: order-service }}
  tls: {tls}
  discovery: {{ static: {{ service-system: ["https://{}"] }} }}
  internal-token: {{ client-id: order-service, client-secret: {SECRET}, scope: internal-service, token-url: "{}" }}
"#,
            self.callee.address,
            self.issuer.url("/oauth2/token"),
        )
    }
}

/// The callee: it fetches keys over TLS, and shows who called and whether by a certificate.
async fn serve(folder: &Path, issuer: &RunningIssuer) -> Callee {
    let settings: Settings = load(
        folder,
        &format!(
            r#"
hallpass:
  service:
    name: service-system
    tls: {{ certificate-file: callee.crt, private-key-file: callee.key, client-auth: need, client-ca-file: ca.crt }}
  tls: {{ ca-file: ca.crt, certificate-file: callee.crt, private-key-file: callee.key }}
  security:
    internal-jwt:
      issuer: internal
      jwks-url: "{}"
      internal-only: {{ paths: [/internal/**] }}
"#,
            issuer.url("/oauth2/jwks")
        ),
    );
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let report = async |caller: Caller, request: axum::extract::Request| {
        let shown = request.extensions().get::<PeerCertificates>();
        let shown = if shown.is_some() { "shown" } else { "none" };
        axum::Json(format!("{} {shown}", caller.subject()))
    };
    let router = Router::new()
        .route("/internal/report", get(report))
        .layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = hallpass
        .http_server(listener)
        .serve(move |_peer| router.clone())
        .unwrap();
    Callee {
        address: running.local_addr(),
        metrics: hallpass.metrics(),
        _running: running,
    }
}

/// Settings in a file of `folder`, so that names of files are seen from there.
fn load<T: Configuration>(folder: &Path, yaml: &str) -> T {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load();
    loaded.unwrap().into_settings()
}

const MUTUAL: &str =
    "{ ca-file: ca.crt, certificate-file: caller.crt, private-key-file: caller.key }";

#[tokio::test]
async fn token_keys_and_call_go_over_mutual_tls_with_a_private_authority_named_in_yaml() {
    let estate = Estate::start().await;
    let (hallpass, system) = estate.caller(MUTUAL);
    assert_eq!(system.report().await.unwrap(), "order-service shown");
    let metrics = hallpass.metrics().text();
    let ends = "hallpass_tls_certificate_expiry_timestamp_seconds{used_for=\"client\"}";
    assert!(metrics.contains(ends), "{metrics}");
}

#[tokio::test]
async fn a_caller_without_a_certificate_or_without_the_authority_gets_no_token_and_is_told_why() {
    let estate = Estate::start().await;
    let stranger = TestAuthority::new("Another CA");
    let _settings = stranger
        .certificate(&["127.0.0.1"])
        .write(estate.folder.path(), "stranger");
    let cases = [
        ("{ ca-file: ca.crt }", "CertificateRequired"),
        (
            "{ ca-file: ca.crt, certificate-file: stranger.crt, private-key-file: stranger.key }",
            "received fatal alert",
        ),
        ("{}", "UnknownIssuer"),
    ];
    for (tls, reason) in cases {
        let (_hallpass, system) = estate.caller(tls);
        let error = system.report().await.unwrap_err();
        let texts = std::iter::successors(Some(&error as &dyn std::error::Error), |it| it.source());
        let text: Vec<_> = texts.map(ToString::to_string).collect();
        let text = text.join(" <- ");
        assert!(text.contains(reason), "{text}");
    }
    assert_eq!(estate.issuer.tokens_issued(), 0);
}

#[tokio::test]
async fn a_service_takes_other_tls_files_while_it_runs_and_none_that_cannot_be_used() {
    let estate = Estate::start().await;
    let (hallpass, system) = estate.caller("{ ca-file: ca.crt }");
    assert!(system.report().await.is_err());
    let broken = "{ ca-file: ca.crt, certificate-file: caller.crt, private-key-file: issuer.key }";
    let broken = load(estate.folder.path(), &estate.caller_yaml(broken));
    let error = hallpass.apply(&broken).unwrap_err().to_string();
    assert!(
        error.starts_with("tls: ") && error.contains("do not belong together"),
        "{error}"
    );
    hallpass
        .apply(&load(estate.folder.path(), &estate.caller_yaml(MUTUAL)))
        .unwrap();
    // The issuer was unreachable a moment ago: the token service asks again when its pause is over.
    let system = &system;
    let served = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
        while system.report().await.is_err() {
            looks.tick().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, served).await.unwrap();
    drop(estate.authority);
}

/// Asks the callee with what these files say; whether there was a response.
async fn ask(estate: &Estate, client: &ClientTlsSettings) -> bool {
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(client, clock, &TlsMetrics::default()).unwrap();
    let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
    let url = format!("https://{}/internal/report", estate.callee.address);
    let request = http::Request::get(url).body(Body::empty()).unwrap();
    transport.oneshot(request).await.is_ok()
}

#[tokio::test]
async fn a_service_counts_failed_handshakes_by_reason_as_the_issuer_does() {
    let estate = Estate::start().await;
    let failed = |reason: &str| {
        let name = format!("hallpass_service_tls_handshakes_failed_total{{reason=\"{reason}\"}} ");
        let text = estate.callee.metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or("0").to_owned()
    };
    let path = |name: &str| estate.folder.path().join(name);
    let mut client = ClientTlsSettings {
        ca_file: Some(path("ca.crt")),
        ..ClientTlsSettings::default()
    };
    // A caller without a certificate, and one that does not trust the callee.
    assert!(!ask(&estate, &client).await);
    let stranger = TestAuthority::new("Another CA");
    std::fs::write(path("another.crt"), stranger.pem()).unwrap();
    client.ca_file = Some(path("another.crt"));
    assert!(!ask(&estate, &client).await);
    // The callee hears of it after the caller has given up.
    let counted = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
        while (failed("certificate"), failed("other")) != ("1".to_owned(), "1".to_owned()) {
            looks.tick().await;
        }
    };
    let limit = std::time::Duration::from_secs(10);
    let text = tokio::time::timeout(limit, counted).await;
    assert!(text.is_ok(), "{}", estate.callee.metrics.text());
    let text = estate.callee.metrics.text();
    assert!(text.contains("\nhallpass_service_connections "), "{text}");
}

#[tokio::test]
async fn the_files_that_protect_connections_to_nacos_are_those_that_are_followed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    for name in ["caller", "other"] {
        let _settings = authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), name);
    }
    let file = folder.path().join("settings.yaml");
    let yaml = |tls: &str| {
        format!(
            "hallpass: {{ tls: {tls}, nacos: {{ server-addr: 'https://127.0.0.1:1' }}, discovery: {{ nacos: true }} }}"
        )
    };
    std::fs::write(&file, yaml(MUTUAL)).unwrap();
    let nacos = Nacos::start(Loader::new("hallpass").file(&file))
        .await
        .unwrap();
    let settings: Settings = load(folder.path(), &yaml(MUTUAL));
    // Nothing but Nacos uses the files.
    let hallpass = Hallpass::builder(&settings)
        .transport(HttpTransport::new().unwrap())
        .nacos(&nacos)
        .build()
        .unwrap();
    let ends = "hallpass_tls_certificate_expiry_timestamp_seconds{used_for=\"client\"}";
    let metrics = hallpass.metrics().text();
    assert!(metrics.contains(ends), "{metrics}");
    let mixed = "{ ca-file: ca.crt, certificate-file: caller.crt, private-key-file: other.key }";
    let mixed: Settings = load(folder.path(), &yaml(mixed));
    let error = hallpass.apply(&mixed).unwrap_err().to_string();
    assert!(error.contains("do not belong together"), "{error}");
}

/// A stream has no end of its own, so one to an issuer that is not trusted any more would be believed for as long as its connection holds.
#[tokio::test]
async fn what_is_revoked_is_not_followed_any_more_from_an_issuer_that_is_not_trusted_any_more() {
    let estate = Estate::start().await;
    let (_hallpass, system) = estate.caller(MUTUAL);
    system.report().await.unwrap();
    let shows = async |line: &str| {
        for _ in 0..600 {
            if estate.callee.metrics.text().contains(line) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{line}: {}", estate.callee.metrics.text());
    };
    shows("hallpass_revocations_streaming{issuer=\"internal\"} 1").await;
    let other = TestAuthority::new("Another CA");
    std::fs::write(estate.folder.path().join("ca.crt"), other.pem()).unwrap();
    shows("hallpass_revocations_streaming{issuer=\"internal\"} 0").await;
    // Nor by asking.
    let failed = "hallpass_revocations_requests_total{issuer=\"internal\",result=\"transport\"}";
    shows(failed).await;
}
