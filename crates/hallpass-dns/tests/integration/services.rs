//! `SRV` records.

use hallpass_dns::{DnsScheme, DnsSettings};
use hallpass_upstream::{Discover as _, DiscoverError};

use crate::name_server::{NameServer, discovery, found, is_unavailable, srv, until};

#[tokio::test]
async fn host_and_port_come_from_the_record_and_priority_and_weight_count() {
    let records = [
        "--srv-host=_http._tcp.orders.shop.test,a.shop.test,8081,10,3",
        "--srv-host=_http._tcp.orders.shop.test,b.shop.test,8082,10,1",
        "--srv-host=_http._tcp.orders.shop.test,c.shop.test,8083,20,9",
        "--host-record=a.shop.test,10.0.0.1",
        "--host-record=b.shop.test,10.0.0.2",
        "--host-record=c.shop.test,10.0.0.3",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let expected = [
        "http://10.0.0.1:8081 300",
        "http://10.0.0.2:8082 100",
        "http://10.0.0.3:8083 0",
    ];
    assert_eq!(found(&discovery(&srv(&server)), "orders").await, expected);
}

#[tokio::test]
async fn over_https_each_target_is_an_instance_by_its_name() {
    let records = [
        "--srv-host=_https._tcp.orders.shop.test,A.shop.test,8443,0,1",
        "--srv-host=_https._tcp.orders.shop.test,b.shop.test,8443,0,1",
        "--host-record=a.shop.test,10.0.0.1",
        "--host-record=b.shop.test,10.0.0.2",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        scheme: DnsScheme::Https,
        ..srv(&server)
    });
    let expected = [
        "https://a.shop.test:8443 100",
        "https://b.shop.test:8443 100",
    ];
    assert_eq!(found(&discovery, "orders").await, expected);
}

#[tokio::test]
async fn consul_is_asked_by_the_names_that_it_serves() {
    let records = [
        "--srv-host=_orders._tcp.shop.test,node1.shop.test,8081,1,1",
        "--srv-host=payments.shop.test,node1.shop.test,8082,1,1",
        "--host-record=node1.shop.test,10.0.0.1",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    for (name, service, expected) in [
        ("_{service}._tcp", "orders", "http://10.0.0.1:8081 100"),
        ("{service}", "payments", "http://10.0.0.1:8082 100"),
    ] {
        let discovery = discovery(&DnsSettings {
            name: Some(name.to_owned()),
            ..srv(&server)
        });
        assert_eq!(found(&discovery, service).await, [expected]);
    }
}

#[tokio::test]
async fn a_target_that_is_a_dot_or_has_no_address_is_no_instance() {
    let records = [
        // Without a target it is `.`.
        "--srv-host=_http._tcp.closed.shop.test",
        "--srv-host=_http._tcp.lost.shop.test,nowhere.shop.test,8081,0,1",
        "--srv-host=_http._tcp.half.shop.test,nowhere.shop.test,8081,0,1",
        "--srv-host=_http._tcp.half.shop.test,a.shop.test,8082,9,1",
        "--host-record=a.shop.test,10.0.0.1",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&srv(&server));
    for service in ["closed", "lost", "unheard-of"] {
        let nobody = DiscoverError::no_instance(service);
        assert_eq!(discovery.instances(service).await, Err(nobody));
    }
    // The lowest priority that can be called is the one that counts.
    assert_eq!(
        found(&discovery, "half").await,
        ["http://10.0.0.1:8082 100"]
    );
}

#[tokio::test]
async fn targets_of_a_zone_that_nobody_answers_for_are_left_out_if_there_are_others() {
    let records = [
        "--srv-host=_http._tcp.mixed.shop.test,a.shop.test,8081,0,1",
        "--srv-host=_http._tcp.mixed.shop.test,b.elsewhere.test,8082,0,1",
        "--srv-host=_http._tcp.away.shop.test,b.elsewhere.test,8082,0,1",
        "--host-record=a.shop.test,10.0.0.1",
    ];
    let Some(server) = NameServer::start(&records).await else {
        return;
    };
    let discovery = discovery(&srv(&server));
    assert_eq!(
        found(&discovery, "mixed").await,
        ["http://10.0.0.1:8081 100"]
    );
    assert!(is_unavailable(&discovery, "away").await);
}

#[tokio::test]
async fn a_record_that_changes_its_port_is_seen() {
    let at = |port| {
        [
            format!("--srv-host=_http._tcp.orders.shop.test,a.shop.test,{port},0,1"),
            "--host-record=a.shop.test,10.0.0.1".to_owned(),
        ]
    };
    let (before, after) = (at(8081), at(8082));
    let Some(mut server) = NameServer::start(&before.each_ref().map(String::as_str)).await else {
        return;
    };
    let discovery = discovery(&srv(&server));
    assert_eq!(
        found(&discovery, "orders").await,
        ["http://10.0.0.1:8081 100"]
    );
    server
        .restart_with(&after.each_ref().map(String::as_str))
        .await;
    let is_new = async || found(&discovery, "orders").await == ["http://10.0.0.1:8082 100"];
    until("the port has changed", is_new).await;
}
