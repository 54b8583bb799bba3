//! Tiers that are slow, fail, or hold what is of no use.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hallpass_client::{
    CacheError, InternalTokenCache, MemoryTokenCache, SealedToken, TokenKey, TokenSource,
};
use tokio::time::{Instant, sleep};

use crate::cache_tiers::key;
use crate::scripted_issuer::{ScriptedIssuer, handle, sealed};

/// What one call to a tier may take.
const TIER_WAIT: Duration = Duration::from_millis(30);
const LIFE: Duration = Duration::from_secs(600);
/// Where the wall clock of the tests begins.
const EPOCH: u64 = 1_767_225_600;

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
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        self.0.get_token(key)
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.0.put_token(key, token, keep_for)
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
    let token = |issued_at, expires_at| sealed(&key(), "from-the-tier", issued_at, expires_at);
    let good = token(EPOCH - 10, EPOCH + 590);
    let mut altered = good.as_str().to_owned();
    altered.replace_range(40..41, if &altered[40..41] == "A" { "B" } else { "A" });
    let of_another_key = TokenKey::new(
        "i",
        key().client().clone(),
        key().audience().clone(),
        key().scope().clone(),
    );
    for damaged in [
        token(EPOCH - 600, EPOCH),
        token(EPOCH - 600, EPOCH - 1),
        token(EPOCH, EPOCH),
        token(EPOCH + 600, EPOCH),
        token(0, u64::MAX),
        token(EPOCH, u64::MAX),
        token(0, 0),
        sealed(&key(), "a\r\nx-injected: 1", EPOCH, EPOCH + 600),
        sealed(&of_another_key, "moved", EPOCH, EPOCH + 600),
        SealedToken::from(altered),
        SealedToken::from("from-the-tier".to_owned()),
        SealedToken::from("A".repeat(1_000_000)),
    ] {
        let (issuer, tier) = (
            ScriptedIssuer::new(LIFE),
            Arc::new(MemoryTokenCache::new(100)),
        );
        tier.put_token(&key(), &damaged, LIFE).await.unwrap();
        let tokens = handle(&issuer.client().shared_cache(tier).build());
        assert_eq!(
            tokens.token().await.unwrap().source(),
            TokenSource::Issuer,
            "{damaged:?}"
        );
    }
    let (issuer, tier) = (
        ScriptedIssuer::new(LIFE),
        Arc::new(MemoryTokenCache::new(100)),
    );
    tier.put_token(&key(), &good, LIFE).await.unwrap();
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
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        self.answer()
    }

    fn put_token<'a>(
        &'a self,
        _: &'a TokenKey,
        _: &'a SealedToken,
        _: Duration,
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
