//! Trouble of our own refuses: nothing is sent, and no connection is made.

use tokio::net::TcpListener;

use super::estate::{Answer, Estate, Setup};
use super::raw::Raw;

const ROUTES: &str = "
      - { name: relay, path: /relay, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: exchange, path: /exchange, to: 'lb://orders', identity: exchange, audience: logistics-service, rule: authenticated }
      - { name: unknown, path: /unknown, to: 'lb://nobody', identity: relay, rule: authenticated }";

#[tokio::test]
async fn every_trouble_of_our_own_refuses() {
    let orders = Raw::start().await;
    let expected = |answer: Answer, status: u16, code: &str| {
        assert_eq!(
            (answer.status, answer.code()),
            (status, Some(code)),
            "{answer:?}"
        );
    };
    // Nobody has ever seen the keys.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let setup = Setup {
        orders: &[orders.address],
        routes: ROUTES,
        jwks_url: Some(format!("http://{address}/jwks")),
        ..Setup::default()
    };
    let estate = Estate::of(setup).await;
    expected(estate.get("/relay").await, 503, "unavailable");
    assert_eq!(orders.connections(), 0);
    drop(estate);
    // The keys are there, and the issuer is not.
    let mut estate = Estate::start(orders.address, ROUTES).await;
    assert_eq!(estate.get("/relay").await.status, 200);
    estate.issuer.stop().await.unwrap();
    expected(estate.get("/exchange").await, 503, "no_token");
    expected(estate.get("/unknown").await, 502, "upstream_unreachable");
    assert_eq!(estate.get("/relay").await.status, 200);
    assert_eq!(orders.seen().len(), 2);
    // An issuer that takes its time: one that accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup {
        orders: &[orders.address],
        routes: ROUTES,
        more: "    decision-timeout-ms: 100",
        jwks_url: Some(format!("http://{}/jwks", silent.local_addr().unwrap())),
        ..Setup::default()
    };
    let estate = Estate::of(setup).await;
    expected(estate.get("/relay").await, 503, "unavailable");
    assert_eq!(orders.connections(), 1);
}

#[tokio::test]
async fn a_file_that_was_written_by_half_takes_no_route_away() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, ROUTES).await;
    for rest in ["", "    routes: []"] {
        let error = estate.check(rest).await.unwrap_err();
        assert!(error.to_string().contains("written by half"), "{error}");
        assert!(error.is_of_configuration());
    }
    assert_eq!(estate.get("/relay").await.status, 200);
}
