//! 401 `invalid_token` from a callee: one renewal, one replay.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use hallpass_client::{
    BearerLayer, CacheLife, CallError, Identity, RenewOn, ReplayLayer, TokenError, TokenHandle,
};
use hallpass_upstream::{Body, TransportError};
use http::{Request, Response, StatusCode};
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::metrics::Exported;
use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle};

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
        self.client_with(ReplayLayer::new(tokens.clone()), tokens)
    }

    fn client_with(
        &self,
        replay: ReplayLayer,
        tokens: &TokenHandle,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = CallError, Future: Send>
    + Clone
    + Send
    + 'static {
        let callee = self.clone();
        ServiceBuilder::new()
            .layer(replay)
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
async fn a_callee_that_rejects_every_token_costs_one_renewal_for_all_the_time_it_does() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(3_600));
    let life = CacheLife::new(Duration::from_secs(3_000), Duration::from_secs(60)).unwrap();
    let client = issuer.client_with(credential().with_cache_life(life));
    let (tokens, callee) = (handle(&client.build()), Callee::default());
    for outage in 1..4 {
        callee.always(StatusCode::UNAUTHORIZED, INVALID);
        let start = tokio::time::Instant::now();
        while start.elapsed() < Duration::from_secs(300) {
            let response = callee.client(&tokens).oneshot(request()).await.unwrap();
            assert_eq!(response.status(), 401);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(
            issuer.requests(),
            1 + outage,
            "one for the first token, one an outage"
        );
        callee.always(StatusCode::OK, "");
        callee.client(&tokens).oneshot(request()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_instance_that_rejects_every_token_beside_a_good_one_costs_two_renewals_a_minute() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let (good, bad) = (Callee::default(), Callee::default());
    bad.always(StatusCode::UNAUTHORIZED, INVALID);
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        for callee in [&good, &bad] {
            callee.client(&tokens).oneshot(request()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(issuer.requests() <= 4, "{} requests", issuer.requests());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_helped_does_not_hold_the_next_one_back() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    for renewals in 1..4 {
        callee.reject(tokens.token().await.unwrap().access_token().expose());
        let response = callee.client(&tokens).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(issuer.requests(), 1 + renewals);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
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
        (StatusCode::SERVICE_UNAVAILABLE, INVALID),
    ] {
        callee.always(status, challenge);
        let response = callee.client(&tokens).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!((callee.calls(), issuer.requests()), (7, 1));
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
    let in_vain = tokens.renew_rejected(new.generation()).await.unwrap_err();
    assert_eq!(in_vain, TokenError::RenewedInVain);
    tokens.accepted();
    let in_vain = tokens.renew_rejected(new.generation()).await.unwrap_err();
    assert_eq!(
        in_vain,
        TokenError::RenewedInVain,
        "another instance may have accepted it"
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    tokens.accepted();
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

#[tokio::test(start_paused = true)]
async fn two_forced_renewals_keep_their_minimum_distance() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let always = Duration::MAX;
    for (interval, waits) in [(Duration::from_secs(5), true), (always, false)] {
        let tokens = handle(&issuer.client().min_forced_interval(interval).build());
        let first = tokens.token().await.unwrap();
        tokens.renew_rejected(first.generation()).await.unwrap();
        tokens.evict().await;
        let third = tokens.token().await.unwrap();
        let too_soon = tokens.renew_rejected(third.generation()).await.unwrap_err();
        assert!(
            matches!(too_soon, TokenError::RenewedJustNow { .. }),
            "{too_soon:?}"
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
        let later = tokens.renew_rejected(third.generation()).await;
        assert_eq!(later.is_ok(), waits);
    }
}

#[tokio::test(start_paused = true)]
async fn a_challenge_without_commas_renews_the_token() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    let aws = r#"Bearer scope="" error="invalid_token" error_description="the token has expired""#;
    callee.always(StatusCode::UNAUTHORIZED, aws);
    let response = callee.client(&tokens).oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!((callee.calls(), issuer.requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn where_the_client_says_so_a_401_without_a_reason_renews_the_token() {
    for challenge in [
        "",
        "Bearer",
        r#"Bearer realm="shop""#,
        r#"Bearer error="invalid_request""#,
    ] {
        for (renew_on, calls) in [(RenewOn::InvalidToken, 1), (RenewOn::AnyUnauthorized, 2)] {
            let issuer = ScriptedIssuer::new(Duration::from_secs(600));
            let (tokens, callee) = (issuer.handle(), Callee::default());
            callee.always(StatusCode::UNAUTHORIZED, challenge);
            let replay = ReplayLayer::new(tokens.clone()).renew_on(renew_on);
            let response = callee
                .client_with(replay, &tokens)
                .oneshot(request())
                .await
                .unwrap();
            assert_eq!(response.status(), 401);
            let seen = (callee.calls(), issuer.requests());
            assert_eq!(seen, (calls, calls), "{challenge}, {renew_on:?}");
            callee.always(StatusCode::FORBIDDEN, challenge);
            let replay = ReplayLayer::new(tokens.clone()).renew_on(renew_on);
            callee
                .client_with(replay, &tokens)
                .oneshot(request())
                .await
                .unwrap();
            assert_eq!(issuer.requests(), calls, "403 says nothing about the token");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_repeated_call_is_counted() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let (tokens, callee) = (issuer.handle(), Callee::default());
    callee.reject(tokens.token().await.unwrap().access_token().expose());
    let client = callee.client(&tokens);
    client.clone().oneshot(request()).await.unwrap();
    let accepted = r#"hallpass_token_replay_total{result="accepted"} 1"#;
    Exported::of(&tokens).assert_line(accepted);
    tokio::time::sleep(Duration::from_secs(60)).await;
    callee.always(StatusCode::UNAUTHORIZED, INVALID);
    client.oneshot(request()).await.unwrap();
    let rejected = r#"hallpass_token_replay_total{result="rejected"} 1"#;
    Exported::of(&tokens).assert_line(rejected);
    Exported::of(&tokens).assert_line(accepted);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_until_the_service_below_is_ready() {
    #[derive(Clone)]
    struct Busy;

    impl Service<Request<Body>> for Busy {
        type Response = Response<Body>;
        type Error = CallError;
        type Future = std::future::Ready<Result<Response<Body>, CallError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            panic!("it was not ready")
        }
    }

    let tokens = ScriptedIssuer::new(Duration::from_secs(600)).handle();
    let mut client = ReplayLayer::new(tokens).layer(Busy);
    assert!(client.ready().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn no_setting_of_the_builder_is_too_large() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer
        .client()
        .memory_cache(usize::MAX)
        .fetch_timeout(Duration::MAX)
        .min_forced_interval(Duration::MAX)
        .build();
    let tokens = handle(&service);
    let first = tokens.token().await.unwrap();
    tokens.renew_rejected(first.generation()).await.unwrap();
    tokens.token().await.unwrap();
}
