//! From `revoke` and `taint` at the issuer to the refusal at those who verify, and to the next token of those who call.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hallpass::config::Loader;
use hallpass::feign::FeignError;
use hallpass::resource::{Denial, ResourceServer};
use hallpass::{Hallpass, Settings};
use hallpass_issuer::RevocationTarget;
use hallpass_testkit::{ManualClock, TestIssuer, TestServer};
use tokio::time::{Instant, sleep};

use crate::service::{Services, System as _, target};

const SOON: Duration = Duration::from_secs(1);

/// A service that verifies, with what `more` says of the issuer.
fn verifier(issuer: &TestIssuer, more: &str) -> ResourceServer {
    let jwks = issuer.jwks_url();
    let keys = match more.contains("jwks-file") {
        true => String::new(),
        false => format!("jwks-url: \"{jwks}\""),
    };
    let yaml = format!(
        "hallpass:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      {keys}\n      {more}\n"
    );
    let settings: Settings = Loader::new("hallpass")
        .text("test", &yaml)
        .load()
        .unwrap()
        .into_settings();
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    hallpass.resource_server().build().unwrap()
}

/// A token of the usual client.
pub(crate) async fn token(issuer: &TestIssuer) -> String {
    let yaml = format!(
        "hallpass:\n  service: {{ name: order-service }}\n  internal-token:\n    client-id: {}\n    client-secret: \"{}\"\n    token-url: \"{}\"\n",
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        issuer.token_url(),
    );
    let settings: Settings = Loader::new("hallpass")
        .text("test", &yaml)
        .load()
        .unwrap()
        .into_settings();
    let caller = Hallpass::builder(&settings).build().unwrap();
    let (audience, scope) = target();
    let token = caller
        .tokens()
        .service_token(&audience, &scope)
        .await
        .unwrap();
    token.expose().to_owned()
}

/// How long it takes until every verifier says that the token is revoked.
async fn until_refused(verifiers: &[ResourceServer], token: &str) -> Duration {
    let began = Instant::now();
    for verifier in verifiers {
        while verifier.verify(token).await.err() != Some(Denial::Revoked) {
            assert!(began.elapsed() < Duration::from_secs(10), "never refused");
            sleep(Duration::from_millis(2)).await;
        }
    }
    began.elapsed()
}

async fn all_take(verifiers: &[ResourceServer], token: &str) {
    for verifier in verifiers {
        verifier.verify(token).await.unwrap();
    }
}

pub(crate) fn this_client() -> RevocationTarget {
    RevocationTarget::Client {
        id: TestIssuer::CLIENT_ID.into(),
        only_issued: false,
    }
}

pub(crate) fn jti(token: &str) -> String {
    let parsed = hallpass::token::UnverifiedToken::parse(token, 8_192).unwrap();
    let claims = parsed.unverified_claims().unwrap();
    claims.token_id.unwrap().as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_is_refused_by_every_verifier_within_a_second() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifiers: Vec<_> = (0..5).map(|_| verifier(&issuer, "")).collect();
    let (one, two, three) = (
        token(&issuer).await,
        token(&issuer).await,
        token(&issuer).await,
    );
    for token in [&one, &two, &three] {
        all_take(&verifiers, token).await;
    }
    issuer
        .revoke(&RevocationTarget::Token(jti(&one)))
        .await
        .unwrap();
    assert!(until_refused(&verifiers, &one).await < SOON);
    all_take(&verifiers, &two).await;

    issuer.taint_signing_key().await.unwrap();
    assert!(until_refused(&verifiers, &two).await < SOON);
    let new = token(&issuer).await;
    all_take(&verifiers, &new).await;

    issuer.revoke(&this_client()).await.unwrap();
    assert!(until_refused(&verifiers, &new).await < SOON);
    let late = verifier(&issuer, "");
    assert_eq!(
        late.verify(&new).await.err(),
        Some(Denial::Revoked),
        "its first token"
    );
    let mut text = String::new();
    let mut registry = prometheus_client::registry::Registry::default();
    late.metrics().register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(
        text.contains("hallpass_revocations_entries{issuer=\"internal\"} 3"),
        "{text}"
    );
    assert!(
        text.contains("hallpass_revocations_streaming{issuer=\"internal\"} 1"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_goes_on_with_its_last_list_while_the_issuer_is_down_and_follows_again() {
    let mut issuer = TestIssuer::start().await.unwrap();
    let verifiers = [verifier(&issuer, "")];
    let (one, two) = (token(&issuer).await, token(&issuer).await);
    all_take(&verifiers, &two).await;
    issuer
        .revoke(&RevocationTarget::Token(jti(&one)))
        .await
        .unwrap();
    until_refused(&verifiers, &one).await;
    issuer.stop().await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(verifiers[0].verify(&one).await.err(), Some(Denial::Revoked));
    all_take(&verifiers, &two).await;
    issuer.restart().await.unwrap();
    issuer
        .revoke(&RevocationTarget::Token(jti(&two)))
        .await
        .unwrap();
    until_refused(&verifiers, &two).await;
    assert_eq!(verifiers[0].verify(&one).await.err(), Some(Denial::Revoked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_while_the_list_is_not_there_takes_what_its_keys_verify() {
    let mut issuer = TestIssuer::start().await.unwrap();
    let token = token(&issuer).await;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, issuer.jwks().unwrap()).unwrap();
    let list = issuer.url("/oauth2/revocations");
    issuer.stop().await.unwrap();
    let more = format!(
        "jwks-file: \"{}\"\n      revocations-url: \"{list}\"",
        keys.display()
    );
    let verifiers = [verifier(&issuer, &more)];
    all_take(&verifiers, &token).await;
    issuer.restart().await.unwrap();
    issuer.revoke(&this_client()).await.unwrap();
    until_refused(&verifiers, &token).await;

    // An issuer that has no such list.
    let jwks = issuer.jwks().unwrap();
    let router = Router::new().route("/oauth2/jwks", get(async move || jwks));
    let other = TestServer::start(router).await.unwrap();
    let url = format!(
        "revocations-url: \"http://{}/oauth2/revocations\"",
        other.address()
    );
    let without = verifier(&issuer, &url);
    let began = Instant::now();
    without.verify(&token).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    let off = verifier(&issuer, "revocations-url: none");
    off.verify(&token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_gets_a_new_token_when_its_key_is_tainted_and_loses_no_call() {
    let clock = Arc::new(ManualClock::new());
    let builder = TestIssuer::builder().clock(clock.clone());
    let issuer = builder.start().await.unwrap();
    let services = Services::start(clock, issuer.address()).await;
    services.system.report().await.unwrap();
    issuer.taint_signing_key().await.unwrap();
    let began = Instant::now();
    while issuer.tokens_issued() < 2 {
        services.system.report().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    services.system.report().await.unwrap();
    assert_eq!(issuer.tokens_issued(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_client_is_refused_by_the_callee_and_gets_no_other_token() {
    let clock = Arc::new(ManualClock::new());
    let builder = TestIssuer::builder().clock(clock.clone());
    let issuer = builder.start().await.unwrap();
    let services = Services::start(clock, issuer.address()).await;
    services.system.report().await.unwrap();
    issuer.revoke(&this_client()).await.unwrap();
    let began = Instant::now();
    let refused: FeignError = loop {
        match services.system.report().await {
            Ok(_) => assert!(began.elapsed() < SOON, "never refused"),
            Err(error) => break error,
        }
    };
    // The callee may learn of it first, or the caller itself, which then has no token to send.
    let by_callee = matches!(&refused, FeignError::Status { status, .. } if status.as_u16() == 401);
    let by_itself = !matches!(&refused, FeignError::Status { .. });
    assert!(by_callee || by_itself, "{refused:?}");
    for _again in 0..3 {
        let error = services.system.report().await.unwrap_err();
        let is_sent = matches!(error, FeignError::Status { .. });
        assert!(!is_sent, "the token is sent again: {error:?}");
    }
    assert_eq!(issuer.tokens_issued(), 1);
}
