//! Spans of what nobody has waited for.

use hallpass_testkit::TestIdentityProvider;
use tokio::net::TcpListener;

use super::collector::Collector;
use super::service::{Export, Service, ask};

/// Else the slow ones are those that look well, in just the hour that one looks.
#[tokio::test]
async fn requests_calls_and_attempts_that_were_given_up_have_failed() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let order = Service::order(&users, export, silent.local_addr().unwrap()).await;
    let called = tokio::select! {
        answer = ask(&users, &order, &[]) => panic!("{answer:?}"),
        called = silent.accept() => called.unwrap(),
    };
    let spans = collector.spans(4).await;
    drop(called);
    for name in [
        "GET /orders/{order_id}",
        "GET /logistics/orders/{order_id}/status",
        "GET",
    ] {
        let span = spans.iter().find(|it| it.span.name == name);
        let span = span.unwrap_or_else(|| panic!("{name}: {spans:#?}"));
        let error = span.attribute("error.type");
        assert_eq!(error.as_deref(), Some("cancelled"), "{span:?}");
        assert!(span.span.status.is_some(), "{span:?}");
    }
}
