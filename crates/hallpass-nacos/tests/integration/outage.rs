//! A server that is there and does not do its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use hallpass_nacos::{DiscoverySettings, NacosDiscovery, OwnInstance, RegisterSettings};
use hallpass_upstream::Discover as _;

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
