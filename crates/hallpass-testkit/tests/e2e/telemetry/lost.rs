//! What becomes of a message that the collector does not simply take.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use hallpass_testkit::TestIdentityProvider;
use http::StatusCode;

use super::collector::{Answer, Collector};
use super::service::{Export, Service, ask_logistics};

/// A service that exports to a collector that answers so.
async fn start(answer: Answer, further: &str) -> (TestIdentityProvider, Collector, Service) {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::answering(answer).await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further,
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    (users, collector, logistics)
}

#[tokio::test]
async fn what_the_collector_cannot_take_now_is_sent_again_and_what_it_refuses_is_not() {
    let users = TestIdentityProvider::start().await.unwrap();
    let collector = Collector::answering(|number| {
        Some(match number {
            1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response(),
            2 => StatusCode::OK.into_response(),
            _ => StatusCode::BAD_REQUEST.into_response(),
        })
    })
    .await;
    let export = Export {
        endpoint: &collector.endpoint(),
        further: "",
        trace: "",
    };
    let logistics = Service::logistics(&users, export).await;
    let asked = async || ask_logistics(&users, &logistics, None).await;
    assert_eq!(asked().await, StatusCode::OK);
    collector.asked(2).await;
    let messages = collector.messages();
    assert_eq!(messages[0].1, messages[1].1);
    assert_eq!(asked().await, StatusCode::OK);
    collector.asked(3).await;
    logistics.otlp.stop().await;
    assert_eq!(collector.messages().len(), 3);
    let metrics = logistics.metrics();
    assert_eq!((metrics.exported(), metrics.dropped()), (1, 1));
}

/// A collector that takes its time would else store everything as often as it is sent.
#[tokio::test]
async fn a_message_that_went_out_and_was_not_answered_is_not_sent_again() {
    let (users, collector, logistics) = start(|_| None, ", timeout-ms: 300").await;
    assert_eq!(
        ask_logistics(&users, &logistics, None).await,
        StatusCode::OK
    );
    collector.asked(1).await;
    assert_eq!(
        ask_logistics(&users, &logistics, None).await,
        StatusCode::OK
    );
    collector.asked(2).await;
    let messages = collector.messages();
    assert_ne!(messages[0].1, messages[1].1, "each message once");
    logistics.otlp.stop().await;
    assert_eq!(collector.messages().len(), 2);
    assert_eq!(logistics.metrics().dropped(), 2);
}

#[tokio::test]
async fn what_the_collector_has_taken_is_taken_whatever_the_body_of_its_response() {
    let answer = |number: usize| -> Option<Response> {
        let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        Some(match number {
            1 => "x".repeat(100_000).into_response(),
            2 => "no message of protobuf".into_response(),
            _ => Body::from_stream(endless).into_response(),
        })
    };
    let (users, collector, logistics) = start(answer, ", timeout-ms: 500").await;
    for number in 1..=3 {
        assert_eq!(
            ask_logistics(&users, &logistics, None).await,
            StatusCode::OK
        );
        collector.asked(number).await;
    }
    logistics.otlp.stop().await;
    assert_eq!(collector.messages().len(), 3);
    let metrics = logistics.metrics();
    assert_eq!((metrics.exported(), metrics.dropped()), (3, 0));
}

#[tokio::test]
async fn one_message_that_was_refused_has_the_end_of_the_process_drop_no_other() {
    let answer = |number: usize| {
        Some(match number {
            1 => StatusCode::BAD_REQUEST.into_response(),
            _ => StatusCode::OK.into_response(),
        })
    };
    let (users, collector, logistics) = start(answer, "").await;
    assert_eq!(
        ask_logistics(&users, &logistics, None).await,
        StatusCode::OK
    );
    collector.asked(1).await;
    assert_eq!(
        ask_logistics(&users, &logistics, None).await,
        StatusCode::OK
    );
    logistics.otlp.stop().await;
    let metrics = logistics.metrics();
    assert_eq!((metrics.exported(), metrics.dropped()), (1, 1));
    assert_eq!(collector.messages().len(), 2);
}
