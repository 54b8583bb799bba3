//! Other people's proxies as peers of mutual TLS: each shows a certificate of the issuer's authority to its callers and to the service behind
//! it, demands one of both, and follows while the authority changes.

mod configurations;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hallpass::certificates::{CertificateAgent, CertificateSettings};
use hallpass::client::Credential;
use hallpass::clock::{Clock as _, ManualClock, SystemClock};
use hallpass::config::{Loader, Secret};
use hallpass::listen::{HttpServer, RunningServer};
use hallpass::tls::{
    ClientAuth, ClientTls, ClientTlsSettings, IssuedFiles, KeyPairSettings, PeerCertificates,
    ServerTls, ServerTlsSettings, TestAuthority, TlsMetrics,
};
use hallpass::upstream::{Body, HttpTransport, Network, StaticDiscovery};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer, rotate_authority};
use http::{Request, Response, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::process::{BETWEEN_LOOKS, Process, START, free_ports};
use crate::tools;

use configurations::{ENVOY, ENVOY_OWN, ENVOY_PEERS, NGINX};

const SECRET: &str = "InternalSecret123!";
/// The others judge certificates by the real time: those of all moments of a test are good now.
const BEFORE_NOW: Duration = Duration::from_secs(3_000);
/// What is announced signs then: ten minutes later, and when the issuer believes its clock.
const ANNOUNCED: Duration = Duration::from_secs(901);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Envoy,
    Nginx,
}

/// It ends by itself, and its workers with it.
struct Proxy(Process);

impl Proxy {
    /// Envoy looks at them by itself.
    fn takes_its_files(&self, peer: Peer) {
        if peer == Peer::Nginx {
            self.0.reload();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

/// An issuer with an authority, `caller`, the proxy, and `service` behind it.
struct Estate {
    folder: TempDir,
    clock: Arc<ManualClock>,
    settings: IssuerSettings,
    issuer: RunningIssuer,
    agents: [CertificateAgent; 3],
    service: ServerTls,
    serving: RunningServer,
}

/// What somebody gets who is not let through.
#[derive(Debug)]
enum Denied {
    #[expect(dead_code, reason = "it is read where a test fails")]
    Connection(String),
    Response(StatusCode),
}

const NAMES: [&str; 3] = ["caller", "proxy", "service"];

impl Estate {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Server CA");
        std::fs::write(folder.path().join("server-ca.crt"), authority.pem()).unwrap();
        let certificate = authority.certificate(&["127.0.0.1"]);
        let _settings = certificate.write(folder.path(), "issuer");
        let settings = issuer_settings(folder.path());
        let clock = Arc::new(ManualClock::at(SystemClock::new().now() - BEFORE_NOW));
        let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
        let mut agents = NAMES.map(|name| agent(folder.path(), &clock, &issuer, name));
        for agent in &mut agents {
            agent.first().await.unwrap();
        }
        let own = files(folder.path(), "service");
        let tls = ServerTlsSettings {
            key_pair: own.key_pair,
            client_auth: ClientAuth::Need {
                ca_file: own.ca_file,
            },
        };
        let service = ServerTls::load(&tls, clock.clone(), &TlsMetrics::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = serve(listener, service.clone());
        Self {
            folder,
            clock,
            settings,
            issuer,
            agents,
            service,
            serving,
        }
    }

    /// Another certificate for everybody, signed by who signs now, and the bundle with it.
    async fn renew(&mut self) {
        for agent in &mut self.agents {
            agent.first().await.unwrap();
        }
        let service = self.service.clone();
        tokio::task::spawn_blocking(move || service.look())
            .await
            .unwrap();
    }

    /// Behind the proxy that this peer is; `None`, with a line that says so, where it cannot be had.
    async fn proxy(&self, peer: Peer) -> Option<(Proxy, u16)> {
        let folder = self.folder.path();
        let [port] = free_ports();
        let service = self.serving.local_addr().port();
        let write = |name: &str, text: &str| {
            let text = text.replace("PROXY", &port.to_string());
            let text = text.replace("SERVICE", &service.to_string());
            let text = text.replace("FOLDER", folder.to_str().unwrap());
            std::fs::write(folder.join(name), text).unwrap();
        };
        let command = match peer {
            Peer::Envoy => {
                let mut command = Command::new(tools::envoy()?);
                write("envoy.yaml", ENVOY);
                write("own.yaml", ENVOY_OWN);
                write("peers.yaml", ENVOY_PEERS);
                command.args(["-c", "envoy.yaml", "--concurrency", "1"]);
                command.args(["-l", "warning", "--disable-hot-restart"]);
                command
            }
            Peer::Nginx => {
                let mut command = Command::new(tools::nginx()?);
                write("nginx.conf", NGINX);
                // A process that is to read its files again has workers.
                command.args(["-p", ".", "-c", "nginx.conf", "-g", "daemon off;"]);
                command
            }
        };
        let proxy = Proxy(Process::start(command, folder, port).await);
        Some((proxy, port))
    }

    /// What the service says of the certificate that the proxy has shown, to a caller that shows this and trusts the authorities in `ca`.
    async fn call(
        &self,
        port: u16,
        ca: &Path,
        shows: Option<KeyPairSettings>,
    ) -> Result<String, Denied> {
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(ca.to_owned()),
            key_pair: shows,
        };
        let clock = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
        let request = Request::get(format!("https://localhost:{port}/"));
        let request = request.body(Body::empty()).unwrap();
        // No connection, and one that ends without a response, come to the same.
        let response = transport.oneshot(request).await;
        let response = response.map_err(|error| Denied::Connection(format!("{error:?}")))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(Denied::Response(status));
        }
        let body = response.into_body().collect_within(1_000).await.unwrap();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    /// Until the proxy has taken its files: the caller, who trusts the authorities in `ca`, gets through, and the service says this.
    async fn until(&self, port: u16, ca: &Path, is_it: impl Fn(&str) -> bool) {
        let own = self.files("caller").key_pair;
        let taken = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            loop {
                again.tick().await;
                match self.call(port, ca, Some(own.clone())).await {
                    Ok(said) if is_it(&said) => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(START, taken).await.unwrap();
    }

    fn files(&self, name: &str) -> IssuedFiles {
        files(self.folder.path(), name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Copies what the caller shows now.
    fn keep(&self) -> KeyPairSettings {
        let pair = self.files("caller").key_pair;
        let copy = |file: &Path, name: &str| {
            let path = self.folder.path().join(name);
            std::fs::copy(file, &path).unwrap();
            path
        };
        KeyPairSettings {
            certificate_file: copy(&pair.certificate_file, "before.crt"),
            private_key_file: copy(&pair.private_key_file, "before.key"),
        }
    }
}

fn files(folder: &Path, name: &str) -> IssuedFiles {
    IssuedFiles::below(&folder.join(name))
}

fn issuer_settings(folder: &Path) -> IssuerSettings {
    let clients: String = NAMES
        .map(|name| {
            format!(
                "      - {{ client-id: {name}, client-secret: {SECRET}, \
                 certificate: {{ spiffe-id: 'spiffe://shop.example/{name}', dns-names: [localhost] }} }}\n"
            )
        })
        .concat();
    let yaml = format!(
        "
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: any }}
    ca: {{ trust-domain: shop.example }}
    clients:
{clients}"
    );
    let file = folder.join("issuer.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load::<IssuerSettings>();
    loaded.unwrap().into_settings()
}

fn agent(
    folder: &Path,
    clock: &Arc<ManualClock>,
    issuer: &RunningIssuer,
    name: &str,
) -> CertificateAgent {
    let trust = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(folder.join("server-ca.crt")),
        key_pair: None,
    };
    let tls = ClientTls::load(&trust, clock.clone(), &TlsMetrics::default()).unwrap();
    let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
    let network = Network::new(transport, Arc::new(StaticDiscovery::new()), clock.clone());
    let endpoint = issuer.url("/oauth2/token").parse().unwrap();
    let credential = Credential::new(name.parse().unwrap(), Secret::new(SECRET), endpoint);
    let from = issuer.url("/ca/v1/certificate").parse().unwrap();
    let settings = CertificateSettings::new(from, folder.join(name)).by(&trust);
    CertificateAgent::new(settings, credential, &network)
}

/// Says which certificate its caller has shown.
fn serve(listener: TcpListener, tls: ServerTls) -> RunningServer {
    let serving = HttpServer::new(listener).tls(tls).serve(|_| {
        tower::service_fn(|request: Request<hyper::body::Incoming>| async move {
            let shown = request.extensions().get::<PeerCertificates>();
            let digest = shown.map(PeerCertificates::sha256);
            let body = http_body_util::Full::new(bytes::Bytes::from(format!("{digest:?}")));
            Ok::<_, Infallible>(Response::new(body))
        })
    });
    serving.unwrap()
}

/// The certificates in `bundle` that are not in `before`.
fn added(bundle: &str, before: &str) -> String {
    let parts = bundle.split_inclusive("-----END CERTIFICATE-----");
    let new = parts.filter(|part| part.contains("BEGIN") && !before.contains(part.trim()));
    new.collect()
}

async fn speaks_with_certificates_of_the_authority(peer: Peer) {
    let mut estate = Estate::start().await;
    let Some((proxy, port)) = estate.proxy(peer).await else {
        return;
    };
    let caller = estate.files("caller");
    let own = Some(caller.key_pair.clone());
    let first = estate.call(port, &caller.ca_file, own.clone()).await;
    let first = first.unwrap();
    assert!(first.starts_with("Some("), "the proxy has shown its own");
    // Nobody comes in without a certificate, or with one of another authority and the same name.
    let foreign = TestAuthority::new("Foreign CA").certificate(&["spiffe://shop.example/caller"]);
    let foreign = foreign.write(estate.folder.path(), "foreign");
    for shown in [None, Some(foreign)] {
        let said = estate.call(port, &caller.ca_file, shown).await;
        let is_denied = match (peer, &said) {
            (Peer::Envoy, Err(Denied::Connection(_))) => true,
            (Peer::Nginx, Err(Denied::Response(status))) => *status == StatusCode::BAD_REQUEST,
            _ => false,
        };
        assert!(is_denied, "{said:?}");
    }

    let (old_pair, old_bundle) = (estate.keep(), std::fs::read_to_string(&caller.ca_file));
    let old_bundle = old_bundle.unwrap();
    let clock: Arc<dyn hallpass::clock::Clock> = estate.clock.clone();
    let rotated = rotate_authority(&estate.settings, &clock, false);
    rotated.await.unwrap();
    wait_for(&estate.issuer, "state=\"announced\"").await;
    // All get the next authority before it signs.
    estate.renew().await;
    proxy.takes_its_files(peer);
    estate.until(port, &caller.ca_file, |_| true).await;
    estate.clock.advance(ANNOUNCED);
    wait_for(&estate.issuer, "state=\"retired\"").await;
    estate.renew().await;
    proxy.takes_its_files(peer);
    let bundle = std::fs::read_to_string(&caller.ca_file).unwrap();
    let next = estate.write("next-ca.crt", &added(&bundle, &old_bundle));
    // It shows one of the next authority on both of its sides.
    estate.until(port, &next, |said| said != first).await;
    // The former authority's certificates go on until their end.
    let said = estate.call(port, &caller.ca_file, Some(old_pair)).await;
    assert!(said.is_ok(), "{said:?}");
    estate.issuer.shutdown().await.unwrap();
}

async fn wait_for(issuer: &RunningIssuer, state: &str) {
    let shown = async {
        let mut again = tokio::time::interval(BETWEEN_LOOKS);
        while !issuer.metrics().contains(state) {
            again.tick().await;
        }
    };
    tokio::time::timeout(START, shown).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_speaks_with_certificates_of_the_authority_before_and_after_another_one() {
    speaks_with_certificates_of_the_authority(Peer::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_speaks_with_certificates_of_the_authority_before_and_after_another_one() {
    speaks_with_certificates_of_the_authority(Peer::Nginx).await;
}
