//! Addresses for the transport.

use std::io;
use std::net::IpAddr;

use hallpass_dns::{DnsScheme, DnsSettings};
use hallpass_upstream::Discover as _;

use crate::name_server::{NameServer, discovery, found, settings, until};

#[tokio::test]
async fn a_host_that_was_given_out_is_asked_of_the_same_name_servers_and_others_of_the_system() {
    let Some(mut server) = NameServer::start(&["--host-record=orders.shop.test,10.0.0.1,1"]).await
    else {
        return;
    };
    let discovery = discovery(&DnsSettings {
        scheme: DnsScheme::Https,
        ..settings(&server)
    });
    let first: IpAddr = [10, 0, 0, 1].into();
    let host = || "Orders.shop.test".to_owned();
    assert!(
        discovery.look_up(host()).await.is_err(),
        "nobody was given it"
    );
    assert!(discovery.look_up("localhost".to_owned()).await.is_ok());
    assert_eq!(
        found(&discovery, "orders").await,
        ["https://orders.shop.test:443 1"]
    );
    assert_eq!(discovery.look_up(host()).await.unwrap(), [first]);
    // Connections are made anew while the name server is down.
    server.kill();
    let is_down = async || discovery.instances("orders").await.is_err();
    until("the answer is over", is_down).await;
    assert_eq!(discovery.look_up(host()).await.unwrap(), [first]);
    server
        .restart_with(&["--host-record=orders.shop.test,10.0.0.2,1"])
        .await;
    let second: IpAddr = [10, 0, 0, 2].into();
    let is_new = async || {
        discovery
            .look_up(host())
            .await
            .is_ok_and(|found| found == [second])
    };
    until("the new address", is_new).await;
    server.restart_with(&[]).await;
    let is_gone = async || {
        let outcome = discovery.look_up(host()).await;
        outcome.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    until("the host is gone", is_gone).await;
}
