//! When the fallback answers, for whom, and what it knows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::context;
use hallpass_feign::{Feign, FeignError, fallback_cause, feign_client};
use http::StatusCode;

use crate::support::{Answer, Issuer, Log, Upstream, caller, closed_port, network_of, runtime};

#[feign_client(name = "service-a", identity = "relay", when_absent = "none", fallback = SaysWhy, deadline_ms = 150)]
trait Stock {
    #[get("/items/{item}")]
    async fn count(
        &self,
        item: &str,
        #[query] colour: Option<String>,
    ) -> Result<String, FeignError>;

    #[get("/items/{item}", identity = "service")]
    async fn as_service(&self, item: &str) -> Result<String, FeignError>;
}

/// Answers with everything that a fallback can know.
#[derive(Default)]
struct SaysWhy;

impl Stock for SaysWhy {
    async fn count(&self, item: &str, colour: Option<String>) -> Result<String, FeignError> {
        tokio::task::yield_now().await;
        let who =
            context::current().map_or("nobody".to_owned(), |caller| caller.subject().to_string());
        let why = fallback_cause().map_or("nothing", |cause| cause.code());
        Ok(format!("{item} {colour:?} for {who} because of {why}"))
    }

    async fn as_service(&self, item: &str) -> Result<String, FeignError> {
        self.count(item, None).await
    }
}

async fn answering(status: u16) -> (Upstream, FeignStock) {
    let status = StatusCode::from_u16(status).unwrap();
    let upstream = Upstream::answering(move |_, _| status).await;
    let feign = runtime(&[&upstream]).build();
    let stock = FeignStock::new(&feign).unwrap();
    (upstream, stock)
}

#[tokio::test]
async fn a_failing_service_is_answered_for_by_the_fallback_which_sees_arguments_caller_and_cause() {
    let (_upstream, stock) = answering(500).await;
    let call = stock.count("pen", Some("red".to_owned()));
    let answer = context::scope(caller("anna"), call).await.unwrap();
    assert_eq!(answer, "pen Some(\"red\") for anna because of server_error");
    assert_eq!(
        stock.count("pen", None).await.unwrap(),
        "pen None for nobody because of server_error"
    );
}

#[tokio::test]
async fn a_fallback_that_answers_every_call_is_not_a_warning_for_each() {
    let log = Log::default();
    let _guard = log.listen();
    let (_upstream, stock) = answering(500).await;
    for _ in 0..50 {
        stock.count("pen", None).await.unwrap();
    }
    let text = log.text();
    // The service fails, and then it is spared.
    let lines = text.matches("the fallback answers").count();
    assert!((1..=2).contains(&lines), "{text}");
}

#[tokio::test]
async fn the_cause_is_known_inside_the_fallback_only() {
    let (_upstream, stock) = answering(500).await;
    stock.count("pen", None).await.unwrap();
    assert_eq!(fallback_cause(), None);
    assert_eq!(
        SaysWhy.count("pen", None).await.unwrap(),
        "pen None for nobody because of nothing"
    );
}

#[tokio::test]
async fn refusals_do_not_reach_the_fallback() {
    for status in [302, 400, 401, 403, 404, 409, 429] {
        let (_upstream, stock) = answering(status).await;
        let error = stock.count("pen", None).await.unwrap_err();
        assert!(
            matches!(error, FeignError::Status { .. }),
            "{status}: {error}"
        );
    }
}

#[tokio::test]
async fn faults_of_identity_and_of_arguments_do_not_reach_the_fallback() {
    let (upstream, stock) = answering(500).await;
    assert_eq!(
        stock.count("..", None).await.unwrap_err().code(),
        "invalid_argument"
    );
    assert_eq!(
        stock.as_service("pen").await.unwrap_err(),
        FeignError::NoTokenService
    );
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_call_without_a_token_is_answered_for_when_the_issuer_is_out_of_order_and_not_when_it_refuses()
 {
    let upstream = Upstream::answering(|_, _| "12").await;
    let temporarily = r#"{"error":"temporarily_unavailable"}"#;
    for (status, body, is_outage) in [
        (0, "", true),
        (500, "", true),
        (502, "", true),
        (503, "", true),
        (429, temporarily, true),
        (400, temporarily, true),
        (429, "", true),
        (401, r#"{"error":"invalid_client"}"#, false),
        (400, r#"{"error":"invalid_scope"}"#, false),
        (400, r#"{"error":"invalid_target"}"#, false),
        (403, "", false),
        (302, "", false),
        // What stands in the issuer's place goes away by itself; an issuer's own response without a token does not.
        (200, "<html>", true),
        (200, r#"{"code":503,"msg":"busy"}"#, true),
        (200, r#"{"token_type":"Bearer"}"#, false),
        (200, r#"{"error":"invalid_client"}"#, false),
    ] {
        let issuer = Issuer::default();
        issuer.fails_with(status, body);
        let feign = runtime(&[&upstream]).tokens(issuer.tokens()).build();
        let stock = FeignStock::new(&feign).unwrap();
        // The first call is told by the issuer, the second one by the token service that leaves it alone.
        for _ in 0..2 {
            let answer = stock.as_service("pen").await;
            let answer = answer.map_err(|error| error.code());
            let expected = if is_outage {
                Ok("pen None for nobody because of token".to_owned())
            } else {
                Err("token")
            };
            assert_eq!(answer, expected, "{status} {body}");
        }
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_answered_for() {
    let nowhere = network_of([closed_port().as_str()]);
    let stock = FeignStock::new(&Feign::builder(&nowhere).build()).unwrap();
    assert_eq!(
        stock.count("pen", None).await.unwrap(),
        "pen None for nobody because of transport"
    );
    let stock = FeignStock::new(&runtime(&[]).build()).unwrap();
    assert_eq!(
        stock.count("pen", None).await.unwrap(),
        "pen None for nobody because of no_instance"
    );
}

#[tokio::test]
async fn a_deadline_that_runs_out_is_answered_for_and_does_not_limit_the_fallback() {
    let upstream = Upstream::scripted(|_, _| -> Answer { Box::pin(std::future::pending()) }).await;
    let feign = runtime(&[&upstream]).build();
    let slow = MockStock::new().on_count(|_, _| Ok(fallback_cause().unwrap().code().to_owned()));
    struct Patient(MockStock);
    impl Stock for Patient {
        async fn count(&self, item: &str, colour: Option<String>) -> Result<String, FeignError> {
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.0.count(item, colour).await
        }
        async fn as_service(&self, item: &str) -> Result<String, FeignError> {
            self.0.as_service(item).await
        }
    }
    let stock = FeignStock::builder(&feign)
        .fallback(BoxStock::new(Patient(slow)))
        .build()
        .unwrap();
    assert_eq!(stock.count("pen", None).await.unwrap(), "deadline");
}

#[tokio::test]
async fn the_fallbacks_own_error_is_the_calls_error() {
    let (upstream, _) = answering(500).await;
    let feign = runtime(&[&upstream]).build();
    let refusing = BoxStock::new(MockStock::new());
    let stock = FeignStock::builder(&feign)
        .fallback(refusing)
        .build()
        .unwrap();
    assert_eq!(
        stock.count("pen", None).await.unwrap_err(),
        FeignError::MockUnset {
            method: "Stock::count"
        }
    );
    let stock = FeignStock::builder(&feign)
        .without_fallback()
        .build()
        .unwrap();
    assert_eq!(
        stock.count("pen", None).await.unwrap_err().code(),
        "server_error"
    );
}

#[tokio::test]
async fn a_good_answer_never_asks_the_fallback() {
    let upstream = Upstream::answering(|_, _| "12".into_response()).await;
    let stock = FeignStock::new(&runtime(&[&upstream]).build()).unwrap();
    assert_eq!(stock.count("pen", None).await.unwrap(), "12");
}

#[feign_client(name = "service-a", identity = "none", fallback_factory = Because::of)]
trait Priced {
    #[get("/price")]
    async fn price(&self) -> Result<String, FeignError>;
}

/// Answers by the cause that it was made of.
struct Because(String);

impl Because {
    fn of(cause: &FeignError) -> Self {
        let known = fallback_cause().map(|cause| cause.code());
        let who = context::current().map(|caller| caller.subject().to_string());
        Self(format!("{} {known:?} {who:?}", cause.code()))
    }
}

impl Priced for Because {
    async fn price(&self) -> Result<String, FeignError> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_factory_sees_the_cause_and_the_caller() {
    let upstream = Upstream::answering(|_, number| match number {
        1 => (StatusCode::INTERNAL_SERVER_ERROR, ""),
        _ => (StatusCode::OK, "7"),
    })
    .await;
    let feign = runtime(&[&upstream]).build();
    let priced = FeignPriced::new(&feign).unwrap();
    assert_eq!(
        context::scope(caller("anna"), priced.price())
            .await
            .unwrap(),
        "server_error Some(\"server_error\") Some(\"anna\")"
    );
    assert_eq!(priced.price().await.unwrap(), "7");
}

#[tokio::test]
async fn a_factory_of_the_builder_goes_over_that_of_the_attribute_and_is_asked_for_each_failure() {
    let upstream = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let codes = Arc::clone(&asked);
    let priced = FeignPriced::builder(&runtime(&[&upstream]).build())
        .fallback_by(move |cause| {
            codes.lock().unwrap().push(cause.code());
            BoxPriced::new(MockPriced::new().on_price(|| Ok("from code".to_owned())))
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(priced.price().await.unwrap(), "from code");
    }
    assert_eq!(*asked.lock().unwrap(), ["server_error"; 2]);
}

/// An error that is not ours.
#[derive(Debug, PartialEq)]
struct OutOfStock(&'static str);

impl From<FeignError> for OutOfStock {
    fn from(error: FeignError) -> Self {
        Self(error.code())
    }
}

#[feign_client(name = "service-a", identity = "none", fallback = OutOfStock)]
trait Reserved {
    #[post("/reservations")]
    async fn reserve(&self) -> Result<u8, OutOfStock>;
}

impl Default for OutOfStock {
    fn default() -> Self {
        Self("by the fallback")
    }
}

impl Reserved for OutOfStock {
    async fn reserve(&self) -> Result<u8, Self> {
        Err(Self(self.0))
    }
}

#[tokio::test]
async fn a_fallback_with_an_error_of_its_own_type_is_heard() {
    let (upstream, codes) = (
        Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await,
        Arc::new(Mutex::new(Vec::new())),
    );
    let seen = Arc::clone(&codes);
    let feign = runtime(&[&upstream]).observe(move |call| {
        let code = call.error.as_ref().map(FeignError::code);
        seen.lock().unwrap().push((code, call.fallback));
    });
    let feign = feign.build();
    let reserved = FeignReserved::new(&feign).unwrap();
    assert_eq!(reserved.reserve().await, Err(OutOfStock("by the fallback")));
    let plain = FeignReserved::builder(&feign)
        .without_fallback()
        .build()
        .unwrap();
    assert_eq!(plain.reserve().await, Err(OutOfStock("server_error")));
    // What the observer can name is why the fallback was asked.
    let expected = [(Some("server_error"), true), (Some("server_error"), false)];
    assert_eq!(*codes.lock().unwrap(), expected);
}
