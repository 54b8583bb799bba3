//! What code adds to each attempt of a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::IntoResponse;
use hallpass_client::context;
use hallpass_feign::{ArgumentProblem, FeignError, Intercepted, feign_client};
use hallpass_upstream::Body;
use http::{HeaderValue, Request, StatusCode};

use crate::clients::{AsService, FeignAsService};
use crate::support::{Issuer, Upstream, caller, runtime};

#[feign_client(name = "service-a", path = "/orders", identity = "relay")]
trait Orders {
    #[put("/{id}")]
    async fn replace(
        &self,
        id: u64,
        #[json] order: &[u8],
        #[header("X-Channel")] channel: &str,
    ) -> Result<(), FeignError>;

    #[put("/{id}/film")]
    async fn film(&self, id: u64, #[stream] film: Body) -> Result<(), FeignError>;
}

/// Everything that a signature would be made of.
fn sign(call: &mut Intercepted<'_>) -> Result<(), ArgumentProblem> {
    let body = call.body().unwrap_or_default();
    let channel = call
        .headers()
        .get("x-channel")
        .map(|it| it.to_str().unwrap());
    let signed = format!(
        "{} {} {} {channel:?} {}",
        call.method(),
        call.uri().path(),
        String::from_utf8_lossy(&body),
        call.headers().contains_key("authorization"),
    );
    call.set_header("X-Signature", &signed)
}

#[tokio::test]
async fn an_interceptor_sees_what_is_sent_but_the_identity_and_adds_headers_to_each_attempt() {
    let upstream = Upstream::answering(|_, number| match number {
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let nonces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&nonces);
    let orders = FeignOrders::builder(&runtime(&[&upstream]).build())
        .intercept(sign)
        .intercept(move |call| {
            let nonce = counted.fetch_add(1, Ordering::SeqCst).to_string();
            let signature = call.headers().get("x-signature");
            assert!(
                signature.is_some_and(HeaderValue::is_sensitive),
                "in their order, and secret whatever the name"
            );
            call.set_header("X-Nonce", &nonce)
        })
        .build()
        .unwrap();
    let call = orders.replace(7, &[1], "web");
    context::scope(caller("anna"), call).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "it was repeated");
    for (attempt, nonce) in seen.iter().zip(["0", "1"]) {
        let signed = "PUT /orders/7 [1] Some(\"web\") false";
        assert_eq!(attempt.header("x-signature"), Some(signed));
        assert_eq!(
            attempt.header("x-nonce"),
            Some(nonce),
            "each attempt has its own"
        );
        assert_eq!(attempt.headers.get_all("x-nonce").iter().count(), 1);
        assert_eq!(attempt.authorization(), Some("Bearer token-of-anna"));
    }
    let call = orders.film(7, Body::wrap(Body::from("film")));
    context::scope(caller("anna"), call).await.unwrap();
    let signed = "PUT /orders/7/film  None false";
    assert_eq!(
        upstream.seen()[2].header("x-signature"),
        Some(signed),
        "a stream is not read"
    );
}

#[tokio::test]
async fn an_interceptor_can_stop_a_call_and_cannot_speak_for_somebody_else() {
    let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
    let feign = runtime(&[&upstream])
        .tokens(Issuer::default().tokens())
        .build();
    let long = "x".repeat(8 * 1024 + 1);
    for (name, value, problem) in [
        (
            "Authorization",
            "Bearer of-somebody",
            ArgumentProblem::OwnedHeader,
        ),
        ("proxy-authorization", "x", ArgumentProblem::OwnedHeader),
        ("DPoP", "x", ArgumentProblem::OwnedHeader),
        ("Host", "elsewhere.example", ArgumentProblem::OwnedHeader),
        ("Content-Length", "0", ArgumentProblem::OwnedHeader),
        ("Transfer-Encoding", "chunked", ArgumentProblem::OwnedHeader),
        // What a call has one of, however often it is repeated.
        ("Idempotency-Key", "7", ArgumentProblem::OwnedHeader),
        ("idempotency_key", "7", ArgumentProblem::OwnedHeader),
        ("X-Request-Timeout-Ms", "7", ArgumentProblem::OwnedHeader),
        ("grpc-timeout", "7S", ArgumentProblem::OwnedHeader),
        ("traceparent", "x", ArgumentProblem::OwnedHeader),
        ("tracestate", "x", ArgumentProblem::OwnedHeader),
        ("X_User_Id", "root", ArgumentProblem::OwnedHeader),
        ("X.Authorities", "ROLE_ADMIN", ArgumentProblem::OwnedHeader),
        ("x y", "x", ArgumentProblem::HeaderText),
        (
            "x-a",
            "a\r\nAuthorization: Bearer b",
            ArgumentProblem::HeaderText,
        ),
        ("x-a", &long, ArgumentProblem::TooManyHeaders),
    ] {
        let (header, text) = (name.to_owned(), value.to_owned());
        let client =
            FeignAsService::builder(&feign).intercept(move |call| call.set_header(&header, &text));
        let error = client.build().unwrap().job().await.unwrap_err();
        let argument = "interceptor";
        assert_eq!(
            error,
            FeignError::InvalidArgument { argument, problem },
            "{name}"
        );
    }
    let stopped = FeignAsService::builder(&feign).intercept(|_| Err(ArgumentProblem::Refused));
    let error = stopped.build().unwrap().start(1).await.unwrap_err();
    assert_eq!(
        (error.code(), error.reaches_fallback()),
        ("invalid_argument", false)
    );
    let many = FeignAsService::builder(&feign).intercept(|call| {
        (0..33).try_for_each(|number| call.set_header(&format!("x-{number}"), "x"))
    });
    assert_eq!(
        many.build().unwrap().job().await.unwrap_err().code(),
        "invalid_argument"
    );
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn what_an_interceptor_swallows_is_not_sent_either() {
    let upstream = Upstream::answering(|_, _| "ok").await;
    let feign = runtime(&[&upstream])
        .tokens(Issuer::default().tokens())
        .build();
    let client = FeignAsService::builder(&feign).intercept(|call| {
        let _ = call.set_header("Authorization", "Bearer of-somebody");
        Ok(())
    });
    client.build().unwrap().open().await.unwrap();
    assert_eq!(upstream.only().authorization(), None);
}

#[tokio::test]
async fn a_caller_has_interceptors_too() {
    let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
    let feign = runtime(&[&upstream]).build();
    let caller = feign
        .caller("service-a")
        .identity(hallpass_feign::Identity::None);
    let caller = caller
        .intercept(|call| call.set_header("X-Tag", "a"))
        .build()
        .unwrap();
    let request = Request::get("/")
        .header("x-tag", "b")
        .body(Body::empty())
        .unwrap();
    caller.send(request).await.unwrap();
    let tags: Vec<_> = upstream
        .only()
        .headers
        .get_all("x-tag")
        .iter()
        .cloned()
        .collect();
    assert_eq!(tags, ["a"], "in place of what was there");
}

#[tokio::test]
async fn an_interceptor_of_a_caller_sees_no_identity_that_the_request_came_with() {
    let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
    let feign = runtime(&[&upstream]).build();
    let service = feign
        .caller("service-a")
        .identity(hallpass_feign::Identity::Relay);
    let service = service.intercept(|call| {
        let names = ["authorization", "proxy-authorization", "dpop", "x-user-id"];
        let seen = names.map(|name| call.headers().contains_key(name));
        call.set_header("X-Seen", &format!("{seen:?}"))
    });
    let request = Request::get("/")
        .header("authorization", "Bearer of-somebody")
        .header("proxy-authorization", "x")
        .header("dpop", "x")
        .header("x-user-id", "x")
        .body(Body::empty())
        .unwrap();
    let service = service.build().unwrap();
    context::scope(caller("anna"), service.send(request))
        .await
        .unwrap();
    let seen = upstream.only();
    assert_eq!(seen.header("x-seen"), Some("[false, false, false, false]"));
    assert_eq!(seen.authorization(), Some("Bearer token-of-anna"));
}
