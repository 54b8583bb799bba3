//! What is counted and reported.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_client::{TokenFeignSettings, context};
use hallpass_feign::{Feign, FeignSettings, FinishedCall, Identity};
use hallpass_upstream::{BulkheadSettings, Instance, Member, Network, Place, StaticDiscovery};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::clients::{AsCaller, AsService, FeignAsCaller, FeignAsService, FeignOrders, Orders};
use crate::support::{Answer, Issuer, Upstream, caller, runtime};

fn scrape(feign: &Feign) -> String {
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// The value of the one series that begins like this.
fn value(text: &str, series: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(series))
        .collect();
    assert_eq!(lines.len(), 1, "{series} in\n{text}");
    lines[0].rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn calls_are_counted_by_client_template_and_outcome_and_never_by_value() {
    let upstream = Upstream::answering(|seen, _| match seen.target.as_str() {
        "/api/orders/1" => StatusCode::OK,
        "/api/orders/2" => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_GATEWAY,
    })
    .await;
    let feign = runtime(&[&upstream]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    for id in [1, 2, 31337] {
        let _ = orders.remove(id).await;
    }
    let text = scrape(&feign);
    let labels = r#"client="service-a",method="DELETE",path="/api/orders/{id}""#;
    for outcome in ["ok", "client_error", "server_error"] {
        let series = format!(r#"hallpass_feign_calls_total{{{labels},outcome="{outcome}"}}"#);
        assert_eq!(value(&text, &series), "1");
    }
    assert_eq!(
        value(
            &text,
            &format!("hallpass_feign_call_duration_seconds_count{{{labels}}}")
        ),
        "3"
    );
    assert_eq!(
        value(&text, r#"hallpass_feign_retries_total{client="service-a"}"#),
        "2"
    );
    let gauge = format!(
        r#"hallpass_feign_breaker_state{{client="service-a",instance="http://{}"}}"#,
        upstream.address()
    );
    assert_eq!(value(&text, &gauge), "0");
    assert!(!text.contains("31337"));
}

#[tokio::test]
async fn an_instance_that_is_left_out_and_calls_that_leave_the_zone_are_shown() {
    let bad = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let good = Upstream::answering(|_, _| StatusCode::OK).await;
    let in_zone = |upstream: &Upstream, zone: &str| {
        let instance: Instance = upstream.address().parse().unwrap();
        Member::from(instance).zone(zone)
    };
    let members = [in_zone(&bad, "a"), in_zone(&good, "b")];
    let discovery = StaticDiscovery::new()
        .with_members("service-a", members)
        .in_place(Place::default().in_zone("a"));
    let network = Network::system(Arc::new(discovery)).unwrap();
    let feign = Feign::builder(&network).build();
    let orders = FeignOrders::new(&feign).unwrap();
    for _ in 0..5 {
        orders.remove(1).await.unwrap_err();
    }
    for _ in 0..5 {
        orders.remove(1).await.unwrap();
    }
    let text = scrape(&feign);
    let ejected = |text: &str, upstream: &Upstream| {
        let address = upstream.address();
        let labels = format!(r#"{{client="service-a",instance="http://{address}"}}"#);
        value(text, &format!("hallpass_feign_ejected{labels}"))
    };
    assert_eq!([ejected(&text, &bad), ejected(&text, &good)], ["1", "0"]);
    let of_client = |name: &str| value(&text, &format!(r#"{name}{{client="service-a"}}"#));
    assert_eq!(of_client("hallpass_feign_ejections_total"), "1");
    assert_eq!(of_client("hallpass_feign_spilled_total"), "5");
    // The settings change, and it stays out.
    let mut changed = FeignSettings::default();
    changed.defaults.bulkhead = BulkheadSettings::new(7, Duration::ZERO);
    feign
        .apply(&changed, &TokenFeignSettings::default())
        .unwrap();
    orders.remove(1).await.unwrap();
    let text = scrape(&feign);
    assert_eq!([ejected(&text, &bad), ejected(&text, &good)], ["1", "0"]);
    let ejections = r#"hallpass_feign_ejections_total{client="service-a"}"#;
    assert_eq!(value(&text, ejections), "1");
}

#[tokio::test]
async fn the_gauge_follows_the_breaker() {
    let upstream = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let feign = runtime(&[&upstream]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    for _ in 0..20 {
        orders.remove(1).await.unwrap_err();
    }
    assert_eq!(value(&scrape(&feign), "hallpass_feign_breaker_state"), "2");
}

#[tokio::test]
async fn an_observer_learns_whose_identity_a_call_carried() {
    let upstream = Upstream::answering(|_, _| "\"ok\"").await;
    let calls: Arc<Mutex<Vec<FinishedCall>>> = Arc::default();
    let sink = Arc::clone(&calls);
    let feign = runtime(&[&upstream])
        .tokens(Issuer::default().tokens())
        .observe(move |call| sink.lock().unwrap().push(call.clone()))
        .build();
    let (service, relay) = (
        FeignAsService::new(&feign).unwrap(),
        FeignAsCaller::new(&feign).unwrap(),
    );
    service.job().await.unwrap();
    context::scope(caller("anna"), relay.mine()).await.unwrap();
    relay.mine().await.unwrap_err();

    let calls = calls.lock().unwrap();
    let service = calls[0].identity.as_ref().unwrap();
    assert_eq!(service.identity, Identity::Service);
    assert_eq!(service.audience.as_ref().unwrap().as_str(), "service-a");
    assert_eq!(
        service.scope.as_ref().unwrap().to_string(),
        "internal-service"
    );
    assert_eq!(service.subject.as_ref().unwrap().as_str(), "order-service");
    let relayed = calls[1].identity.as_ref().unwrap();
    assert_eq!(relayed.subject.as_ref().unwrap().as_str(), "anna");
    let refused = &calls[2];
    assert_eq!(
        (refused.client, refused.method, refused.path),
        ("service-a", "GET", "/mine")
    );
    assert_eq!(refused.error.as_ref().unwrap().code(), "no_identity");
    assert_eq!((refused.identity.as_ref(), refused.status), (None, None));
    let text = format!("{calls:?}");
    assert!(
        !text.contains("service-token") && !text.contains("token-of-anna"),
        "{text}"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_is_counted_as_cancelled() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&asked);
    let upstream = Upstream::scripted(move |_, _| -> Answer {
        notify.notify_one();
        Box::pin(std::future::pending())
    })
    .await;
    let feign = runtime(&[&upstream]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    tokio::select! {
        _ = orders.remove(1) => panic!("nobody answers"),
        () = asked.notified() => {}
    }
    let labels =
        r#"client="service-a",method="DELETE",path="/api/orders/{id}",outcome="cancelled""#;
    assert_eq!(
        value(
            &scrape(&feign),
            &format!("hallpass_feign_calls_total{{{labels}}}")
        ),
        "1"
    );
}

#[tokio::test]
async fn what_a_client_with_an_address_of_its_own_leaves_behind_goes_with_it() {
    let feign = runtime(&[]).build();
    let series = || {
        let text = scrape(&feign);
        let gauges = text
            .lines()
            .filter(|line| line.starts_with("hallpass_feign_breaker_state{"));
        gauges.count()
    };
    let to = |port: usize| {
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        FeignOrders::builder(&feign).url(url).build().unwrap()
    };
    let stays = to(1);
    let before = series();
    let mut rounds = Vec::new();
    for round in 0..8 {
        let start = tokio::time::Instant::now();
        for number in 0..1_000 {
            drop(to(2 + round * 1_000 + number));
        }
        rounds.push(start.elapsed());
    }
    assert_eq!(
        series(),
        before,
        "only that of the client that is still there"
    );
    let (first, last) = (rounds[0], rounds[7]);
    // Ten times: the machine may be busy. Looking through all that ever were made the last one 30 times the first.
    assert!(last < first * 10, "{rounds:?}");
    stays.remove(1).await.unwrap_err();
    assert_eq!(series(), 1);
    drop(stays);
    assert_eq!(series(), 0);
}

#[tokio::test]
async fn a_client_that_is_built_anew_for_each_call_still_has_a_breaker_that_remembers() {
    let upstream = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let feign = runtime(&[&upstream]).build();
    let mut codes = Vec::new();
    for _ in 0..20 {
        let orders = FeignOrders::new(&feign).unwrap();
        codes.push(orders.remove(1).await.unwrap_err().code());
    }
    assert_eq!(codes.last(), Some(&"breaker_open"));
}
