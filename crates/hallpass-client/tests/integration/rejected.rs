//! 401 `invalid_token` from a callee: one renewal, one replay.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_client::{BearerLayer, CallError, Identity, ReplayLayer, TokenError, TokenHandle};
use hallpass_upstream::{Body, TransportError};
use http::{Request, Response, StatusCode};
use tokio::task::JoinSet;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::scripted_issuer::{Mode, ScriptedIssuer};

const INVALID: &str = r#"Bearer realm="shop", error="invalid_token""#;

/// A callee that rejects what it is told to, and remembers what it saw.
#[derive(Clone, Default)]
struct Callee {
    rejected: Arc<Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<(StatusCode, &'static str)>>>,
}

impl Callee {
    fn reject(&self, token: &str) {
        self.rejected
            .lock()
            .unwrap()
            .push(format!("Bearer {token}"));
    }

    /// Answers this to every call.
    fn always(&self, status: StatusCode, challenge: &'static str) {
        *self.answer.lock().unwrap() = Some((status, challenge));
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let token = request.headers()["authorization"].to_str().unwrap();
        let rejected = self
            .rejected
            .lock()
            .unwrap()
            .iter()
            .any(|rejected| rejected == token);
        let verdict = *self.answer.lock().unwrap();
        let verdict = verdict.or(rejected.then_some((StatusCode::UNAUTHORIZED, INVALID)));
        let mut response = Response::new(Body::from("done"));
        if let Some((status, challenge)) = verdict {
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert("www-authenticate", challenge.parse().unwrap());
        }
        response
    }

    fn client(
        &self,
        tokens: &TokenHandle,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = CallError, Future: Send>
    + Clone
    + Send
    + 'static {
        let callee = self.clone();
        ServiceBuilder::new()
            .layer(ReplayLayer::new(tokens.clone()))
            .layer(
                BearerLayer::new("callee", Identity::Service, Arc::clone(tokens.clock()))
                    .tokens(tokens.clone()),
            )
            .service_fn(move |request: Request<Body>| {
                let callee = callee.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    Ok::<_, TransportError>(callee.answer(&request))
                }
            })
    }
}

fn request() -> Request<Body> {
    Request::post("http://callee/orders")
        .body(Body::from("once more"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_renewed_and_the_call_repeated_once() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    callee.reject(tokens.token().await.unwrap().access_token().expose());
    let response = callee.client(&tokens).oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((callee.calls(), issuer.requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn many_calls_rejected_at_once_make_one_renewal() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    callee.reject(tokens.token().await.unwrap().access_token().expose());
    let mut calls = JoinSet::new();
    for number in 0..500 {
        let client = callee.client(&tokens);
        calls.spawn(async move {
            // Some are answered while the renewal runs, some after it.
            tokio::time::sleep(Duration::from_millis(number % 4)).await;
            client.oneshot(request()).await.unwrap().status()
        });
    }
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(issuer.requests(), 2, "one for the first token, one renewal");
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_rejects_every_token_costs_one_replay_a_call_and_one_renewal_a_second() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    callee.always(StatusCode::UNAUTHORIZED, INVALID);
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let response = callee.client(&tokens).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 401);
    }
    assert!(
        issuer.requests() <= 12,
        "{} requests in 10 s",
        issuer.requests()
    );
}

#[tokio::test(start_paused = true)]
async fn no_other_answer_renews_a_token_or_repeats_a_call() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    for (status, challenge) in [
        (StatusCode::FORBIDDEN, INVALID),
        (StatusCode::UNAUTHORIZED, r#"Bearer realm="shop""#),
        (
            StatusCode::UNAUTHORIZED,
            r#"Basic realm="shop", error="invalid_token""#,
        ),
        (
            StatusCode::UNAUTHORIZED,
            r#"Bearer error="insufficient_scope""#,
        ),
        (StatusCode::BAD_REQUEST, r#"Bearer error="invalid_request""#),
        (StatusCode::INTERNAL_SERVER_ERROR, INVALID),
    ] {
        callee.always(status, challenge);
        let response = callee.client(&tokens).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!((callee.calls(), issuer.requests()), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_sent_once_and_the_401_goes_to_the_caller() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    callee.reject(tokens.token().await.unwrap().access_token().expose());
    let streamed = request().map(Body::wrap);
    let response = callee.client(&tokens).oneshot(streamed).await.unwrap();
    assert_eq!((response.status().as_u16(), callee.calls()), (401, 1));
}

#[tokio::test(start_paused = true)]
async fn when_the_renewal_fails_the_caller_gets_the_401_and_the_token_stays() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    let old = tokens.token().await.unwrap();
    callee.reject(old.access_token().expose());
    issuer.set(Mode::Down);
    let response = callee.client(&tokens).oneshot(request()).await.unwrap();
    assert_eq!((response.status().as_u16(), callee.calls()), (401, 1));
    assert_eq!(tokens.token().await.unwrap(), old);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_of_an_older_token_gets_the_newer_one_without_a_request() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    let new = tokens.renew_rejected(old.generation()).await.unwrap();
    assert_ne!(old, new);
    assert_eq!(tokens.renew_rejected(old.generation()).await.unwrap(), new);
    assert_eq!(issuer.requests(), 2);
    let too_soon = tokens.renew_rejected(new.generation()).await.unwrap_err();
    assert!(
        matches!(too_soon, TokenError::RenewedJustNow { .. }),
        "{too_soon:?}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokens.renew_rejected(new.generation()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rejection_after_an_eviction_does_not_take_an_old_generation_for_a_new_one() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    tokens.evict().await;
    let new = tokens.token().await.unwrap();
    assert!(new.generation() > old.generation());
    assert_eq!(tokens.renew_rejected(old.generation()).await.unwrap(), new);
}
