//! From `revoke` and `taint` at the issuer to the memory of those who call: no callee has to refuse a token first.

use std::sync::Arc;
use std::time::Duration;

use hallpass::Settings;
use hallpass::client::{AuthTokenService, AuthTokenServiceBuilder, MemoryTokenCache};
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::{AccessToken, Issuer, JwkSet, SecurityContext, VerifyPolicy, verify};
use hallpass::upstream::{Network, StaticDiscovery};
use hallpass_issuer::{IssuerSettings, RevocationTarget};
use hallpass_testkit::TestIssuer;
use tokio::time::{Instant, sleep};

use crate::exchange::{ISSUER, USERS_KEY, token_of};
use crate::revocation::{jti, this_client};
use crate::service::target;

const SOON: Duration = Duration::from_secs(1);

fn settings(issuer: &TestIssuer, id: &str, secret: &str, more: &str) -> Settings {
    let yaml = format!(
        "hallpass:\n  service: {{ name: order-service }}\n  internal-token:\n    client-id: {id}\n    client-secret: \"{secret}\"\n    token-url: \"{}\"\n    {more}\n",
        issuer.token_url(),
    );
    let loader = Loader::new("hallpass").text("test", &yaml);
    loader.load().unwrap().into_settings()
}

fn builder(issuer: &TestIssuer, more: &str) -> AuthTokenServiceBuilder {
    let (id, secret) = (TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let settings = settings(issuer, id, secret, more);
    let network = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
    AuthTokenServiceBuilder::from_settings(&settings.internal_token, &network).unwrap()
}

async fn token(caller: &AuthTokenService) -> String {
    let (audience, scope) = target();
    let token = caller.service_token(&audience, &scope).await.unwrap();
    token.expose().to_owned()
}

/// Waits until the caller does not use `old` any more; what it has then, if anything.
async fn until_dropped(caller: &AuthTokenService, old: &str) -> Option<String> {
    let ((audience, scope), began) = (target(), Instant::now());
    loop {
        let now = caller.service_token(&audience, &scope).await.ok();
        let now = now.map(|token| token.expose().to_owned());
        if now.as_deref() != Some(old) {
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            return now;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "never dropped");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_leaves_the_memory_of_each_caller_within_a_second() {
    let issuer = TestIssuer::start().await.unwrap();
    let callers: Vec<_> = (0..5).map(|_| builder(&issuer, "").build()).collect();
    let mut tokens = Vec::new();
    for caller in &callers {
        tokens.push(token(caller).await);
    }
    // The stream may not be there yet: what comes first is the whole list.
    let target = RevocationTarget::Token(jti(&tokens[0]));
    issuer.revoke(&target).await.unwrap();
    let new = until_dropped(&callers[0], &tokens[0]).await;
    tokens[0] = new.unwrap();
    for (caller, kept) in callers.iter().zip(&tokens) {
        assert_eq!(token(caller).await, *kept, "the others are good");
    }
    assert_eq!(issuer.tokens_issued(), 6);

    issuer.taint_signing_key().await.unwrap();
    for (caller, token) in callers.iter().zip(&mut tokens) {
        *token = until_dropped(caller, token).await.unwrap();
    }
    issuer.revoke(&this_client()).await.unwrap();
    for (caller, token) in callers.iter().zip(&tokens) {
        assert_eq!(
            until_dropped(caller, token).await,
            None,
            "there is no other"
        );
    }
    assert_eq!(issuer.tokens_issued(), 11);
    let mut registry = prometheus_client::registry::Registry::default();
    callers[0].metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = "hallpass_tokens_dropped_as_revoked_total{token=\"own\"} 3";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_taint_costs_each_caller_one_token_and_none_of_the_tainted_key() {
    let issuer = TestIssuer::start().await.unwrap();
    let callers: Vec<_> = (0..4).map(|_| builder(&issuer, "").build()).collect();
    let mut tokens = Vec::new();
    for caller in &callers {
        tokens.push(token(caller).await);
    }
    for taints in 1..=3 {
        issuer.taint_signing_key().await.unwrap();
        let dropped = callers.iter().zip(&tokens);
        let dropped = dropped.map(|(caller, old)| until_dropped(caller, old));
        let new = futures_util::future::join_all(dropped).await;
        tokens = new.into_iter().map(Option::unwrap).collect();
        assert_eq!(issuer.tokens_issued(), 4 + 4 * taints);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_exchanged_for_a_caller_who_is_revoked_is_dropped_too() {
    let loader = Loader::new("hallpass").text("issuer", ISSUER);
    let issuer = loader.load::<IssuerSettings>().unwrap().into_settings();
    let issuer = TestIssuer::of(issuer).start().await.unwrap();
    issuer.import_key(USERS_KEY).await.unwrap();
    let settings = settings(&issuer, "order-service", "OrderSecret123!", "");
    let network = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
    let service = AuthTokenService::from_settings(&settings.internal_token, &network).unwrap();
    let handle = service.handle(&"logistics-service".parse().unwrap(), &"".parse().unwrap());
    let keys = JwkSet::parse(&issuer.jwks().unwrap()).unwrap();
    let context = |user: &str| {
        let token = token_of(user, "order-service");
        let policy = VerifyPolicy::new(Issuer::internal(), "order-service".parse().unwrap());
        let now = SystemClock::new().now().into();
        let claims = verify(&token, &keys, &policy, now).unwrap();
        SecurityContext::new(claims, AccessToken::new(token))
    };
    let (alice, bob) = (context("alice"), context("bob"));
    let of_alice = handle.exchanged(&alice).await.unwrap();
    let of_bob = handle.exchanged(&bob).await.unwrap();
    let target = RevocationTarget::Subject {
        name: "alice".into(),
        only_issued: true,
    };
    issuer.revoke(&target).await.unwrap();
    let began = Instant::now();
    while handle
        .exchanged(&alice)
        .await
        .is_ok_and(|it| it == of_alice)
    {
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    handle.exchanged(&alice).await.unwrap_err();
    assert_eq!(handle.exchanged(&bob).await.unwrap(), of_bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_taken_out_of_no_tier() {
    let issuer = TestIssuer::start().await.unwrap();
    let tier = Arc::new(MemoryTokenCache::new(10));
    let one = builder(&issuer, "").shared_cache(tier.clone()).build();
    let first = token(&one).await;
    let sharing = builder(&issuer, "").shared_cache(tier.clone()).build();
    assert_eq!(token(&sharing).await, first, "the tier has it");
    let target = RevocationTarget::Token(jti(&first));
    issuer.revoke(&target).await.unwrap();
    let second = until_dropped(&one, &first).await.unwrap();
    assert_eq!(until_dropped(&sharing, &first).await, Some(second.clone()));

    // Nobody follows, and the tier keeps what is revoked: whoever comes then and follows does not take it.
    let deaf = builder(&issuer, "revocations-url: none");
    let other_tier = Arc::new(MemoryTokenCache::new(10));
    let deaf = deaf.shared_cache(other_tier.clone()).build();
    let third = token(&deaf).await;
    issuer
        .revoke(&RevocationTarget::Token(jti(&third)))
        .await
        .unwrap();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(token(&deaf).await, third, "it is told of nothing");
    let settings = settings(
        &issuer,
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        "",
    );
    let network = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
    let late = AuthTokenServiceBuilder::from_settings(&settings.internal_token, &network).unwrap();
    let late = late.shared_cache(other_tier).build();
    // Its list comes with its first request.
    let first_of_late = token(&late).await;
    if first_of_late == third {
        until_dropped(&late, &third).await.unwrap();
    }
    assert_ne!(token(&late).await, third);
}
