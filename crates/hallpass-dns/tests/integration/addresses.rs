//! `A` and `AAAA` records.

use std::time::Duration;

use tokio::time::Instant;

use hallpass_dns::{DnsScheme, DnsSettings};
use hallpass_upstream::{Discover as _, DiscoverError};

use crate::name_server::{NameServer, counted, discovery, found, is_unavailable, settings, until};

#[tokio::test]
async fn each_address_of_a_name_is_an_instance_over_http() {
    let records = [
        "--host-record=orders.shop.test,10.0.0.2,fd00::2",
        "--host-record=orders.shop.test,10.0.0.1",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        port: Some(8080),
        ..settings(&server)
    });
    let expected = [
        "http://10.0.0.1:8080 1",
        "http://10.0.0.2:8080 1",
        "http://[fd00::2]:8080 1",
    ];
    assert_eq!(found(&discovery, "orders").await, expected);
    assert_eq!(found(&discovery, "ORDERS").await, expected);
    assert_eq!(counted(&discovery, "found"), 1);
}

#[tokio::test]
async fn over_https_the_name_is_the_one_instance() {
    let records = [
        "--host-record=orders.shop.test,10.0.0.2",
        "--host-record=orders.shop.test,10.0.0.1",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        scheme: DnsScheme::Https,
        ..settings(&server)
    });
    assert_eq!(
        found(&discovery, "orders").await,
        ["https://orders.shop.test:443 1"]
    );
    let nobody = DiscoverError::no_instance("payments");
    assert_eq!(discovery.instances("payments").await, Err(nobody));
}

#[tokio::test]
async fn a_name_that_is_not_there_or_has_no_address_is_no_instance() {
    let records = ["--txt-record=notes.shop.test,hello"];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&settings(&server));
    for service in ["payments", "notes"] {
        let nobody = DiscoverError::no_instance(service);
        assert_eq!(discovery.instances(service).await, Err(nobody.clone()));
        assert_eq!(discovery.instances(service).await, Err(nobody));
    }
    assert_eq!(
        counted(&discovery, "none"),
        2,
        "it is remembered for a moment"
    );
}

#[tokio::test]
async fn a_name_server_that_refuses_has_not_answered() {
    let Some(server) = NameServer::start(&[]).await else {
        return;
    };
    // Of another zone it knows nothing, and there is nobody whom it may ask.
    let discovery = discovery(&DnsSettings {
        suffix: Some("elsewhere.test".to_owned()),
        ..settings(&server)
    });
    assert!(is_unavailable(&discovery, "orders").await);
}

#[tokio::test]
async fn a_chain_of_aliases_is_followed_and_its_shortest_time_counts() {
    let records = [
        "--cname=orders.shop.test,b.shop.test,3600",
        "--cname=b.shop.test,c.shop.test,1",
        "--host-record=c.shop.test,10.0.0.1,3600",
    ];
    let Some(mut server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&settings(&server));
    assert_eq!(found(&discovery, "orders").await, ["http://10.0.0.1:80 1"]);
    server
        .restart_with(&["--host-record=orders.shop.test,10.0.0.9,3600"])
        .await;
    let began = Instant::now();
    let is_new = async || found(&discovery, "orders").await == ["http://10.0.0.9:80 1"];
    until("the alias has changed", is_new).await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn an_answer_is_used_for_as_long_as_its_records_say_and_no_longer() {
    let records = [
        "--host-record=long.shop.test,10.0.0.1,3600",
        "--host-record=short.shop.test,10.0.0.1,2",
    ];
    let Some(mut server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&settings(&server));
    let began = Instant::now();
    for service in ["long", "short"] {
        assert_eq!(found(&discovery, service).await, ["http://10.0.0.1:80 1"]);
    }
    let records = [
        "--host-record=long.shop.test,10.0.0.2,3600",
        "--host-record=short.shop.test,10.0.0.2,2",
    ];
    server.restart_with(&records).await;
    let is_new = async || found(&discovery, "short").await == ["http://10.0.0.2:80 1"];
    until("the short one has changed", is_new).await;
    let elapsed = began.elapsed();
    assert!(
        elapsed > Duration::from_millis(1_450),
        "asked before it was due: {elapsed:?}"
    );
    assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    assert_eq!(found(&discovery, "long").await, ["http://10.0.0.1:80 1"]);
}

#[tokio::test]
async fn own_limits_count_before_the_time_of_the_records() {
    let records = [
        "--host-record=long.shop.test,10.0.0.1,3600",
        "--host-record=none.shop.test,10.0.0.1,0",
    ];
    let Some(mut server) = NameServer::start(&records).await else {
        return;
    };
    let within = |min, max| {
        discovery(&DnsSettings {
            min_ttl: Duration::from_secs(min),
            max_ttl: Duration::from_secs(max),
            ..settings(&server)
        })
    };
    let (short, long) = (within(0, 1), within(60, 60));
    assert_eq!(found(&short, "long").await, ["http://10.0.0.1:80 1"]);
    assert_eq!(found(&long, "none").await, ["http://10.0.0.1:80 1"]);
    let records = [
        "--host-record=long.shop.test,10.0.0.2,3600",
        "--host-record=none.shop.test,10.0.0.2,0",
    ];
    server.restart_with(&records).await;
    let is_new = async || found(&short, "long").await == ["http://10.0.0.2:80 1"];
    until("the longest time is over", is_new).await;
    assert_eq!(found(&long, "none").await, ["http://10.0.0.1:80 1"]);
}

#[tokio::test]
async fn records_of_no_time_are_asked_for_with_every_call_if_that_is_wanted() {
    let Some(mut server) = NameServer::start(&["--host-record=orders.shop.test,10.0.0.1,0"]).await
    else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        min_ttl: Duration::ZERO,
        ..settings(&server)
    });
    assert_eq!(found(&discovery, "orders").await, ["http://10.0.0.1:80 1"]);
    server
        .restart_with(&["--host-record=orders.shop.test,10.0.0.2,0"])
        .await;
    assert_eq!(found(&discovery, "orders").await, ["http://10.0.0.2:80 1"]);
    let asked = counted(&discovery, "found");
    // Those who ask at the same time share one look-up.
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let discovery = discovery.clone();
        asking.spawn(async move { found(&discovery, "orders").await });
    }
    for instances in asking.join_all().await {
        assert_eq!(instances, ["http://10.0.0.2:80 1"]);
    }
    let asked = counted(&discovery, "found") - asked;
    assert!(asked < 20, "{asked} look-ups for 100 callers at once");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_into_a_datagram_comes_over_tcp_and_is_limited() {
    let records: Vec<_> = (0..300)
        .map(|n| {
            format!(
                "--host-record=orders.shop.test,10.0.{}.{}",
                n / 250,
                n % 250 + 1
            )
        })
        .collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&settings(&server));
    assert_eq!(found(&discovery, "orders").await.len(), 256);
}

#[tokio::test]
async fn records_that_change_are_seen_and_a_name_that_goes_away_is_no_instance() {
    let Some(mut server) = NameServer::start(&["--host-record=orders.shop.test,10.0.0.1,1"]).await
    else {
        return;
    };
    let discovery = discovery(&settings(&server));
    assert_eq!(found(&discovery, "orders").await, ["http://10.0.0.1:80 1"]);
    server.restart_with(&[]).await;
    let nobody = async || {
        let outcome = discovery.instances("orders").await;
        outcome == Err(DiscoverError::no_instance("orders"))
    };
    until("the name is gone", nobody).await;
    server
        .restart_with(&["--host-record=orders.shop.test,10.0.0.3,1"])
        .await;
    let is_back = async || {
        let outcome = discovery.instances("orders").await;
        outcome.is_ok_and(|instances| instances.len() == 1)
    };
    until("the name is back", is_back).await;
}
