//! What becomes of an answer.

use axum::body::Body as AxumBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hallpass_feign::FeignError;
use http::StatusCode;

use crate::clients::{FeignOrders, Order, Orders};
use crate::support::{Upstream, runtime};

async fn answering(
    answer: impl Fn() -> Response + Send + Sync + 'static,
) -> (Upstream, FeignOrders) {
    let upstream = Upstream::answering(move |_, _| answer()).await;
    let feign = runtime(&[&upstream]).build();
    let orders = FeignOrders::builder(&feign)
        .max_response_bytes(64)
        .build()
        .unwrap();
    (upstream, orders)
}

const ORDER: &str = r#"{"id":1,"note":"x"}"#;

#[tokio::test]
async fn json_bytes_streams_and_nothing_are_read_as_the_return_type_says() {
    let (_upstream, orders) = answering(|| ORDER.into_response()).await;
    assert_eq!(
        orders.find("1").await.unwrap(),
        Order {
            id: 1,
            note: "x".to_owned()
        }
    );
    assert_eq!(orders.find_optional(1).await.unwrap().unwrap().id, 1);
    assert_eq!(orders.bytes().await.unwrap(), Bytes::from(ORDER));
    assert_eq!(
        orders
            .stream()
            .await
            .unwrap()
            .collect_within(64)
            .await
            .unwrap(),
        Bytes::from(ORDER)
    );
    orders.remove(1).await.unwrap();
}

/// Status and body of a refusal.
fn refusal(error: &FeignError) -> Option<(StatusCode, &[u8])> {
    match error {
        FeignError::Status { status, body, .. } => Some((*status, body.as_bytes())),
        _ => None,
    }
}

#[tokio::test]
async fn not_found_and_no_content_are_none_where_the_method_returns_an_option() {
    for status in [StatusCode::NOT_FOUND, StatusCode::NO_CONTENT] {
        let (_upstream, orders) = answering(move || status.into_response()).await;
        assert_eq!(orders.find_optional(1).await, Ok(None), "{status}");
    }
    let (_upstream, orders) = answering(|| StatusCode::NOT_FOUND.into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert_eq!(
        refusal(&error),
        Some((StatusCode::NOT_FOUND, b"".as_slice()))
    );
    let (_upstream, orders) = answering(|| StatusCode::FORBIDDEN.into_response()).await;
    assert_eq!(
        orders.find_optional(1).await.unwrap_err().code(),
        "client_error"
    );
}

#[tokio::test]
async fn the_body_of_a_refusal_can_be_read_and_is_not_in_the_errors_text() {
    let (_upstream, orders) =
        answering(|| (StatusCode::CONFLICT, r#"{"code":"taken"}"#).into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("taken"));
    let FeignError::Status { status, body, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(
        body.json::<std::collections::BTreeMap<String, String>>()
            .unwrap()["code"],
        "taken"
    );
}

#[tokio::test]
async fn the_headers_of_a_refusal_can_be_read_and_are_not_in_the_errors_text() {
    let headers = [("retry-after", "7"), ("set-cookie", "id=hunter2")];
    let (_upstream, orders) =
        answering(move || (StatusCode::CONFLICT, headers, "taken").into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert_eq!(error.header("Retry-After"), Some("7"));
    assert_eq!(error.header("x-error-code"), None);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let FeignError::Status { headers, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(headers.to_map()["set-cookie"], "id=hunter2");
    // Errors with other headers are others.
    assert_eq!(
        refusal(&error),
        Some((StatusCode::CONFLICT, b"taken".as_slice()))
    );
    assert_eq!(error, error.clone());
    assert_ne!(error, FeignError::status(StatusCode::CONFLICT, "taken"));
    assert_eq!(
        orders
            .find_optional(1)
            .await
            .unwrap_err()
            .header("retry-after"),
        Some("7")
    );
}

#[tokio::test]
async fn where_a_redirect_leads_is_told_and_not_followed() {
    let (upstream, orders) =
        answering(|| (StatusCode::FOUND, [("location", "/api/elsewhere")]).into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert_eq!(error.header("location"), Some("/api/elsewhere"));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_none_where_the_method_returns_an_option() {
    // As a controller of Spring answers that returns `null`, and one that returns `Optional.empty()`.
    for body in ["", "null", " null "] {
        let (_upstream, orders) =
            answering(move || ([("content-type", "application/json")], body).into_response()).await;
        assert_eq!(orders.find_optional(1).await, Ok(None), "{body:?}");
        assert_eq!(
            orders.find("1").await.unwrap_err().code(),
            "decode",
            "{body:?}"
        );
    }
    let (_upstream, orders) = answering(|| "{".into_response()).await;
    let error = orders.find_optional(1).await.unwrap_err();
    assert_eq!(error.code(), "decode", "what is broken is not nothing");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (upstream, orders) =
        answering(|| (StatusCode::FOUND, [("location", "/api/elsewhere")]).into_response()).await;
    assert_eq!(orders.find("1").await.unwrap_err().code(), "redirect");
    assert_eq!(orders.stream().await.unwrap_err().code(), "redirect");
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let (_upstream, orders) = answering(|| "x".repeat(65).into_response()).await;
    let too_large = FeignError::TooLarge { limit: 64 };
    assert_eq!(orders.find("1").await.unwrap_err(), too_large);
    assert_eq!(orders.bytes().await.unwrap_err(), too_large);
    // Without an announced length too.
    let chunks = || {
        let chunks = (0..65).map(|_| Ok::<_, std::io::Error>(Bytes::from("x")));
        AxumBody::from_stream(futures_util::stream::iter(chunks)).into_response()
    };
    let (_upstream, orders) = answering(chunks).await;
    assert_eq!(orders.find("1").await.unwrap_err(), too_large);
    // Nothing is read into memory by these two.
    orders.remove(1).await.unwrap();
    assert_eq!(
        orders
            .stream()
            .await
            .unwrap()
            .collect_within(100)
            .await
            .unwrap()
            .len(),
        65
    );
}

#[tokio::test]
async fn a_refusal_with_a_body_beyond_the_limit_is_still_that_refusal() {
    let page = "x".repeat(64 * 1024 + 1);
    let (_upstream, orders) =
        answering(move || (StatusCode::FORBIDDEN, page.clone()).into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert_eq!(
        refusal(&error),
        Some((StatusCode::FORBIDDEN, b"".as_slice()))
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_of_the_type_says_where_and_not_what() {
    let (_upstream, orders) = answering(|| r#"{"id":"hunter2"}"#.into_response()).await;
    let error = orders.find("1").await.unwrap_err();
    assert_eq!(error.code(), "decode");
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("line 1, column 15") && !text.contains("hunter2"),
        "{text}"
    );
    let (_upstream, orders) = answering(|| "<html>".into_response()).await;
    assert_eq!(orders.find("1").await.unwrap_err().code(), "decode");
}
