//! A service that its certificate alone proves, with tokens that are bound to it (RFC 8705): from YAML over mutual TLS to the callee,
//! what a thief makes of such a token, and certificates that change under calls.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::{Extension, Router, routing::get};
use hallpass::clock::SystemClock;
use hallpass::config::{Configuration, Loader};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::{
    ClientTls, ClientTlsSettings, PeerCertificates, TestAuthority, TestCertificate, TlsMetrics,
};
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{Metrics, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::load::Load;
use crate::service::{BoxSystem, FeignSystem, System};

/// Callers have certificates of the authority.
pub(crate) const NAMED: &str =
    "token-endpoint-auth-method: tls_client_auth, tls-client-auth-san-dns: order.example";
pub(crate) const WANT: &str = "client-auth: want, client-ca-file: ca.crt";

pub(crate) struct Estate {
    folder: TempDir,
    authority: TestAuthority,
    pub(crate) issuer: RunningIssuer,
    issuer_settings: IssuerSettings,
    pub(crate) callee: Callee,
}

/// The service that is called.
pub(crate) struct Callee {
    pub(crate) address: SocketAddr,
    metrics: Metrics,
    hallpass: Hallpass,
    settings: Settings,
    /// `Authorization` of each call that came through.
    seen: Arc<Mutex<Vec<String>>>,
    /// The certificates that callers have shown.
    shown: Arc<Mutex<HashSet<[u8; 32]>>>,
    /// Connections that were accepted.
    connections: Arc<AtomicUsize>,
    _running: RunningServer,
}

impl Estate {
    /// The client `order-service` is registered so, and both listeners ask for certificates so.
    pub(crate) async fn start(client: &str, client_auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for name in ["issuer", "callee"] {
            let certificate = authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(folder.path(), name);
        }
        let issuer_settings: IssuerSettings = load(
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
        let issuer = IssuerServer::start(&issuer_settings, clock).await.unwrap();
        let callee = serve(folder.path(), &issuer, client_auth).await;
        Self {
            folder,
            authority,
            issuer,
            issuer_settings,
            callee,
        }
    }

    /// What a caller with the pair of files of this name is set to.
    pub(crate) fn settings(&self, method: &str, pair: &str) -> Settings {
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service }}
  tls: {{ ca-file: ca.crt, certificate-file: {pair}.crt, private-key-file: {pair}.key }}
  transport: {{ connection-max-age-seconds: 1 }}
  discovery: {{ static: {{ service-system: ['https://{}'] }} }}
  internal-token: {{ client-id: order-service, client-authentication: {method}, scope: internal-service, token-url: '{}' }}
",
            self.callee.address,
            self.issuer.url("/oauth2/token"),
        );
        load(self.folder.path(), &yaml)
    }

    pub(crate) fn caller(&self, method: &str, pair: &str) -> (Hallpass, BoxSystem) {
        let hallpass = Hallpass::from_settings(&self.settings(method, pair)).unwrap();
        let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
        (hallpass, system)
    }

    pub(crate) fn certificate(&self, file: &str, name: &str) {
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
    let shown = Arc::<Mutex<HashSet<[u8; 32]>>>::default();
    let showing = Arc::clone(&shown);
    let report = move |caller: Caller,
                       peer: Option<Extension<PeerCertificates>>,
                       headers: http::HeaderMap| {
        showing.lock().unwrap().extend(peer.map(|it| it.sha256()));
        let authorization = headers[AUTHORIZATION].to_str().unwrap().to_owned();
        noted.lock().unwrap().push(authorization);
        async move { axum::Json(caller.subject().to_string()) }
    };
    let router = Router::new()
        .route("/internal/report", get(report))
        .layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&connections);
    let running = hallpass
        .http_server(listener)
        .serve(move |_peer| {
            accepted.fetch_add(1, Ordering::Relaxed);
            router.clone()
        })
        .unwrap();
    Callee {
        address: running.local_addr(),
        metrics: hallpass.metrics(),
        hallpass,
        settings,
        seen,
        shown,
        connections,
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
    let load = Load::start(&hallpass);
    for change in 0..CHANGES {
        // Some calls go out with each certificate.
        load.go_on_for(8).await;
        hallpass.apply(&settings((change + 1) % 2)).unwrap();
    }
    let (calls, failed) = load.end().await;
    assert!(
        failed.is_empty(),
        "{} of {calls}: {:?}",
        failed.len(),
        failed.first()
    );
    let tokens = usize::try_from(estate.issuer.tokens_issued()).unwrap();
    assert!(tokens > CHANGES / 2, "{tokens} tokens");
    assert_nobody_was_refused(&estate);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_files_of_all_certificates_are_replaced_under_load() {
    const CHANGES: usize = 10;
    let estate = Estate::start(NAMED, WANT).await;
    estate.certificate("caller", "order.example");
    let settings = estate.settings("tls_client_auth", "caller");
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let load = Load::start(&hallpass);
    for change in 0..CHANGES {
        load.go_on_for(40).await;
        // The caller's own, that of the service that it calls, and that of the issuer.
        estate.certificate("caller", "order.example");
        for name in ["issuer", "callee"] {
            let certificate = estate.authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(estate.folder.path(), name);
        }
        // Else the files are looked at every five seconds.
        match change % 2 {
            0 => hallpass.apply(&settings).unwrap(),
            _ => estate
                .callee
                .hallpass
                .apply(&estate.callee.settings)
                .unwrap(),
        }
        load.go_on_for(10).await;
        hallpass.apply(&settings).unwrap();
        estate
            .callee
            .hallpass
            .apply(&estate.callee.settings)
            .unwrap();
        estate.issuer.apply(&estate.issuer_settings).await.unwrap();
    }
    load.go_on_for(40).await;
    let (calls, failed) = load.end().await;
    assert!(
        failed.is_empty(),
        "{} of {calls}: {:?}",
        failed.len(),
        failed.first()
    );
    assert_nobody_was_refused(&estate);
    let shown = estate.callee.shown.lock().unwrap().len();
    assert!(shown > CHANGES, "{shown} certificates of the caller");
    let tokens = usize::try_from(estate.issuer.tokens_issued()).unwrap();
    assert!(tokens > CHANGES, "{tokens} tokens");
    let connections = estate.callee.connections.load(Ordering::Relaxed);
    assert!(connections > CHANGES, "{connections} connections");
}

/// A call that was refused and repeated would not have failed either.
fn assert_nobody_was_refused(estate: &Estate) {
    let metrics = estate.callee.metrics.text();
    let refused = metrics
        .lines()
        .filter(|line| line.starts_with("hallpass_verify_total{") && !line.contains("\"allow\""));
    let refused: Vec<_> = refused.filter(|line| !line.ends_with(" 0")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
