//! What senders that nobody knows have a say in.

use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::TestIdentityProvider;
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::collector::Collector;
use super::service::{Export, Service, ask_logistics};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Somebody without a token asks, by a method of his own.
async fn stranger(service: &Service) {
    let request = Request::builder()
        .method("S3CRET")
        .uri(service.server.url("/logistics/orders/7/status"))
        .header("traceparent", SAMPLED)
        .body(Body::empty())
        .unwrap();
    let transport = HttpTransport::new().unwrap();
    let response = transport.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// The names of the spans after a stranger and Alice have asked, both with the mark "sampled".
async fn exported(trace: &str) -> Vec<String> {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace,
    };
    let logistics = Service::logistics(&users, export).await;
    stranger(&logistics).await;
    let status = ask_logistics(&users, &logistics, Some(SAMPLED)).await;
    assert_eq!(status, StatusCode::OK);
    logistics.otlp.stop().await;
    assert_eq!(logistics.metrics().dropped(), 0);
    let spans = collector.spans_so_far().into_iter();
    let mut names: Vec<_> = spans.map(|it| it.span.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_mark_of_a_stranger_decides_nothing_and_his_method_names_no_span() {
    const ALICE: &str = "GET /logistics/orders/{order_id}/status";
    for (trace, expected) in [
        ("", &[ALICE, "HTTP"][..]),
        ("sample-percent: 0", &[ALICE]),
        ("sample-percent: 0, trust-sampled: all", &[ALICE, "HTTP"]),
        ("sample-percent: 0, trust-sampled: none", &[]),
    ] {
        assert_eq!(exported(trace).await, expected, "{trace}");
    }
}
