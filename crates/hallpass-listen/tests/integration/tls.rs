//! A listener that speaks TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hallpass_clock::{Clock as _, ManualClock, SystemClock};
use hallpass_listen::{ConnectionLimits, ConnectionMetrics, Drain, HttpServer, RunningServer};
use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, PeerCertificates, ServerTls, ServerTlsSettings,
    TestAuthority, TestCertificate, TlsMetrics,
};
use http::{Request, Response};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

const NAME: &str = "service-auth.example";

/// A server whose certificate comes from an authority of its own, and the folder of its files.
pub(crate) struct Rig {
    folder: TempDir,
    authority: TestAuthority,
    tls: ServerTls,
    server: RunningServer,
    metrics: ConnectionMetrics,
}

#[derive(Clone, Copy)]
pub(crate) enum Asks {
    Nobody,
    Want,
    Need,
}

pub(crate) async fn start(asks: Asks) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Test CA");
    let ca_file = folder.path().join("ca.crt");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let settings = ServerTlsSettings {
        key_pair: authority
            .certificate(&[NAME, "127.0.0.1"])
            .write(folder.path(), "server"),
        client_auth: match asks {
            Asks::Nobody => ClientAuth::None,
            Asks::Want => ClientAuth::Want { ca_file },
            Asks::Need => ClientAuth::Need { ca_file },
        },
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let metrics = ConnectionMetrics::default();
    let limits = ConnectionLimits {
        connections: 64,
        ..ConnectionLimits::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener)
        .limits(limits)
        .metrics(metrics.clone())
        .tls(tls.clone())
        .serve(|_peer| {
            tower::service_fn(|request: Request<_>| async move {
                let shown = request.extensions().get::<PeerCertificates>();
                let shown = shown.map_or(0, |shown| shown.own().len());
                let text = format!("shown {shown}");
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            })
        })
        .unwrap();
    Rig {
        folder,
        authority,
        tls,
        server,
        metrics,
    }
}

impl Rig {
    /// A caller that trusts the authority alone and shows `certificate`.
    fn caller(&self, certificate: Option<&TestCertificate>) -> Arc<ClientConfig> {
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.crt");
        std::fs::write(&ca_file, self.authority.pem()).unwrap();
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(ca_file),
            key_pair: certificate.map(|certificate| certificate.write(folder.path(), "client")),
        };
        let clock = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default());
        tls.unwrap().config()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_addr()).await.unwrap()
    }

    /// The body of the response to one request on a connection of its own, or why there is none.
    async fn get(&self, caller: &Arc<ClientConfig>) -> Result<String, String> {
        let connector = TlsConnector::from(Arc::clone(caller));
        let name = ServerName::try_from(NAME).unwrap();
        let stream = connector.connect(name, self.connect().await).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        // A server that refuses a certificate of TLS 1.3 says so only after the handshake.
        let _written = stream.write_all(request).await;
        let mut response = String::new();
        let read = stream.read_to_string(&mut response).await;
        read.map_err(|error| error.to_string())?;
        let (_, body) = response.split_once("\r\n\r\n").ok_or("closed")?;
        Ok(body.to_owned())
    }
}

#[tokio::test]
async fn a_request_over_tls_is_answered_in_both_versions() {
    let rig = start(Asks::Nobody).await;
    let versions: [&'static SupportedProtocolVersion; 2] =
        [&rustls::version::TLS12, &rustls::version::TLS13];
    for version in versions {
        let mut roots = rustls::RootCertStore::empty();
        let pem = rig.authority.pem().as_bytes();
        let authority = rustls::pki_types::pem::PemObject::from_pem_slice(pem).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let caller = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        assert_eq!(rig.get(&Arc::new(caller)).await.unwrap(), "shown 0");
    }
    assert_eq!(rig.metrics.handshakes_failed(), 0);
}

#[tokio::test]
async fn a_caller_that_speaks_plain_http_to_a_tls_listener_gets_no_response() {
    let rig = start(Asks::Nobody).await;
    let mut stream = rig.connect().await;
    let _written = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut received = Vec::new();
    let _read = stream.read_to_end(&mut received).await;
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    assert_eq!(rig.metrics.handshakes_failed(), 1);
}

#[tokio::test]
async fn a_listener_that_needs_certificates_serves_who_shows_a_good_one_and_nobody_else() {
    let rig = start(Asks::Need).await;
    let good = rig.authority.certificate(&["order-service"]);
    let shown = rig.get(&rig.caller(Some(&good))).await.unwrap();
    assert_ne!(shown, "shown 0");

    let stranger = TestAuthority::new("Another CA").certificate(&["order-service"]);
    let yesterday = SystemClock::new().now() - Duration::from_secs(86_400);
    let expired = rig
        .authority
        .certificate_until(&["order-service"], yesterday);
    for bad in [None, Some(&stranger), Some(&expired)] {
        let refused = rig.get(&rig.caller(bad)).await.unwrap_err();
        assert!(refused.contains("received fatal alert"), "{refused}");
    }
    assert_eq!(rig.metrics.handshakes_failed(), 3);
    assert_eq!(rig.metrics.open(), 0);
}

#[tokio::test]
async fn a_listener_that_wants_certificates_serves_who_shows_none_but_no_bad_one() {
    let rig = start(Asks::Want).await;
    assert_eq!(rig.get(&rig.caller(None)).await.unwrap(), "shown 0");
    let good = rig.authority.certificate(&["order-service"]);
    assert_ne!(rig.get(&rig.caller(Some(&good))).await.unwrap(), "shown 0");
    let stranger = TestAuthority::new("Another CA").certificate(&["order-service"]);
    assert!(rig.get(&rig.caller(Some(&stranger))).await.is_err());
}

#[tokio::test]
async fn a_client_certificate_is_checked_on_each_connection_even_after_its_session() {
    let rig = start(Asks::Need).await;
    let clock = ManualClock::at(SystemClock::new().now());
    let soon = clock.now() + Duration::from_secs(60);
    let brief = rig.authority.certificate_until(&["order-service"], soon);
    // The same config: it would resume a session, if the server let it.
    let caller = rig.caller(Some(&brief));
    let tls = ServerTls::load(
        &settings_of(&rig),
        Arc::new(clock.clone()),
        &TlsMetrics::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener).tls(tls.unwrap()).serve(|_peer| {
        tower::service_fn(|_request: Request<_>| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"fine"))))
        })
    });
    let rig = Rig {
        server: server.unwrap(),
        ..rig
    };
    assert_eq!(rig.get(&caller).await.unwrap(), "fine");
    clock.advance(Duration::from_secs(120));
    let refused = rig.get(&caller).await.unwrap_err();
    assert!(refused.contains("CertificateExpired"), "{refused}");
}

fn settings_of(rig: &Rig) -> ServerTlsSettings {
    let folder = rig.folder.path();
    ServerTlsSettings {
        key_pair: hallpass_tls::KeyPairSettings {
            certificate_file: folder.join("server.crt"),
            private_key_file: folder.join("server.key"),
        },
        client_auth: ClientAuth::Need {
            ca_file: folder.join("ca.crt"),
        },
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_at_its_limit_and_gives_its_place_back() {
    let rig = start(Asks::Nobody).await;
    let mut stalled = rig.connect().await;
    while rig.metrics.open() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut received = Vec::new();
    let _read = stalled.read_to_end(&mut received).await;
    let took = began.elapsed();
    tokio::time::resume();
    assert!(
        took >= ConnectionLimits::default().handshake_timeout,
        "{took:?}"
    );
    assert!(took < ConnectionLimits::default().head_timeout, "{took:?}");
    assert!(received.is_empty());
    while rig.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.metrics.handshakes_failed(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_handshake_that_stalls() {
    let rig = start(Asks::Nobody).await;
    let _stalled = rig.connect().await;
    while rig.metrics.open() == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = rig.server.shutdown_within(Duration::from_secs(60));
    let drain = tokio::time::timeout(Duration::from_secs(5), stopping).await;
    assert_eq!(drain.unwrap(), Drain::Complete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_renewed_under_load_fails_no_request_and_is_shown_to_new_connections() {
    let rig = Arc::new(start(Asks::Nobody).await);
    let done = Arc::new(AtomicBool::new(false));
    let loading: Vec<_> = (0..4)
        .map(|_| {
            let (rig, done) = (Arc::clone(&rig), Arc::clone(&done));
            tokio::spawn(async move {
                let caller = rig.caller(None);
                let mut served = 0;
                while !done.load(Ordering::Relaxed) {
                    rig.get(&caller).await.unwrap();
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut seen = vec![shown_by(&rig).await];
    for _round in 0..20 {
        let renewed = rig.authority.certificate(&[NAME]);
        let certificate_file = rig.folder.path().join("server.crt");
        // Between the two writes the pair does not fit: the one before stays in use.
        std::fs::write(certificate_file, &renewed.certificate_pem).unwrap();
        let tls = rig.tls.clone();
        tokio::task::spawn_blocking(move || tls.look())
            .await
            .unwrap();
        assert_eq!(shown_by(&rig).await, *seen.last().unwrap());
        let _settings = renewed.write(rig.folder.path(), "server");
        let tls = rig.tls.clone();
        tokio::task::spawn_blocking(move || tls.look())
            .await
            .unwrap();
        let now = shown_by(&rig).await;
        assert!(!seen.contains(&now), "new connections see the new one");
        seen.push(now);
    }
    done.store(true, Ordering::Relaxed);
    for load in loading {
        assert!(load.await.unwrap() > 0);
    }
    assert_eq!(rig.metrics.handshakes_failed(), 0);
}

/// The certificate that the server shows now, in DER.
async fn shown_by(rig: &Rig) -> Vec<u8> {
    let connector = TlsConnector::from(rig.caller(None));
    let name = ServerName::try_from(NAME).unwrap();
    let stream = connector.connect(name, rig.connect().await).await.unwrap();
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_caller_refuses_a_server_of_another_name_or_another_authority_or_whose_certificate_has_expired()
 {
    let rig = start(Asks::Nobody).await;
    let caller = rig.caller(None);
    let renew = |certificate: TestCertificate| {
        let _settings = certificate.write(rig.folder.path(), "server");
        // From nothing: a running listener would not take an expired one in place of a good one.
        let settings = ServerTlsSettings {
            client_auth: ClientAuth::None,
            ..settings_of(&rig)
        };
        let clock = Arc::new(ManualClock::at(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_700_000),
        ));
        let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        tls.config()
    };
    let yesterday = SystemClock::new().now() - Duration::from_secs(86_400);
    let stranger = TestAuthority::new("Another CA");
    let cases = [
        (
            rig.authority.certificate(&["other.example"]),
            "not valid for name",
        ),
        (stranger.certificate(&[NAME]), "UnknownIssuer"),
        (
            rig.authority.certificate_until(&[NAME], yesterday),
            "expired",
        ),
    ];
    for (certificate, expected) in cases {
        let acceptor = tokio_rustls::TlsAcceptor::from(renew(certificate));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.is_ok()
        });
        let connector = TlsConnector::from(Arc::clone(&caller));
        let name = ServerName::try_from(NAME).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let error = connector.connect(name, stream).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!serving.await.unwrap());
    }
}

#[tokio::test]
async fn the_version_of_http_is_agreed_on_in_the_handshake() {
    let rig = start(Asks::Nobody).await;
    for (offers, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut caller = (*rig.caller(None)).clone();
        caller.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(caller));
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = connector.connect(name, rig.connect().await).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        if agreed == Some(b"h2") {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            let shaken = hyper::client::conn::http2::handshake(executor, stream).await;
            let (mut sender, connection) = shaken.unwrap();
            tokio::spawn(connection);
            let request = Request::get("https://x/").body(Full::new(Bytes::new()));
            let response = sender.send_request(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
            continue;
        }
        // The preface without an agreement is no HTTP at all.
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(preface).await.unwrap();
        let mut response = String::new();
        let _closed = stream.read_to_string(&mut response).await;
        assert_eq!(response, "");
    }
}
