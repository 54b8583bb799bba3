//! A server that is there and does not do its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_clock::{Clock, ManualClock};
use hallpass_config::Secret;
use hallpass_nacos::{
    Credential, DiscoverySettings, NacosDiscovery, NacosDocuments, NacosError, NacosParts,
    NacosSettings, OwnInstance, RegisterSettings,
};
use hallpass_upstream::Discover as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, until};

fn quick() -> DiscoverySettings {
    DiscoverySettings {
        pull: Duration::from_millis(200),
        ..DiscoverySettings::default()
    }
}

async fn ports(discovery: &NacosDiscovery, service: &str) -> Vec<u16> {
    let found = discovery.instances(service).await;
    found.map_or_else(
        |_| Vec::new(),
        |found| found.iter().map(|it| it.port()).collect(),
    )
}

fn service_info(port: u16) -> String {
    format!(
        r#"{{"resultCode":200,"serviceInfo":{{"name":"a","hosts":[{{"ip":"127.0.0.1","port":{port}}}]}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_is_refused_keeps_nobody_from_hearing_of_the_others() {
    let (is_refused, port) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU16::new(1)),
    );
    let (refused, now) = (Arc::clone(&is_refused), Arc::clone(&port));
    let server = Server::start(move |kind| match kind {
        "InstanceRequest" if refused.load(Ordering::SeqCst) => {
            Some(r#"{"resultCode":500,"errorCode":403,"message":"no right"}"#.to_owned())
        }
        "SubscribeServiceRequest" => Some(service_info(now.load(Ordering::SeqCst))),
        _ => None,
    })
    .await;
    let discovery = NacosDiscovery::start(&server.parts(), &quick()).unwrap();
    let own = OwnInstance::new("own", 8080);
    let _registration = discovery
        .register(&own, &RegisterSettings::default())
        .await
        .unwrap();
    until("it is found", async || ports(&discovery, "a").await == [1]).await;
    is_refused.store(true, Ordering::SeqCst);
    port.store(2, Ordering::SeqCst);
    until("the other address is heard of", async || {
        ports(&discovery, "a").await == [2]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_a_connected_server_says_nothing_more_of_have_an_end() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    let server = Server::start(move |kind| match kind {
        "SubscribeServiceRequest" if broken.load(Ordering::SeqCst) => {
            Some(r#"{"resultCode":500,"errorCode":500,"message":"no leader"}"#.to_owned())
        }
        "SubscribeServiceRequest" => Some(service_info(1)),
        _ => None,
    })
    .await;
    let discovery = NacosDiscovery::start(&server.parts(), &quick()).unwrap();
    until("it is found", async || ports(&discovery, "a").await == [1]).await;
    is_broken.store(true, Ordering::SeqCst);
    let no_answer = async || discovery.instances("a").await.is_err();
    let took = until("it is an outage of discovery", no_answer).await;
    assert!(took > Duration::from_millis(600), "{took:?}");
    is_broken.store(false, Ordering::SeqCst);
    until("it is found again", async || {
        ports(&discovery, "a").await == [1]
    })
    .await;
}

/// A login that is taken, and how often it was asked for.
async fn logins(listener: TcpListener, count: Arc<AtomicUsize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("InternalSecret123") {
            stream.read_buf(&mut request).await.unwrap();
        }
        count.fetch_add(1, Ordering::SeqCst);
        let json = r#"{"accessToken":"the-token","tokenTtl":18000}"#;
        let length = json.len();
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
        let response = format!("{head}: {length}\r\n\r\n{json}");
        let _sent = stream.write_all(response.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_costs_no_login_for_each_question() {
    // The port of gRPC is derived from the other, and is the higher one.
    let (low, high) = loop {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |it: &TcpListener| it.local_addr().unwrap().port();
        if port(&one) < port(&other) {
            break (one, other);
        }
    };
    let (port, count) = (low.local_addr().unwrap().port(), Arc::default());
    tokio::spawn(logins(low, Arc::clone(&count)));
    let server = Server::start_at(high, |kind| {
        let no = r#"{"resultCode":500,"errorCode":403,"message":"no right"}"#;
        (kind == "ConfigQueryRequest").then(|| no.to_owned())
    });
    let mut settings = NacosSettings::new([format!("127.0.0.1:{port}").parse().unwrap()]);
    settings.grpc_port_offset = server.port - port;
    settings.credential = Credential::Password {
        username: "nacos".to_owned(),
        password: Secret::from("InternalSecret123!"),
    };
    let clock = Arc::new(ManualClock::new());
    clock.advance(Duration::from_secs(60));
    let parts = NacosParts::new(settings, None, Arc::clone(&clock) as Arc<dyn Clock>);
    let documents = NacosDocuments::connect(&parts).unwrap();
    let ask = async || {
        for _ in 0..20 {
            let asked = documents.get("a.yaml", "G").await;
            assert!(matches!(asked, Err(NacosError::Denied { .. })), "{asked:?}");
        }
    };
    ask().await;
    assert_eq!(count.load(Ordering::SeqCst), 1, "when it was connected");
    clock.advance(Duration::from_secs(5));
    ask().await;
    assert_eq!(
        count.load(Ordering::SeqCst),
        2,
        "the token might have ended"
    );
    let heard = server.heard("ConfigQueryRequest");
    let shows = |it: &String| it.contains("accessToken") && it.contains("the-token");
    assert!(heard.len() == 41 && heard.iter().all(shows), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_never_reached_is_shown_as_not_connected() {
    // The port was free a moment ago: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let clock = Arc::new(ManualClock::new());
    let parts = NacosParts::new(NacosSettings::new([address]), None, clock);
    let mut registry = Registry::default();
    parts.metrics().register(&mut registry);
    let _discovery = NacosDiscovery::start(&parts, &quick()).unwrap();

    let mut text = String::new();
    encode(&mut text, &registry).unwrap();

    assert!(
        text.contains("hallpass_nacos_connected{module=\"naming\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains("hallpass_nacos_connections_total{module=\"naming\"} 0\n"),
        "{text}"
    );
    // Nothing asks for documents here, so nothing is said of that half.
    assert!(!text.contains("module=\"config\""), "{text}");
}
