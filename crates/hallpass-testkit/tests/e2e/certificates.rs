//! Services that get their certificates of the issuer's authority, renew them by themselves, and go on while it is down.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hallpass::certificates::{CertificateAgent, CertificateSettings};
use hallpass::client::Credential;
use hallpass::clock::{Clock, ManualClock};
use hallpass::config::Secret;
use hallpass::listen::HttpServer;
use hallpass::tls::{
    ClientAuth, ClientTls, ClientTlsSettings, IssuedFiles, ServerTls, ServerTlsSettings,
    TestAuthority, TlsMetrics,
};
use hallpass::upstream::{Body, HttpTransport, Network, StaticDiscovery};
use hallpass_issuer::{
    CaSettings, CertificateNames, ClientAuthentication, ClientSettings, IssuerServer,
    IssuerSettings, RunningIssuer, rotate_authority,
};
use http::{Request, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// An issuer with an authority, and two clients that are registered for certificates.
struct Estate {
    folder: TempDir,
    clock: Arc<ManualClock>,
    settings: IssuerSettings,
    issuer: RunningIssuer,
}

impl Estate {
    async fn start() -> Self {
        let (folder, authority) = (
            tempfile::tempdir().unwrap(),
            TestAuthority::new("Server CA"),
        );
        std::fs::write(folder.path().join("server-ca.crt"), authority.pem()).unwrap();
        let key_pair = authority.certificate(&["127.0.0.1"]);
        let settings = IssuerSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            store: folder.path().join("issuer.db"),
            tls: Some(ServerTlsSettings {
                key_pair: key_pair.write(folder.path(), "issuer"),
                client_auth: ClientAuth::Any { ca_file: None },
            }),
            ca: Some(CaSettings {
                certificates_per_client_per_hour: NonZeroU32::new(1_000).unwrap(),
                ..CaSettings::new("shop.example")
            }),
            clients: ["order", "system"].map(client).to_vec(),
            ..IssuerSettings::default()
        };
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

    fn trust(&self) -> ClientTlsSettings {
        ClientTlsSettings {
            system_roots: false,
            ca_file: Some(self.folder.path().join("server-ca.crt")),
            key_pair: None,
        }
    }

    fn agent(&self, id: &str) -> CertificateAgent {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let tls = ClientTls::load(&self.trust(), Arc::clone(&clock), &TlsMetrics::default());
        let transport = HttpTransport::builder().followed_tls(tls.unwrap());
        let discovery = Arc::new(StaticDiscovery::new());
        let network = Network::new(transport.build().unwrap(), discovery, clock);
        let endpoint = self.issuer.url("/oauth2/token").parse().unwrap();
        let credential = Credential::new(id.parse().unwrap(), Secret::new(SECRET), endpoint);
        let authority = self.issuer.url("/ca/v1/certificate").parse().unwrap();
        let settings = CertificateSettings::new(authority, self.folder.path().join(id));
        CertificateAgent::new(settings.by(&self.trust()), credential, &network)
    }
}

fn client(id: &str) -> ClientSettings {
    let without = without_certificate(id);
    ClientSettings {
        certificate: Some(CertificateNames {
            spiffe_id: format!("spiffe://shop.example/{id}"),
            dns_names: vec!["localhost".to_owned()],
            life: None,
        }),
        ..without
    }
}

fn without_certificate(id: &str) -> ClientSettings {
    let secret = ClientAuthentication::chosen_secret(Secret::new(SECRET));
    ClientSettings {
        grant_types: hallpass_issuer::GrantTypes::default(),
        ..ClientSettings::new(id.parse().unwrap(), secret)
    }
}

fn counted(agent: &CertificateAgent, result: &str) -> bool {
    let mut registry = Registry::default();
    agent.handle().metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text.contains(&format!("result=\"{result}\""))
}

/// Both sides of a service by the files of an agent.
fn sides(estate: &Estate, server: &IssuedFiles, caller: &IssuedFiles) -> (ServerTls, ClientTls) {
    let metrics = TlsMetrics::default();
    let server = ServerTlsSettings {
        key_pair: server.key_pair.clone(),
        client_auth: ClientAuth::Need {
            ca_file: server.ca_file.clone(),
        },
    };
    let caller = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(caller.ca_file.clone()),
        key_pair: Some(caller.key_pair.clone()),
    };
    (
        ServerTls::load(&server, estate.clock.clone(), &metrics).unwrap(),
        ClientTls::load(&caller, estate.clock.clone(), &metrics).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_authority_and_renewed_certificates_fail_no_call() {
    let estate = Estate::start().await;
    let (mut order, mut system) = (estate.agent("order"), estate.agent("system"));
    let (of_order, of_system) = (order.first().await.unwrap(), system.first().await.unwrap());
    let (server, caller) = sides(&estate, &of_system, &of_order);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let serving = HttpServer::new(listener)
        .tls(server.clone())
        .serve(|_| {
            tower::service_fn(|_: Request<hyper::body::Incoming>| async {
                let body = http_body_util::Full::new(bytes::Bytes::from_static(b"hello"));
                Ok::<_, Infallible>(Response::new(body))
            })
        })
        .unwrap();
    let transport = HttpTransport::builder().followed_tls(caller.clone());
    let transport = transport.build().unwrap();
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let load = tokio::spawn({
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let request = Request::get(&url).body(Body::empty()).unwrap();
                let response = transport.clone().oneshot(request).await;
                assert_eq!(response.unwrap().status(), 200);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for round in 0..20 {
        if round == 7 {
            let clock: Arc<dyn Clock> = estate.clock.clone();
            let rotated = rotate_authority(&estate.settings, &clock, false);
            rotated.await.unwrap();
            while !estate.issuer.metrics().contains("state=\"announced\"") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // A tenth of a life each time; the authority that is announced signs from the second round after on.
        estate.clock.advance(Duration::from_secs(360));
        let before = calls.load(Ordering::Relaxed);
        order.first().await.unwrap();
        system.first().await.unwrap();
        let (server, caller) = (server.clone(), caller.clone());
        let look = tokio::task::spawn_blocking(move || {
            caller.look();
            server.look();
        });
        look.await.unwrap();
        while calls.load(Ordering::Relaxed) < before + 5 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(!load.is_finished(), "a call failed in round {round}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    assert!(counted(&order, "by_certificate") && counted(&order, "by_credential"));
    let bundle = std::fs::read_to_string(&of_order.ca_file).unwrap();
    assert_eq!(bundle.matches("BEGIN").count(), 2, "both authorities");
    serving.shutdown_within(Duration::ZERO).await;
    estate.issuer.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_agent_goes_on_with_what_it_has_until_its_last_second_while_the_issuer_is_down() {
    let estate = Estate::start().await;
    let mut agent = estate.agent("order");
    let files = agent.first().await.unwrap();
    let key = std::fs::read(&files.key_pair.private_key_file).unwrap();
    let mut next = estate.agent("order");
    let Estate {
        folder: _folder,
        clock,
        issuer,
        ..
    } = estate;
    issuer.shutdown().await.unwrap();
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(next.first().await.unwrap(), files, "after a restart too");
    assert_eq!(agent.first().await.unwrap(), files);
    let still = std::fs::read(&files.key_pair.private_key_file).unwrap();
    assert!(still == key, "it is the same");
    clock.advance(Duration::from_secs(1));
    assert!(agent.first().await.is_err(), "it has ended");
}

#[tokio::test]
async fn a_client_that_is_registered_for_no_certificate_learns_that_at_once() {
    let mut estate = Estate::start().await;
    estate.settings.clients[0].certificate = None;
    estate.issuer.apply(&estate.settings).await.unwrap();
    let error = estate.agent("order").first().await.unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
    assert_eq!(error.code(), "certificate_refused");
}
