//! A server behind TLS.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::SystemClock;
use hallpass_nacos::{DiscoverySettings, NacosDiscovery, NacosParts, NacosSettings};
use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, KeyPairSettings, ServerTls, ServerTlsSettings,
    TestAuthority, TlsMetrics,
};
use hallpass_upstream::Discover as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, until};

const INSTANCE: &str =
    r#"{"resultCode":200,"serviceInfo":{"name":"a","hosts":[{"ip":"127.0.0.1","port":1}]}}"#;

/// The port of something that speaks TLS in the place of `server`.
async fn before(server: &Server, key_pair: KeyPairSettings) -> u16 {
    let settings = ServerTlsSettings {
        key_pair,
        client_auth: ClientAuth::None,
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let mut config = tls.config().as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.port);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                let mut server = TcpStream::connect(("127.0.0.1", behind)).await.ok()?;
                let copied = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                copied.ok()
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_trusted_any_more_is_left_although_its_connection_holds() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let server = Server::start(|kind| {
        let asks = kind == "SubscribeServiceRequest";
        asks.then(|| INSTANCE.to_owned())
    })
    .await;
    let certificate = authority.certificate(&["127.0.0.1"]);
    let port = before(&server, certificate.write(folder.path(), "server")).await;
    let mut settings = NacosSettings::new([format!("https://127.0.0.1:{port}").parse().unwrap()]);
    settings.grpc_port_offset = 0;
    let trusting = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(ca.clone()),
        key_pair: None,
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(&trusting, clock.clone(), &TlsMetrics::default()).unwrap();
    let parts = NacosParts::new(settings, Some(tls), clock);
    let pull = Duration::from_millis(200);
    let quick = DiscoverySettings {
        pull,
        ..DiscoverySettings::default()
    };
    let discovery = NacosDiscovery::start(&parts, &quick).unwrap();
    let is_heard = || server.push("NoRequestOfOurs", "{}");
    until("it is found", async || {
        discovery.instances("a").await.is_ok() && is_heard()
    })
    .await;

    std::fs::write(&ca, TestAuthority::new("Another CA").pem()).unwrap();
    until("it is left", async || !is_heard()).await;
    std::fs::write(&ca, authority.pem()).unwrap();
    until("it is trusted again", async || is_heard()).await;
}
