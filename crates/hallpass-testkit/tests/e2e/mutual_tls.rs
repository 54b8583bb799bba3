//! A service that its certificate alone proves, with tokens that are bound to it (RFC 8705): from YAML over mutual TLS to the callee,
//! what a thief makes of such a token, and certificates that change under calls.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::clock::SystemClock;
use hallpass::config::{Configuration, Loader};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::{ClientTls, ClientTlsSettings, TestAuthority, TestCertificate, TlsMetrics};
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{Metrics, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::service::{BoxSystem, FeignSystem, System};

/// Callers have certificates of the authority.
const NAMED: &str =
    "token-endpoint-auth-method: tls_client_auth, tls-client-auth-san-dns: order.example";
const WANT: &str = "client-auth: want, client-ca-file: ca.crt";

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
    /// `Authorization` of each call that came through.
    seen: Arc<Mutex<Vec<String>>>,
    _running: RunningServer,
}

impl Estate {
    /// The client `order-service` is registered so, and both listeners ask for certificates so.
    async fn start(client: &str, client_auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for name in ["issuer", "callee"] {
            let certificate = authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(folder.path(), name);
        }
        let issuer: IssuerSettings = load(
            folder.path(),
            &format!(
                "
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, {client_auth} }}
    clients:
      - {{ client-id: order-service, {client}, tls-client-certificate-bound-access-tokens: true, scopes: [internal-service], audiences: [service-system] }}
"
            ),
        );
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start(&issuer, clock).await.unwrap();
        let callee = serve(folder.path(), &issuer, client_auth).await;
        Self {
            folder,
            authority,
            issuer,
            callee,
        }
    }

    /// What a caller with the pair of files of this name is set to.
    fn settings(&self, method: &str, pair: &str) -> Settings {
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service }}
  tls: {{ ca-file: ca.crt, certificate-file: {pair}.crt, private-key-file: {pair}.key }}
  discovery: {{ static: {{ service-system: ['https://{}'] }} }}
  internal-token: {{ client-id: order-service, client-authentication: {method}, scope: internal-service, token-url: '{}' }}
",
            self.callee.address,
            self.issuer.url("/oauth2/token"),
        );
        load(self.folder.path(), &yaml)
    }

    fn caller(&self, method: &str, pair: &str) -> (Hallpass, BoxSystem) {
        let hallpass = Hallpass::from_settings(&self.settings(method, pair)).unwrap();
        let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
        (hallpass, system)
    }

    fn certificate(&self, file: &str, name: &str) {
        let certificate = self.authority.certificate(&[name]);
        let _settings = certificate.write(self.folder.path(), file);
    }

    /// The status for somebody who sends this, over a connection that shows the pair of this name, or none.
    async fn send(&self, pair: Option<&str>, authorization: &str) -> StatusCode {
        let file = |name: String| self.folder.path().join(name);
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(file("ca.crt".to_owned())),
            key_pair: pair.map(|pair| hallpass::tls::KeyPairSettings {
                certificate_file: file(format!("{pair}.crt")),
                private_key_file: file(format!("{pair}.key")),
            }),
        };
        let clock = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
        let url = format!("https://{}/internal/report", self.callee.address);
        let request = Request::get(url).header(AUTHORIZATION, authorization);
        let request = request.body(Body::empty()).unwrap();
        transport.oneshot(request).await.unwrap().status()
    }
}

/// The callee asks for certificates as the issuer does.
async fn serve(folder: &Path, issuer: &RunningIssuer, client_auth: &str) -> Callee {
    let settings: Settings = load(
        folder,
        &format!(
            "
hallpass:
  service:
    name: service-system
    tls: {{ certificate-file: callee.crt, private-key-file: callee.key, {client_auth} }}
  tls: {{ ca-file: ca.crt }}
  security:
    internal-jwt:
      issuer: internal
      jwks-url: '{}'
      internal-only: {{ paths: [/internal/**] }}
",
            issuer.url("/oauth2/jwks")
        ),
    );
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&seen);
    let report = move |caller: Caller, headers: http::HeaderMap| {
        let authorization = headers[AUTHORIZATION].to_str().unwrap().to_owned();
        noted.lock().unwrap().push(authorization);
        async move { axum::Json(caller.subject().to_string()) }
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
        seen,
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

#[tokio::test]
async fn a_token_that_is_stolen_from_a_service_with_a_certificate_is_of_no_use_over_another() {
    let estate = Estate::start(NAMED, WANT).await;
    estate.certificate("caller", "order.example");
    estate.certificate("thief", "thief.example");
    let (_hallpass, system) = estate.caller("tls_client_auth", "caller");
    for _ in 0..3 {
        assert_eq!(system.report().await.unwrap(), "order-service");
    }
    assert_eq!(estate.issuer.tokens_issued(), 1);
    let stolen = estate.callee.seen.lock().unwrap()[0].clone();
    assert!(stolen.starts_with("Bearer "));
    assert_eq!(estate.send(Some("caller"), &stolen).await, StatusCode::OK);
    let came_through = estate.callee.seen.lock().unwrap().len();
    for pair in [Some("thief"), None] {
        let status = estate.send(pair, &stolen).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{pair:?}");
    }
    // Nor does its own certificate make him that service.
    let (_hallpass, thief) = estate.caller("tls_client_auth", "thief");
    assert_eq!(thief.report().await.unwrap_err().code(), "token");
    assert_eq!(estate.issuer.tokens_issued(), 1);
    let seen = estate.callee.seen.lock().unwrap().len();
    assert_eq!(seen, came_through, "no handler ran");
}

/// Two certificates of nobody, both registered: `client-0` and `client-1`.
fn two_registered(folder: &Path) -> String {
    let key = |number: usize| {
        let certificate = TestCertificate::self_signed(&["order.example"]);
        let _settings = certificate.write(folder, &format!("client-{number}"));
        let body = certificate.certificate_pem.lines();
        let x5c: String = body.filter(|line| !line.starts_with("-----")).collect();
        format!(r#"{{"kty":"EC","x5c":["{x5c}"]}}"#)
    };
    let keys = [key(0), key(1)].join(",");
    format!(
        r#"token-endpoint-auth-method: self_signed_tls_client_auth, jwks: '{{"keys":[{keys}]}}'"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_no_token_goes_out_over_another_certificate_while_it_changes() {
    const CHANGES: usize = 20;
    let certificates = tempfile::tempdir().unwrap();
    let client = two_registered(certificates.path());
    let estate = Estate::start(&client, "client-auth: any").await;
    let settings = |number: usize| {
        let pair = certificates.path().join(format!("client-{number}"));
        estate.settings("self_signed_tls_client_auth", &pair.display().to_string())
    };
    let hallpass = Hallpass::from_settings(&settings(0)).unwrap();
    let (is_over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
        let (is_over, calls) = (Arc::clone(&is_over), Arc::clone(&calls));
        callers.spawn(async move {
            let mut failed = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                calls.fetch_add(1, Ordering::Relaxed);
                failed.extend(system.report().await.err());
            }
            failed
        });
    }
    for change in 0..CHANGES {
        // Some calls go out with each certificate.
        let before = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) < before + 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        hallpass.apply(&settings((change + 1) % 2)).unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let failed: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert!(
        failed.is_empty(),
        "{} of {calls:?}: {:?}",
        failed.len(),
        failed.first()
    );
    let tokens = usize::try_from(estate.issuer.tokens_issued()).unwrap();
    assert!(tokens > CHANGES / 2, "{tokens} tokens");
    // A call that was refused and repeated would not have failed either.
    let metrics = estate.callee.metrics.text();
    let refused = metrics
        .lines()
        .filter(|line| line.starts_with("hallpass_verify_total{") && !line.contains("\"allow\""));
    let refused: Vec<_> = refused.filter(|line| !line.ends_with(" 0")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
