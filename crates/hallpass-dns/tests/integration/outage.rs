//! Name servers that are down, silent, or back.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use hallpass_clock::SystemClock;
use hallpass_dns::DnsSettings;
use hallpass_upstream::{Address, Discover as _, Upstream};

use crate::name_server::{NameServer, counted, discovery, found, is_unavailable, settings, until};

const RECORD: &str = "--host-record=orders.shop.test,10.0.0.1,1";

#[tokio::test]
async fn a_name_server_that_never_answers_costs_its_time_limit_and_then_nothing() {
    let Some(server) = NameServer::start(&[RECORD]).await else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        timeout: Duration::from_millis(300),
        ..settings(&server)
    });
    server.hang();
    let began = Instant::now();
    assert!(is_unavailable(&discovery, "orders").await);
    let first = began.elapsed();
    assert!(
        first >= Duration::from_millis(200) && first < Duration::from_secs(1),
        "{first:?}"
    );
    let began = Instant::now();
    for _ in 0..1_000 {
        assert!(is_unavailable(&discovery, "orders").await);
    }
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    assert!(counted(&discovery, "failed") < 4);
    server.go_on();
    until("it is found", async || {
        discovery.instances("orders").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn callers_go_on_with_what_was_known_and_do_not_wait_while_the_name_server_is_down() {
    let Some(mut server) = NameServer::start(&[RECORD]).await else {
        return;
    };
    let discovery = discovery(&settings(&server));
    let address = Address::LoadBalanced("orders".into());
    let clock = Arc::new(SystemClock::new());
    let orders = Upstream::new("orders", address, Arc::new(discovery.clone()), clock);
    orders.choose(&[]).await.unwrap();
    for end in [NameServer::kill, |server: &mut NameServer| server.hang()] {
        end(&mut server);
        let failed = counted(&discovery, "failed");
        let began = Instant::now();
        let mut longest = Duration::ZERO;
        while counted(&discovery, "failed") < failed + 2 || began.elapsed() < Duration::from_secs(2)
        {
            let asked = Instant::now();
            let chosen = orders.choose(&[]).await.unwrap();
            assert_eq!(chosen.instance().to_string(), "http://10.0.0.1:80");
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(began.elapsed() < Duration::from_secs(20));
        }
        // The one who asks when the answer is over, if nobody did just before.
        assert!(longest < Duration::from_millis(900), "{longest:?}");
        server.go_on_or_restart().await;
        let answered = counted(&discovery, "found");
        let is_back = async || {
            let _asked = discovery.instances("orders").await;
            counted(&discovery, "found") > answered
        };
        until("it is looked up again", is_back).await;
        assert_eq!(found(&discovery, "orders").await, ["http://10.0.0.1:80 1"]);
    }
}

#[tokio::test]
async fn a_second_name_server_is_asked_when_the_first_is_down_silent_or_refuses() {
    let Some(server) = NameServer::start(&[RECORD]).await else {
        return;
    };
    let Some(stranger) = NameServer::start(&["--server=/orders.shop.test/127.0.0.1#1"]).await
    else {
        return;
    };
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    for first in [silent.local_addr().unwrap(), closed, stranger.address()] {
        let discovery = discovery(&DnsSettings {
            servers: vec![first, server.address()],
            ..settings(&server)
        });
        assert_eq!(
            found(&discovery, "orders").await,
            ["http://10.0.0.1:80 1"],
            "{first}"
        );
    }
}
