//! Spans at a collector of OpenTelemetry.

mod collector;
mod given_up;
mod lost;
mod service;
mod strangers;

use std::time::Duration;

use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::TestIdentityProvider;
use http::{Request, StatusCode};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::time::Instant;
use tower::ServiceExt;

use collector::{Collector, Exported};
use service::{Export, ORDER_PASSWORD, Service, ask};

/// The sender of the first request.
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SENDER: &str = "00f067aa0ba902b7";
/// What the collector is sent in a header, and nowhere else.
const COLLECTOR_SECRET: &str = "Bearer collector-secret";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE_ID}-{SENDER}-{flags}")
}

/// The one span of a service with this name.
fn one<'a>(spans: &'a [Exported], service: &str, name: &str) -> &'a Exported {
    let is = |it: &&Exported| it.service == service && it.span.name == name;
    let found: Vec<_> = spans.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{service} {name}: {spans:#?}");
    found[0]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_trace_through_two_services_is_one_at_the_collector_with_every_parent_in_it() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    let sent = [("traceparent", traceparent("01"))];
    let sent = sent.each_ref().map(|(name, value)| (*name, &**value));
    assert_eq!(ask(&users, &order, &sent).await.0, StatusCode::OK);

    let spans = collector.spans(5).await;
    let call = "GET /logistics/orders/{order_id}/status";
    let request = one(&spans, "order-service", "GET /orders/{order_id}");
    let own = one(&spans, "order-service", "look_up_order");
    let feign = one(&spans, "order-service", call);
    let attempt = one(&spans, "order-service", "GET");
    let callee = one(&spans, "logistics-service", call);
    assert_eq!(hex(&request.span.parent_span_id), SENDER);
    for (above, below) in [
        (request, own),
        (own, feign),
        (feign, attempt),
        (attempt, callee),
    ] {
        assert_eq!(below.span.parent_span_id, above.span.span_id, "{below:?}");
        let inside = above.span.start_time_unix_nano <= below.span.start_time_unix_nano;
        assert!(inside && below.span.end_time_unix_nano <= above.span.end_time_unix_nano);
    }
    for it in &spans {
        assert_eq!(hex(&it.span.trace_id), TRACE_ID);
        assert!(it.span.status.is_none(), "{it:?}");
    }
    let kinds = [request, own, feign, attempt, callee].map(|it| it.span.kind());
    let expected = [
        SpanKind::Server,
        SpanKind::Internal,
        SpanKind::Internal,
        SpanKind::Client,
        SpanKind::Server,
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        request.attribute("http.response.status_code").unwrap(),
        "200"
    );
    let service = attempt.attribute("peer.service");
    assert_eq!(service.as_deref(), Some("logistics-service"));
    assert_eq!(own.span.attributes, []);
}

#[tokio::test]
async fn each_attempt_is_a_span_and_the_one_that_failed_says_so() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    let answer = ask(&users, &order, &[("x-fails-once", "1")]).await;
    assert_eq!(answer.0, StatusCode::OK);

    let spans = collector.spans(7).await;
    let attempts: Vec<_> = spans.iter().filter(|it| it.span.name == "GET").collect();
    let statuses: Vec<_> = attempts
        .iter()
        .map(|it| it.attribute("http.response.status_code").unwrap())
        .collect();
    assert_eq!(statuses, ["503", "200"]);
    assert_eq!(
        attempts[0].span.parent_span_id,
        attempts[1].span.parent_span_id
    );
    assert!(attempts[0].span.status.is_some() && attempts[1].span.status.is_none());
    let resends = attempts[1].attribute("http.request.resend_count");
    assert_eq!(resends.as_deref(), Some("1"));
    // Each is the parent of what the callee did for it.
    for attempt in attempts {
        let below = |it: &&Exported| it.span.parent_span_id == attempt.span.span_id;
        assert_eq!(spans.iter().filter(below).count(), 1);
    }
}

#[tokio::test]
async fn a_request_that_is_refused_is_a_span_too() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let request = Request::get(logistics.server.url("/logistics/orders/7/status"))
        .header("traceparent", traceparent("01"))
        .body(Body::empty())
        .unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let spans = collector.spans(1).await;
    let refused = one(&spans, "logistics-service", "GET");
    assert_eq!(hex(&refused.span.parent_span_id), SENDER);
    let status = refused.attribute("http.response.status_code");
    assert_eq!(status.as_deref(), Some("401"));
}

#[tokio::test]
async fn what_its_sender_does_not_sample_is_not_exported() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    let sent = traceparent("00");
    let answer = ask(&users, &order, &[("traceparent", &sent)]).await;
    assert_eq!(answer.0, StatusCode::OK);
    order.otlp.stop().await;
    logistics.otlp.stop().await;
    // The exports have ended: nothing more comes.
    assert_eq!(collector.spans_so_far().len(), 0);
    assert_eq!(order.metrics().dropped(), 0);
}

#[tokio::test]
async fn no_token_no_secret_and_no_users_name_is_exported() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::start().await;
    let further = format!(
        ", attributes: [order.kind], headers: {{ authorization: {{ value: \"{COLLECTOR_SECRET}\" }} }}"
    );
    let export = Export {
        endpoint: &collector.endpoint(),
        further: &further,
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    let (status, token) = ask(&users, &order, &[("x-user-name", "bob")]).await;
    assert_eq!(status, StatusCode::OK);
    let odd = Request::builder()
        .method("S3CRET")
        .uri(order.server.url("/orders/7?card=4111"))
        .header("authorization", "Bearer token-of-mallory")
        .header("x-user-name", "bob")
        .body(Body::empty())
        .unwrap();
    let refused = HttpTransport::new().unwrap().oneshot(odd).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let spans = collector.spans(6).await;
    one(&spans, "order-service", "HTTP");
    let own = one(&spans, "order-service", "look_up_order");
    assert_eq!(own.attribute("order.kind").as_deref(), Some("gift"));
    assert_eq!(own.span.attributes.len(), 1);
    for (head, body) in collector.messages() {
        assert_eq!(head["authorization"], COLLECTOR_SECRET);
        let text = String::from_utf8_lossy(&body);
        let signature = token.rsplit('.').next().unwrap();
        for secret in [
            signature,
            "alice",
            ORDER_PASSWORD,
            "collector-secret",
            "/orders/7",
            "S3CRET",
            "card",
            "mallory",
            "bob",
        ] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_hangs_delays_no_call_and_no_stop_and_what_is_lost_is_counted() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::answering(|_| None).await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: ", max-queued-spans: 4",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    // The first message is under way for as long as the collector likes.
    assert_eq!(ask(&users, &order, &[]).await.0, StatusCode::OK);
    collector.asked(2).await;
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(5), ask(&users, &order, &[]));
        assert_eq!(answer.await.unwrap().0, StatusCode::OK);
    }
    // 20 calls are 80 spans, of which four may wait.
    assert!(order.metrics().dropped() >= 70, "{:?}", order.metrics());
    let began = Instant::now();
    order.otlp.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(order.metrics().exported(), 0);
}

#[tokio::test]
async fn a_collector_that_is_not_there_delays_no_stop_at_all() {
    let users = TestIdentityProvider::start().await.unwrap();
    // A port that nobody listens at any more.
    let gone = Collector::start().await.endpoint();
    let export = Export {
        endpoint: &gone,
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let order = Service::order(&users, export, logistics.server.address()).await;
    assert_eq!(ask(&users, &order, &[]).await.0, StatusCode::OK);
    let began = Instant::now();
    order.otlp.stop().await;
    // A second is what one waits for a collector that was there.
    assert!(began.elapsed() < Duration::from_secs(1), "{began:?}");
    assert_eq!(order.metrics().exported(), 0);
    assert_eq!(order.metrics().dropped(), 4);
}
