//! Services that name no file of a certificate: the section `certificates` gets, renews and serves theirs, tokens are bound to them, and
//! their trust follows the authority.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::{Extension, Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock, ManualClock};
use hallpass::config::{Configuration, Loader};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::{ClientTls, ClientTlsSettings, PeerCertificates, TestAuthority, TlsMetrics};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer, rotate_authority};
use hallpass_testkit::{Fault, FaultProxy};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::load::Load;
use crate::service::{BoxSystem, FeignSystem, System};

const SECRET: &str = "InternalSecret123!";
/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// An issuer with an authority; `order-service` calls `service-system`.
struct Estate {
    folder: TempDir,
    clock: Arc<ManualClock>,
    settings: IssuerSettings,
    issuer: RunningIssuer,
}

/// A service with a certificate of its own.
struct Service {
    settings: Settings,
    hallpass: Hallpass,
}

/// What the callee has seen.
#[derive(Clone, Default)]
struct Seen {
    authorization: Arc<Mutex<Vec<String>>>,
    certificates: Arc<Mutex<HashSet<[u8; 32]>>>,
}

impl Estate {
    async fn start() -> Self {
        let (folder, authority) = (
            tempfile::tempdir().unwrap(),
            TestAuthority::new("Server CA"),
        );
        fs::write(folder.path().join("server-ca.crt"), authority.pem()).unwrap();
        let certificate = authority.certificate(&["127.0.0.1"]);
        let _settings = certificate.write(folder.path(), "issuer");
        let settings: IssuerSettings = load(folder.path(), &issuer_yaml(SECRET));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(ManualClock::at(now));
        let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
        Self {
            folder,
            clock,
            settings,
            issuer,
        }
    }

    /// It calls `service-system` at this port.
    async fn service(&self, id: &str, callee: u16) -> Service {
        let at = self.issuer.local_addr();
        let settings = self.service_settings(id, callee, at);
        let hallpass = self.begin(&settings).await.unwrap();
        Service { settings, hallpass }
    }

    async fn begin(&self, settings: &Settings) -> Result<Hallpass, hallpass::Error> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Hallpass::builder(settings).clock(clock).start().await
    }

    /// It finds the issuer there.
    fn service_settings(&self, id: &str, callee: u16, issuer: SocketAddr) -> Settings {
        let yaml = format!(
            "
hallpass:
  service: {{ name: {id}, tls: {{ client-auth: need }} }}
  certificates: {{ from: 'https://{issuer}/ca/v1/certificate', folder: {id} }}
  tls: {{ ca-file: server-ca.crt, system-roots: false }}
  discovery: {{ static: {{ service-system: ['https://localhost:{callee}'] }} }}
  internal-token: {{ client-id: {id}, client-secret: {SECRET}, scope: internal-service, token-url: 'https://{issuer}/oauth2/token' }}
  security:
    internal-jwt:
      issuer: internal
      jwks-url: 'https://{issuer}/oauth2/jwks'
      bound: certificate
      routes: [ {{ path: /internal/**, rule: internal-only, peers: 'spiffe://shop.example/order-service' }} ]
"
        );
        let mut settings: Settings = load(self.folder.path(), &yaml);
        settings.certificates.as_mut().unwrap().bundle_every = Duration::from_millis(50);
        settings
    }

    fn certificate(&self, id: &str) -> Vec<u8> {
        let file = self.folder.path().join(id).join("current/tls.crt");
        fs::read(file).unwrap()
    }

    /// How many authorities it trusts.
    fn authorities(&self, id: &str) -> usize {
        let file = self.folder.path().join(id).join("current/ca.crt");
        fs::read_to_string(file).unwrap().matches("BEGIN").count()
    }

    /// The status for somebody who shows the certificate of `id` and sends this to a callee at `port`.
    async fn send(&self, id: &str, port: u16, authorization: &str) -> StatusCode {
        let current = self.folder.path().join(id).join("current");
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(current.join("ca.crt")),
            key_pair: Some(hallpass::tls::KeyPairSettings {
                certificate_file: current.join("tls.crt"),
                private_key_file: current.join("tls.key"),
            }),
        };
        let tls = ClientTls::load(&settings, self.clock.clone(), &TlsMetrics::default());
        let transport = HttpTransport::builder().followed_tls(tls.unwrap());
        let request = Request::get(format!("https://localhost:{port}/internal/report"))
            .header(AUTHORIZATION, authorization)
            .body(Body::empty())
            .unwrap();
        let response = transport.build().unwrap().oneshot(request).await;
        response.unwrap().status()
    }
}

impl Service {
    /// It listens, with what it has got.
    async fn serve(&self, listener: TcpListener) -> (RunningServer, Seen) {
        let seen = Seen::default();
        let noted = seen.clone();
        let report =
            move |caller: Caller, peer: Extension<PeerCertificates>, headers: http::HeaderMap| {
                noted.certificates.lock().unwrap().insert(peer.sha256());
                let authorization = headers[AUTHORIZATION].to_str().unwrap().to_owned();
                noted.authorization.lock().unwrap().push(authorization);
                async move { axum::Json(caller.subject().to_string()) }
            };
        let guard = self.hallpass.resource_server().build().unwrap();
        let router = Router::new().route("/internal/report", get(report));
        let router = router.layer(guard.layer());
        let server = self.hallpass.http_server(listener);
        (server.serve(move |_peer| router.clone()).unwrap(), seen)
    }

    /// Another certificate now, and it is in use: else the files are looked at every five seconds.
    async fn renew(&self) {
        assert!(self.hallpass.certificates().unwrap().renew().await);
        self.look();
    }

    fn look(&self) {
        self.hallpass.apply(&self.settings).unwrap();
    }

    /// What others were refused for, if anything: a call that was refused and repeated would not have failed.
    fn refusals(&self) -> Vec<String> {
        let text = self.hallpass.metrics().text();
        let of_calls = text
            .lines()
            .filter(|line| line.starts_with("hallpass_verify_total{"));
        let refused = of_calls.filter(|line| !line.contains("\"allow\"") && !line.ends_with(" 0"));
        refused.map(str::to_owned).collect()
    }
}

/// Both clients have this secret.
fn issuer_yaml(secret: &str) -> String {
    let client = |id: &str| {
        format!(
            "      - {{ client-id: {id}, client-secret: {secret}, scopes: [internal-service], audiences: [service-system], \
             tls-client-certificate-bound-access-tokens: true, \
             certificate: {{ spiffe-id: 'spiffe://shop.example/{id}', dns-names: [localhost] }} }}\n"
        )
    };
    let clients = [client("order-service"), client("service-system")].concat();
    format!(
        "
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: any }}
    ca: {{ trust-domain: shop.example, certificates-per-client-per-hour: 1000 }}
    clients:
{clients}"
    )
}

/// Settings in a file of `folder`, so that names of files are seen from there.
fn load<T: Configuration>(folder: &Path, yaml: &str) -> T {
    let file = folder.join("settings.yaml");
    fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load();
    loaded.unwrap().into_settings()
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_bound_to_a_certificate_is_asked_anew_when_that_is_renewed() {
    let estate = Estate::start().await;
    let (listener, port) = listen().await;
    let system = estate.service("service-system", port).await;
    let order = estate.service("order-service", port).await;
    let (_serving, seen) = system.serve(listener).await;
    let calls = BoxSystem::new(FeignSystem::new(order.hallpass.feign()).unwrap());
    for _ in 0..3 {
        assert_eq!(calls.report().await.unwrap(), "order-service");
    }
    assert_eq!(estate.issuer.tokens_issued(), 1);
    let first = seen.authorization.lock().unwrap()[0].clone();
    assert_eq!(
        estate.send("order-service", port, &first).await,
        StatusCode::OK
    );
    // The certificate alone is of no use for another workload's token.
    let status = estate.send("service-system", port, &first).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let before = estate.certificate("order-service");
    order.renew().await;
    assert!(estate.certificate("order-service") != before);
    let status = estate.send("order-service", port, &first).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "it is bound to the old");
    let refused = system.refusals();
    for _ in 0..3 {
        assert_eq!(calls.report().await.unwrap(), "order-service");
    }
    assert_eq!(estate.issuer.tokens_issued(), 2, "one for each certificate");
    assert_eq!(seen.certificates.lock().unwrap().len(), 2);
    let last = seen.authorization.lock().unwrap().last().cloned().unwrap();
    assert!(last != first);
    assert_eq!(
        estate.send("order-service", port, &last).await,
        StatusCode::OK
    );
    assert_eq!(system.refusals(), refused, "no call was sent in vain");
    let shown = order.hallpass.metrics().text();
    for line in [
        "hallpass_certificates_renewals_total{result=\"by_credential\"} 1",
        "hallpass_certificates_renewals_total{result=\"by_certificate\"} 1",
        "hallpass_certificates_not_after_timestamp_seconds 1800003600",
        "hallpass_certificates_last_renewal_timestamp_seconds 1800000000",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    estate.issuer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trust_follows_one_authority_after_another_under_calls_without_a_restart() {
    let estate = Estate::start().await;
    let (listener, port) = listen().await;
    let system = estate.service("service-system", port).await;
    let order = estate.service("order-service", port).await;
    let (_serving, seen) = system.serve(listener).await;
    let load = Load::start(&order.hallpass);
    load.go_on_for(8).await;
    let clock: Arc<dyn Clock> = estate.clock.clone();
    let rotated = rotate_authority(&estate.settings, &clock, false);
    rotated.await.unwrap();
    // Nobody asks for it: the bundle comes by itself, and no certificate with it.
    let certificates = ["order-service", "service-system"];
    let before = certificates.map(|id| estate.certificate(id));
    until("both trust the next authority", || {
        certificates.iter().all(|id| estate.authorities(id) == 2)
    })
    .await;
    assert!(before == certificates.map(|id| estate.certificate(id)));
    order.look();
    system.look();
    // Fifteen minutes, in which the issuer comes to believe its clock, in steps that no token ends within.
    for _ in 0..46 {
        estate.clock.advance(Duration::from_secs(20));
        load.each_goes_on().await;
    }
    until("the next one signs", || {
        let shown = estate.issuer.metrics();
        shown.contains("state=\"retired\"") && shown.contains("state=\"signing\"")
    })
    .await;
    for service in [&order, &system] {
        service.renew().await;
        load.go_on_for(20).await;
    }
    let (calls, failed) = load.end().await;
    assert!(
        failed.is_empty(),
        "{} of {calls}: {:?}",
        failed.len(),
        failed.first()
    );
    assert_eq!(system.refusals(), Vec::<String>::new());
    assert_eq!(seen.certificates.lock().unwrap().len(), 2, "old and new");
    let trusted = estate.authorities("order-service");
    assert_eq!(trusted, 2, "the next one and the former one");
    estate.issuer.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_begins_without_its_certificate_says_how_it_is_begun() {
    let estate = Estate::start().await;
    let service = estate.service("order-service", 1).await;
    let error = Hallpass::from_settings(&service.settings).unwrap_err();
    assert!(error.to_string().contains("Hallpass::start"), "{error}");
    // What does one thing in its name shows what it keeps good.
    let settings = service.settings.clone().beside_the_service();
    let beside = Hallpass::from_settings(&settings).unwrap();
    let token = beside.tokens().handle(
        &"service-system".parse().unwrap(),
        &hallpass::token::Scope::empty(),
    );
    assert!(token.token().await.unwrap().is_bound());
}

#[tokio::test]
async fn a_service_that_begins_before_its_issuer_waits_for_it() {
    let estate = Estate::start().await;
    let mut way = FaultProxy::start(estate.issuer.local_addr()).await.unwrap();
    way.set(Fault::Reset).await;
    let settings = estate.service_settings("order-service", 1, way.address());
    let begins = estate.begin(&settings);
    let comes = async {
        let mut again = tokio::time::interval(Duration::from_millis(10));
        while way.connections() == 0 {
            again.tick().await;
        }
        way.set(Fault::Pass).await;
    };
    let (begun, ()) = tokio::join!(begins, comes);
    let shown = begun.unwrap().metrics().text();
    let refused = "hallpass_certificates_renewals_total{result=\"certificate_refused\"}";
    assert!(shown.contains(refused), "{shown}");
    way.set(Fault::Reset).await;
    let mut settings = settings;
    let certificates = settings.certificates.as_mut().unwrap();
    certificates.start_limit = Duration::ZERO;
    certificates.folder = estate.folder.path().join("another");
    let error = estate.begin(&settings).await.unwrap_err();
    assert!(error.to_string().starts_with("certificates: "), "{error}");
}

#[tokio::test]
async fn a_reload_brings_the_secret_that_certificates_are_asked_by() {
    const OTHER: &str = "AnotherSecret456!";
    let mut estate = Estate::start().await;
    let service = estate.service("order-service", 1).await;
    let mut clients: IssuerSettings = load(estate.folder.path(), &issuer_yaml(OTHER));
    std::mem::swap(&mut estate.settings.clients, &mut clients.clients);
    estate.issuer.apply(&estate.settings).await.unwrap();
    let agent = service.hallpass.certificates().unwrap();
    let folder = estate.folder.path().join("order-service");
    // Without a certificate there is the secret alone, and that is another one by now.
    fs::rename(&folder, folder.with_extension("aside")).unwrap();
    assert!(!agent.renew().await);
    fs::rename(folder.with_extension("aside"), &folder).unwrap();
    let at = estate.issuer.local_addr();
    let _written = estate.service_settings("order-service", 1, at);
    let file = estate.folder.path().join("settings.yaml");
    let yaml = fs::read_to_string(file).unwrap().replace(SECRET, OTHER);
    let mut settings: Settings = load(estate.folder.path(), &yaml);
    settings.certificates = service.settings.certificates.clone();
    service.hallpass.apply(&settings).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(agent.renew().await);
}
