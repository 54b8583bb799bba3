//! The memory tier and tiers behind it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hallpass_client::{
    CacheError, InternalTokenCache, MemoryTokenCache, StoredToken, TokenKey, TokenSource,
};
use hallpass_token::{AccessToken, UnixTime};
use tokio::time::{Instant, sleep};

use crate::scripted_issuer::{Mode, ScriptedIssuer, handle};

/// What one call to a tier may take.
const TIER_WAIT: Duration = Duration::from_millis(30);

const LIFE: Duration = Duration::from_secs(600);
/// Where the wall clock of the tests begins.
const EPOCH: u64 = 1_767_225_600;

/// A tier that is shared by what stand for two processes.
fn shared() -> Arc<MemoryTokenCache> {
    Arc::new(MemoryTokenCache::new(100))
}

fn key() -> TokenKey {
    TokenKey::new(
        "https://service-auth.example/oauth2/token",
        "internal-service-client".parse().unwrap(),
        "service-system".parse().unwrap(),
        "internal-service".parse().unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_second_process_takes_the_token_from_the_shared_tier() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let first = process().token().await.unwrap();
    sleep(Duration::from_secs(300)).await;
    let second = process().token().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(
        (second.source(), issuer.requests()),
        (TokenSource::Cache, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_from_a_shared_tier_is_renewed_and_ends_by_its_own_age() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let old = process().token().await.unwrap();
    sleep(Duration::from_secs(500)).await;
    let second = process();
    assert_eq!(second.token().await.unwrap(), old, "due, but good for now");
    second.token().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_ne!(
        second.token().await.unwrap(),
        old,
        "renewed by the second process"
    );
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_memory_every_call_asks_the_shared_tier_and_the_issuer_only_once() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(
        &issuer
            .client()
            .without_memory_cache()
            .shared_cache(shared())
            .build(),
    );
    for _ in 0..50 {
        assert!(tokens.try_current().is_none());
        tokens.token().await.unwrap();
    }
    assert_eq!(issuer.requests(), 1);
    sleep(Duration::from_secs(500)).await;
    tokens.token().await.unwrap();
    assert_eq!(
        issuer.requests(),
        2,
        "a token that is due is renewed by the call that finds it"
    );
}

#[tokio::test(start_paused = true)]
async fn without_memory_and_without_issuer_the_shared_token_serves_until_it_ends() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(
        &issuer
            .client()
            .without_memory_cache()
            .shared_cache(shared())
            .build(),
    );
    tokens.token().await.unwrap();
    issuer.set(Mode::Down);
    let start = Instant::now();
    while let Ok(token) = tokens.token().await {
        assert!(!issuer.has_ended(token.access_token().expose()));
        sleep(Duration::from_millis(500)).await;
    }
    assert!(
        start.elapsed() > LIFE - Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert!(
        issuer.requests() < 100,
        "{} requests to an issuer that is down",
        issuer.requests()
    );
}

#[tokio::test(start_paused = true)]
async fn a_worse_token_in_a_tier_does_not_replace_the_one_in_memory_when_renewal_fails() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let tokens = handle(&issuer.client().shared_cache(tier.clone()).build());
    let good = tokens.token().await.unwrap();
    let worse = StoredToken {
        access_token: AccessToken::new("worse"),
        issued_at: UnixTime::from_secs(EPOCH - 30),
        expires_at: UnixTime::from_secs(EPOCH + 570),
    };
    tier.put_token(&key(), &worse).await.unwrap();
    issuer.set(Mode::Down);
    for _ in 0..4 {
        sleep(Duration::from_secs(140)).await;
        tokens.refresh_if_needed().await.ok();
        assert_eq!(tokens.token().await.unwrap(), good);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overdue_token_in_a_shared_tier_is_taken_only_while_the_issuer_fails() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let old = process().token().await.unwrap();
    sleep(Duration::from_secs(560)).await;
    issuer.set(Mode::Down);
    assert_eq!(process().token().await.unwrap(), old);
    issuer.set(Mode::Issue);
    assert_ne!(process().token().await.unwrap(), old);
}

#[tokio::test(start_paused = true)]
async fn without_any_tier_each_wave_of_callers_makes_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(&issuer.client().without_memory_cache().build());
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(tokens.token(), tokens.token(), tokens.token());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
    }
    assert_eq!((issuer.requests(), issuer.most_at_once()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_not_taken_from_a_tier_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(&issuer.client().shared_cache(shared()).build());
    let old = tokens.token().await.unwrap();
    assert_ne!(tokens.renew_rejected(old.generation()).await.unwrap(), old);
}

/// A tier that takes its time to forget.
#[derive(Debug)]
struct SlowToForget(MemoryTokenCache);

impl InternalTokenCache for SlowToForget {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<StoredToken>, CacheError>> {
        self.0.get_token(key)
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a StoredToken,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.0.put_token(key, token)
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            sleep(TIER_WAIT / 2).await;
            self.0.evict(key).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_during_an_eviction_does_not_bring_the_evicted_token_back() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(SlowToForget(MemoryTokenCache::new(100)));
    let client = issuer.client().memory_cache(0).shared_cache(tier);
    let tokens = handle(&client.build());
    let evicted = tokens.token().await.unwrap();
    let during = async {
        sleep(TIER_WAIT / 4).await;
        tokens.token().await.unwrap();
    };
    tokio::join!(tokens.evict(), during);
    assert_ne!(tokens.token().await.unwrap(), evicted);
}

#[tokio::test(start_paused = true)]
async fn entries_that_have_ended_or_are_damaged_are_passed_over() {
    let token = |issued_at, expires_at| StoredToken {
        access_token: AccessToken::new("from-the-tier"),
        issued_at: UnixTime::from_secs(issued_at),
        expires_at: UnixTime::from_secs(expires_at),
    };
    let mut no_header = token(EPOCH, EPOCH + 600);
    no_header.access_token = AccessToken::new("a\r\nx-injected: 1");
    for damaged in [
        token(EPOCH - 600, EPOCH),
        token(EPOCH - 600, EPOCH - 1),
        token(EPOCH, EPOCH),
        token(EPOCH + 600, EPOCH),
        token(0, u64::MAX),
        token(EPOCH, u64::MAX),
        token(0, 0),
        no_header,
    ] {
        let (issuer, tier) = (ScriptedIssuer::new(LIFE), shared());
        tier.put_token(&key(), &damaged).await.unwrap();
        let tokens = handle(&issuer.client().shared_cache(tier).build());
        assert_eq!(
            tokens.token().await.unwrap().source(),
            TokenSource::Issuer,
            "{damaged:?}"
        );
    }
    let (issuer, tier) = (ScriptedIssuer::new(LIFE), shared());
    tier.put_token(&key(), &token(EPOCH - 10, EPOCH + 590))
        .await
        .unwrap();
    let tokens = handle(&issuer.client().shared_cache(tier).build());
    assert_eq!(
        tokens.token().await.unwrap().access_token().expose(),
        "from-the-tier",
        "the key is the right one"
    );
}

/// A tier that fails, or hangs.
#[derive(Debug)]
struct Bad {
    hangs: bool,
}

impl Bad {
    fn answer<T: Send + 'static>(&self) -> BoxFuture<'_, Result<T, CacheError>> {
        if self.hangs {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Err(CacheError::new(
            "connection refused",
        ))))
    }
}

impl InternalTokenCache for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }

    fn get_token<'a>(
        &'a self,
        _: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<StoredToken>, CacheError>> {
        self.answer()
    }

    fn put_token<'a>(
        &'a self,
        _: &'a TokenKey,
        _: &'a StoredToken,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.answer()
    }

    fn evict<'a>(&'a self, _: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        self.answer()
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_fails_or_hangs_costs_a_capped_wait_and_no_call() {
    for hangs in [false, true] {
        let issuer = ScriptedIssuer::new(LIFE);
        issuer.set_delay(Duration::ZERO);
        let tokens = handle(
            &issuer
                .client()
                .shared_cache(Arc::new(Bad { hangs }))
                .build(),
        );
        let start = Instant::now();
        tokens.token().await.unwrap();
        assert!(
            start.elapsed() <= TIER_WAIT * 2 + Duration::from_millis(5),
            "{:?}",
            start.elapsed()
        );
        tokens.evict().await;
        tokens.token().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_audiences_keeps_memory_within_its_limit() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = issuer.client().memory_cache(10).build();
    let scope = "s".parse().unwrap();
    for number in 0..100 {
        service
            .service_token(&format!("audience-{number}").parse().unwrap(), &scope)
            .await
            .unwrap();
    }
    service
        .service_token(&"audience-99".parse().unwrap(), &scope)
        .await
        .unwrap();
    assert_eq!(issuer.requests(), 100, "the newest is kept");
    service
        .service_token(&"audience-0".parse().unwrap(), &scope)
        .await
        .unwrap();
    assert_eq!(issuer.requests(), 101, "the oldest is not");
}
