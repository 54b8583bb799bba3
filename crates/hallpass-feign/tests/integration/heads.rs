//! What a method learns beside its value: status, headers, and why the callee refuses.

use axum::response::{IntoResponse, Response as Answered};
use bytes::Bytes;
use hallpass_feign::{FeignError, TypedError, feign_client};
use hallpass_upstream::Body;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::support::{Upstream, runtime};

/// What the service says about a refusal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Problem {
    code: String,
}

/// The caller's own error.
#[derive(Debug, PartialEq)]
enum ShopError {
    Taken(String),
    Away(&'static str),
}

impl From<FeignError> for ShopError {
    fn from(error: FeignError) -> Self {
        match &error {
            FeignError::Status { body, .. } => match body.json::<Problem>() {
                Ok(problem) => Self::Taken(problem.code),
                Err(_) => Self::Away(error.code()),
            },
            _ => Self::Away(error.code()),
        }
    }
}

#[feign_client(name = "service-a", identity = "none")]
trait Stock {
    #[get("/json")]
    async fn json(&self) -> Result<Response<Vec<u8>>, FeignError>;

    #[get("/optional")]
    async fn optional(&self) -> Result<Response<Option<u8>>, FeignError>;

    #[get("/bytes")]
    async fn bytes(&self) -> Result<Response<Bytes>, FeignError>;

    #[get("/stream")]
    async fn stream(&self) -> Result<Response<Body>, FeignError>;

    #[head("/stock")]
    async fn head(&self) -> Result<Response<()>, FeignError>;

    #[options("/stock")]
    async fn options(&self) -> Result<Response<()>, FeignError>;

    #[post("/typed")]
    async fn typed(&self) -> Result<u8, TypedError<Problem>>;

    #[post("/own")]
    async fn own(&self) -> Result<u8, ShopError>;

    #[post("/boxed")]
    async fn boxed(&self) -> Result<u8, Box<dyn std::error::Error + Send + Sync>>;
}

async fn answering(
    answer: impl Fn() -> Answered + Send + Sync + 'static,
) -> (Upstream, FeignStock) {
    let upstream = Upstream::answering(move |_, _| answer()).await;
    let stock = FeignStock::new(&runtime(&[&upstream]).build()).unwrap();
    (upstream, stock)
}

#[tokio::test]
async fn a_response_has_its_status_and_headers_around_every_kind_of_value() {
    let (upstream, stock) = answering(|| {
        let head = [("etag", "\"v7\""), ("location", "/stock/7")];
        (StatusCode::CREATED, head, "[1,2]").into_response()
    })
    .await;
    let json = stock.json().await.unwrap();
    assert_eq!(json.status(), StatusCode::CREATED);
    assert_eq!(json.headers()["etag"], "\"v7\"");
    assert_eq!(json.headers()["location"], "/stock/7");
    assert_eq!(json.body(), &[1, 2]);
    assert_eq!(stock.bytes().await.unwrap().into_body(), "[1,2]");
    let stream = stock.stream().await.unwrap();
    assert_eq!(stream.headers()["etag"], "\"v7\"");
    let body = stream.into_body().collect_within(10).await.unwrap();
    assert_eq!(body, "[1,2]");
    let options = stock.options().await.unwrap();
    assert_eq!(options.status(), StatusCode::CREATED);
    let head = stock.head().await.unwrap();
    assert_eq!(head.headers()["content-length"], "5");
    let verbs: Vec<String> = upstream
        .seen()
        .into_iter()
        .map(|seen| seen.method)
        .collect();
    assert_eq!(verbs, ["GET", "GET", "GET", "OPTIONS", "HEAD"]);
}

#[tokio::test]
async fn a_response_without_a_value_still_has_its_head() {
    let (_upstream, stock) =
        answering(|| (StatusCode::NOT_FOUND, [("x-reason", "sold")]).into_response()).await;
    let response = stock.optional().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["x-reason"], "sold");
    assert_eq!(response.into_body(), None);
    // Where the method demands a value, a refusal stays an error.
    assert_eq!(stock.json().await.unwrap_err().code(), "client_error");
}

#[tokio::test]
async fn a_typed_error_reaches_the_caller_and_is_not_in_the_errors_text() {
    let headers = [("x-error-code", "7")];
    let (_upstream, stock) =
        answering(move || (StatusCode::CONFLICT, headers, r#"{"code":"hunter2"}"#).into_response())
            .await;
    let error = stock.typed().await.unwrap_err();
    assert_eq!(error.to_string(), "the callee refused with 409 Conflict");
    assert_eq!(error.status(), Some(StatusCode::CONFLICT));
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(error.header("x-error-code"), Some("7"));
    assert!(!format!("{:?}", stock.json().await.unwrap_err()).contains("hunter2"));
    assert!(matches!(
        error,
        TypedError::Refused { status: StatusCode::CONFLICT, problem: Problem { code }, .. } if code == "hunter2"
    ));
    assert_eq!(
        stock.own().await.unwrap_err(),
        ShopError::Taken("hunter2".to_owned())
    );
    let error = stock.boxed().await.unwrap_err();
    assert_eq!(
        error.downcast_ref::<FeignError>().unwrap().code(),
        "client_error"
    );
}

#[tokio::test]
async fn what_is_no_problem_of_the_type_stays_the_error_that_it_is() {
    let (_upstream, stock) = answering(|| (StatusCode::CONFLICT, "<html>").into_response()).await;
    let error = stock.typed().await.unwrap_err();
    assert!(matches!(
        error,
        TypedError::Failed(FeignError::Status { status: StatusCode::CONFLICT, body, .. }) if body == "<html>".into()
    ));
    let nowhere = FeignStock::new(&runtime(&[]).build()).unwrap();
    let error = nowhere.typed().await.unwrap_err();
    assert!(matches!(
        error,
        TypedError::Failed(FeignError::NoInstance(_))
    ));
    assert_eq!(error.status(), None);
    assert_eq!(
        nowhere.own().await.unwrap_err(),
        ShopError::Away("no_instance")
    );
}

#[tokio::test]
async fn a_mock_and_a_box_have_heads_and_typed_errors_too() {
    let mock = MockStock::new()
        .on_json(|| {
            let response = Response::builder().header("etag", "x").body(vec![3]);
            Ok(response.unwrap())
        })
        .on_own(|| Err(ShopError::Away("closed")));
    let boxed = BoxStock::new(mock.clone());
    let response = boxed.json().await.unwrap();
    assert_eq!(
        (&response.headers()["etag"], response.body()),
        (&"x".parse().unwrap(), &vec![3])
    );
    assert_eq!(boxed.own().await.unwrap_err(), ShopError::Away("closed"));
    let unset = FeignError::MockUnset {
        method: "Stock::typed",
    };
    assert_eq!(boxed.typed().await.unwrap_err(), TypedError::Failed(unset));
    assert_eq!(mock.json_calls(), 1);
}
