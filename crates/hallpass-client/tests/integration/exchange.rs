//! Calls that carry a token exchanged for the caller's (RFC 8693).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_client::{
    BearerLayer, CallError, CallReport, Identity, ReplayLayer, TokenError, TokenHandle,
    TokenSource, WhenAbsent,
};
use hallpass_token::{AccessToken, Scope, SecurityContext};
use hallpass_upstream::{Body, TransportError};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tower::{ServiceBuilder, ServiceExt};

use crate::mirror::{Setup, plain, setup, with_foreign_authorization};
use crate::scripted_issuer::Mode;

const REFUSED: &str = r#"{"error":"invalid_request"}"#;

/// A layer that exchanges for `callee`, without a scope.
fn exchanging(setup: &Setup) -> (BearerLayer, TokenHandle) {
    let service = setup.issuer.client().build();
    let tokens = service.handle(&"callee".parse().unwrap(), &Scope::empty());
    let clock = Arc::clone(tokens.clock());
    let layer = BearerLayer::new("callee", Identity::Exchange, clock).tokens(tokens.clone());
    (layer, tokens)
}

/// Somebody whose token is `token` and ends after `seconds`.
fn caller(setup: &Setup, token: &str, seconds: u64) -> SecurityContext {
    let claims = setup.alice(seconds).claims().clone();
    SecurityContext::new(claims, AccessToken::new(token))
}

fn request_of(caller: &SecurityContext) -> Request<Body> {
    let mut request = with_foreign_authorization(plain());
    request.extensions_mut().insert(caller.clone());
    request
}

#[tokio::test(start_paused = true)]
async fn the_callers_token_is_exchanged_once_for_the_callee_and_kept() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    let first = setup.sent(layer.clone(), request_of(&alice)).await;
    assert!(first.starts_with("Bearer callee.1."), "{first}");
    assert!(!first.contains('\n'), "one identity: {first}");
    assert_eq!(setup.sent(layer, request_of(&alice)).await, first);
    let forms = setup.issuer.forms();
    let [form] = &forms[..] else {
        panic!("one request: {forms:?}")
    };
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", "token-of-alice"),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "callee"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!form.contains_key("scope"), "not the scope of the service");
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_the_token_of_another_caller() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let callers: Vec<_> = (0..20)
        .map(|n| caller(&setup, &format!("token-{n}"), 900))
        .collect();
    let mut seen = Vec::new();
    for round in 0..2 {
        for (n, caller) in callers.iter().enumerate() {
            let sent = setup.sent(layer.clone(), request_of(caller)).await;
            match round {
                0 => seen.push(sent),
                _ => assert_eq!(sent, seen[n]),
            }
        }
    }
    let mut different = seen.clone();
    different.dedup();
    assert_eq!((different.len(), setup.issuer.requests()), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn however_many_calls_of_one_caller_make_one_request() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    let calls = (0..50).map(|_| setup.sent(layer.clone(), request_of(&alice)));
    let sent = join_all(calls).await;
    assert!(sent.iter().all(|it| *it == sent[0]));
    assert_eq!(setup.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_cancels_nobody() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    let gone = setup.send(layer.clone(), request_of(&alice));
    let gone = tokio::time::timeout(Duration::from_millis(1), gone).await;
    assert!(gone.is_err());
    setup.sent(layer, request_of(&alice)).await;
    assert_eq!(setup.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exchanged_token_is_not_sent_past_the_end_of_the_callers() {
    let setup = setup();
    let (layer, tokens) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 60);
    setup.sent(layer.clone(), request_of(&alice)).await;
    let token = tokens.exchanged(&alice).await.unwrap();
    assert_eq!(
        token.expires_at(),
        alice.expires_at(),
        "the issuer said 600 s"
    );
    tokio::time::advance(Duration::from_secs(50)).await;
    setup.sent(layer.clone(), request_of(&alice)).await;
    assert_eq!(setup.issuer.requests(), 1, "no new one would live longer");
    tokio::time::advance(Duration::from_secs(10)).await;
    let calls = setup.mirror.calls();
    let error = setup.send(layer, request_of(&alice)).await.unwrap_err();
    assert_eq!(error, CallError::IdentityExpired);
    let error = tokens.exchanged(&alice).await.unwrap_err();
    assert_eq!(error, TokenError::SubjectExpired);
    assert_eq!((setup.issuer.requests(), setup.mirror.calls()), (1, calls));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_before_the_callers_is_renewed_while_calls_go_on() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 3_600);
    let first = setup.sent(layer.clone(), request_of(&alice)).await;
    tokio::time::advance(Duration::from_secs(590)).await;
    assert_eq!(setup.sent(layer.clone(), request_of(&alice)).await, first);
    tokio::time::advance(Duration::from_millis(50)).await;
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = setup.sent(layer, request_of(&alice)).await;
    assert!(second.starts_with("Bearer callee.2."), "{second}");
    assert_eq!(setup.issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_caller_fails_closed_unless_the_client_says_otherwise() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let nobody = || with_foreign_authorization(plain());
    let error = setup.send(layer.clone(), nobody()).await.unwrap_err();
    let identity = Identity::Exchange;
    assert_eq!(error, CallError::NoIdentity { identity });
    assert_eq!((setup.mirror.calls(), setup.issuer.requests()), (0, 0));
    let as_nobody = layer.clone().when_absent(WhenAbsent::None);
    assert_eq!(setup.sent(as_nobody, nobody()).await, "");
    let as_service = layer.when_absent(WhenAbsent::Service);
    setup.sent(as_service, nobody()).await;
    assert_eq!(setup.issuer.forms()[0]["grant_type"], "client_credentials");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_about_one_caller_and_an_outage_about_all() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let [alice, bob] = ["alice", "bob"].map(|name| caller(&setup, name, 900));
    let refusal = || Mode::Respond(400, "application/json", REFUSED.to_owned());
    setup.issuer.set(refusal());
    let error = setup.send(layer.clone(), request_of(&alice)).await;
    let error = error.unwrap_err();
    let CallError::Token(refused @ TokenError::Denied { .. }) = &error else {
        panic!("{error:?}")
    };
    assert!(!refused.is_outage() && !error.is_retryable() && error.is_unsent());
    setup.issuer.set(Mode::Issue);
    let again = setup.send(layer.clone(), request_of(&alice)).await;
    let held = matches!(again, Err(CallError::Token(TokenError::BackingOff { .. })));
    assert!(held, "not at once: {again:?}");
    setup.sent(layer.clone(), request_of(&bob)).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    setup.sent(layer.clone(), request_of(&alice)).await;

    setup.issuer.set(Mode::Down);
    let [carol, dave] = ["carol", "dave"].map(|name| caller(&setup, name, 900));
    let error = setup.send(layer.clone(), request_of(&carol)).await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, CallError::Token(error) if error.is_outage()),
        "{error:?}"
    );
    let requests = setup.issuer.requests();
    let error = setup.send(layer.clone(), request_of(&dave)).await;
    assert!(matches!(error, Err(CallError::Token(error)) if error.is_outage()));
    assert_eq!(setup.issuer.requests(), requests, "the issuer is spared");
    setup.sent(layer.clone(), request_of(&alice)).await;
    setup.issuer.set(Mode::Issue);
    tokio::time::advance(Duration::from_secs(3)).await;
    setup.sent(layer, request_of(&dave)).await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_offer_the_grant_is_told_from_one_that_refuses_the_caller() {
    let setup = setup();
    for code in ["unsupported_grant_type", "unauthorized_client"] {
        let (layer, _) = exchanging(&setup);
        let body = format!("{{\"error\":\"{code}\"}}");
        setup
            .issuer
            .set(Mode::Respond(400, "application/json", body));
        let alice = caller(&setup, "token-of-alice", 900);
        for _ in ["asked", "held back"] {
            let error = setup.send(layer.clone(), request_of(&alice)).await;
            assert_eq!(error.unwrap_err(), CallError::ExchangeNotOffered, "{code}");
        }
    }
    assert_eq!(setup.mirror.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_report_names_user_actor_and_where_the_token_came_from() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    for source in [TokenSource::Issuer, TokenSource::Cache] {
        let sent = setup.send(layer.clone().reports(true), request_of(&alice));
        let response = sent.await.unwrap();
        let report = response.extensions().get::<CallReport>().unwrap();
        assert_eq!(report.identity, Identity::Exchange);
        assert_eq!(report.source, Some(source));
        assert_eq!(report.subject.as_ref().unwrap().as_str(), "alice");
        assert_eq!(
            report.actor.as_ref().unwrap().as_str(),
            "internal-service-client"
        );
        assert_eq!(report.audience.as_ref().unwrap().as_str(), "callee");
    }
}

/// Calls a callee that takes no token of which `bad` is a part; how it responds, and how often it was called.
async fn call(
    (layer, tokens): &(BearerLayer, TokenHandle),
    caller: &SecurityContext,
    bad: &'static str,
) -> (StatusCode, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let callee = tower::service_fn(move |request: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        let sent = request.headers()[AUTHORIZATION].to_str().unwrap();
        let mut response = Response::new(Body::empty());
        if sent.contains(bad) {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = "Bearer error=\"invalid_token\"".parse().unwrap();
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        std::future::ready(Ok::<_, TransportError>(response))
    });
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new(tokens.clone()))
        .layer(layer.clone())
        .service(callee);
    let response = service.oneshot(request_of(caller)).await.unwrap();
    (response.status(), calls.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_dropped_exchanged_anew_and_the_call_repeated_once() {
    let setup = setup();
    let client = exchanging(&setup);
    let [alice, bob] = ["alice", "bob"].map(|name| caller(&setup, name, 900));
    client.1.exchanged(&alice).await.unwrap();
    let of_bob = client.1.exchanged(&bob).await.unwrap();
    assert_eq!(
        call(&client, &alice, "callee.1.").await,
        (StatusCode::OK, 2)
    );
    assert_eq!(setup.issuer.requests(), 3);
    assert_eq!(
        call(&client, &alice, "callee.1.").await,
        (StatusCode::OK, 1)
    );
    assert_eq!(client.1.exchanged(&bob).await.unwrap(), of_bob, "his stays");
    assert_eq!(setup.issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_takes_no_token_costs_one_exchange_in_half_a_minute() {
    let setup = setup();
    let client = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    let unauthorized = StatusCode::UNAUTHORIZED;
    assert_eq!(call(&client, &alice, "callee").await, (unauthorized, 2));
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(call(&client, &alice, "callee").await, (unauthorized, 1));
    }
    assert_eq!(setup.issuer.requests(), 2);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(call(&client, &alice, "callee").await, (unauthorized, 2));
    assert_eq!(setup.issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_audience_has_a_token_of_its_own() {
    let setup = setup();
    let service = setup.issuer.client().build();
    let alice = caller(&setup, "token-of-alice", 900);
    for (audience, scope) in [("callee", ""), ("other", ""), ("callee", "read")] {
        let (audience, scope) = (audience.parse().unwrap(), scope.parse().unwrap());
        let token = service.handle(&audience, &scope).exchanged(&alice).await;
        let token = token.unwrap();
        assert!(token.access_token().expose().starts_with(audience.as_str()));
        let again = service.handle(&audience, &scope).exchanged(&alice).await;
        assert_eq!(again.unwrap(), token);
    }
    let forms = setup.issuer.forms();
    let scopes: Vec<_> = forms.iter().map(|form| form.get("scope")).collect();
    assert_eq!(scopes, [None, None, Some(&"read".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_error_500_over_one_caller_holds_back_nobody_else() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let [alice, bob] = ["alice", "bob"].map(|name| caller(&setup, name, 900));
    setup
        .issuer
        .set(Mode::Respond(500, "text/plain", String::new()));
    let error = setup.send(layer.clone(), request_of(&alice)).await;
    assert!(matches!(error, Err(CallError::Token(error)) if error.is_outage()));
    setup.issuer.set(Mode::Issue);
    setup.sent(layer.clone(), request_of(&bob)).await;
    let held = setup.send(layer, request_of(&alice)).await;
    assert!(matches!(
        held,
        Err(CallError::Token(TokenError::BackingOff { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_leaves_its_caller_free_to_ask_again() {
    let setup = setup();
    let (layer, _) = exchanging(&setup);
    let alice = caller(&setup, "token-of-alice", 900);
    setup.issuer.set(Mode::Panic);
    let error = setup.send(layer.clone(), request_of(&alice)).await;
    assert_eq!(error.unwrap_err(), CallError::Token(TokenError::Lost));
    setup.issuer.set(Mode::Issue);
    setup.sent(layer, request_of(&alice)).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_memory_asks_for_each_call_and_still_once_for_calls_at_once() {
    let setup = setup();
    let service = setup.issuer.client().without_memory_cache().build();
    let tokens = service.handle(&"callee".parse().unwrap(), &Scope::empty());
    let alice = caller(&setup, "token-of-alice", 900);
    for round in 1..=3 {
        let calls = (0..10).map(|_| tokens.exchanged(&alice));
        let got = join_all(calls).await;
        assert!(got.iter().all(|token| token == &got[0] && token.is_ok()));
        assert_eq!(setup.issuer.requests(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_switched_off_exchanges_nothing() {
    let setup = setup();
    let service = crate::scripted_issuer::switched_off();
    let tokens = service.handle(&"callee".parse().unwrap(), &Scope::empty());
    let alice = caller(&setup, "token-of-alice", 900);
    let error = tokens.exchanged(&alice).await.unwrap_err();
    assert_eq!(error, TokenError::Disabled);
}
