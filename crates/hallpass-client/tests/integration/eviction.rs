//! An eviction counts: what began before it is not kept, neither in memory nor in a tier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hallpass_client::{
    AuthTokenService, CacheError, CacheLife, IssuedToken, MemoryTokenCache, SealedToken,
    TokenError, TokenHandle, TokenKey,
};
use hallpass_client::{InternalTokenCache, InternalTokenSettings};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::apply::{own, settings};
use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle, sealed};

const LIFE: Duration = Duration::from_secs(600);

/// A tier on the other side of a network: it takes its time, and may neither forget nor answer.
#[derive(Debug)]
pub(crate) struct FarTier {
    pub(crate) tokens: MemoryTokenCache,
    get_takes: Duration,
    put_takes: Duration,
    forgets: AtomicBool,
}

impl FarTier {
    pub(crate) fn new(get_takes: u64, put_takes: u64) -> Arc<Self> {
        Arc::new(Self {
            tokens: MemoryTokenCache::new(10),
            get_takes: Duration::from_millis(get_takes),
            put_takes: Duration::from_millis(put_takes),
            forgets: AtomicBool::new(true),
        })
    }
}

impl InternalTokenCache for FarTier {
    fn name(&self) -> &'static str {
        "far"
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        Box::pin(async move {
            let found = self.tokens.get_token(key).await;
            // The answer was true when it left the tier.
            sleep(self.get_takes).await;
            found
        })
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            sleep(self.put_takes).await;
            self.tokens.put_token(key, token, keep_for).await
        })
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            if self.forgets.load(Ordering::Relaxed) {
                self.tokens.evict(key).await
            } else {
                Err(CacheError::new("connection refused"))
            }
        })
    }
}

pub(crate) fn call(tokens: &TokenHandle) -> JoinHandle<Result<IssuedToken, TokenError>> {
    let tokens = tokens.clone();
    tokio::spawn(async move { tokens.token().await })
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_when_the_token_is_evicted_serves_those_who_wait_and_is_not_kept() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_secs(1));
    let tier = FarTier::new(0, 0);
    let tokens = handle(&issuer.client().shared_cache(tier.clone()).build());
    let waiting = call(&tokens);
    sleep(Duration::from_millis(500)).await;
    tokens.evict().await;
    let (early, later) = (
        waiting.await.unwrap().unwrap(),
        tokens.token().await.unwrap(),
    );
    assert_ne!(early, later, "what began before the eviction was kept");
    assert_eq!(issuer.requests(), 2);
    let other = handle(&issuer.client().shared_cache(tier).build());
    assert_eq!(other.token().await.unwrap(), later, "the tier has it");
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_after_the_eviction_waits_for_a_request_that_began_after_it() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_secs(1));
    let tokens = issuer.handle();
    let early = call(&tokens);
    sleep(Duration::from_millis(500)).await;
    tokens.evict().await;
    let later: Vec<_> = (0..20).map(|_| call(&tokens)).collect();
    let early = early.await.unwrap().unwrap();
    for call in later {
        assert_ne!(call.await.unwrap().unwrap(), early);
    }
    assert_eq!((issuer.requests(), issuer.most_at_once()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn many_callers_that_each_evict_and_ask_again_make_few_requests() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(50));
    let tokens = issuer.handle();
    tokens.token().await.unwrap();
    let calls: Vec<_> = (0..500)
        .map(|number| {
            let tokens = tokens.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(number % 40)).await;
                tokens.evict().await;
                tokens.token().await
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(issuer.requests() <= 4, "{} requests", issuer.requests());
    assert_eq!(issuer.most_at_once(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_ahead_of_time_that_began_before_the_eviction_is_not_kept() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = issuer.handle();
    tokens.token().await.unwrap();
    sleep(Duration::from_secs(500)).await;
    issuer.set_delay(Duration::from_secs(1));
    tokens.token().await.unwrap();
    sleep(Duration::from_millis(500)).await;
    tokens.evict().await;
    sleep(Duration::from_secs(5)).await;
    assert!(tokens.try_current().is_none(), "the renewal was kept");
}

#[tokio::test(start_paused = true)]
async fn the_late_response_of_a_tier_does_not_bring_an_evicted_token_back() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = FarTier::new(20, 0);
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let stolen = process().token().await.unwrap();
    let tokens = process();
    let waiting = call(&tokens);
    sleep(Duration::from_millis(10)).await;
    tokens.evict().await;
    assert_ne!(waiting.await.unwrap().unwrap(), stolen);
    assert_ne!(tokens.token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn while_the_issuer_is_down_an_evicted_token_stays_out_of_use() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = FarTier::new(20, 0);
    let tokens = handle(&issuer.client().shared_cache(tier.clone()).build());
    let stolen = tokens.token().await.unwrap();
    issuer.set(Mode::Down);
    sleep(Duration::from_secs(560)).await;
    let waiting = call(&tokens);
    sleep(Duration::from_millis(10)).await;
    tier.forgets.store(false, Ordering::Relaxed);
    tokens.evict().await;
    assert!(waiting.await.unwrap().is_err(), "the call under way got it");
    for _ in 0..100 {
        assert!(tokens.token().await.is_err(), "a later call got it");
        sleep(Duration::from_millis(300)).await;
    }
    issuer.set(Mode::Issue);
    sleep(Duration::from_secs(15)).await;
    assert_ne!(tokens.token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_cannot_forget_does_not_bring_an_evicted_token_back() {
    for memory in [true, false] {
        let issuer = ScriptedIssuer::new(LIFE);
        // Puts come too late for the limit of a tier, so the old token stays there.
        let tier = FarTier::new(0, 40);
        let client = issuer.client().shared_cache(tier.clone());
        let client = if memory {
            client
        } else {
            client.without_memory_cache()
        };
        let service = client.build();
        let tokens = handle(&service);
        let stolen = tokens.token().await.unwrap();
        let key = tokens.key().unwrap();
        let ends = stolen.expires_at().as_secs();
        let stored = sealed(&key, stolen.access_token().expose(), 1_767_225_600, ends);
        tier.tokens.put_token(&key, &stored, LIFE).await.unwrap();
        tier.forgets.store(false, Ordering::Relaxed);
        sleep(Duration::from_secs(5)).await;
        tokens.evict().await;
        for _ in 0..20 {
            sleep(Duration::from_secs(1)).await;
            assert_ne!(tokens.token().await.unwrap(), stolen, "memory: {memory}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_holds_when_memory_has_made_room_and_forgotten_the_key() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = FarTier::new(0, 0);
    let service = issuer
        .client()
        .memory_cache(2)
        .shared_cache(tier.clone())
        .build();
    let stolen = handle(&service).token().await.unwrap();
    tier.forgets.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    handle(&service).evict().await;
    let scope = "s".parse().unwrap();
    for number in 0..10 {
        let audience = format!("audience-{number}").parse().unwrap();
        service.service_token(&audience, &scope).await.unwrap();
    }
    assert_ne!(handle(&service).token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_holds_across_other_settings() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = FarTier::new(0, 0);
    let service = issuer
        .client_with(credential())
        .shared_cache(tier.clone())
        .build();
    service.apply(&settings(own("first"), [])).unwrap();
    let tokens = handle(&service);
    let stolen = tokens.token().await.unwrap();
    tier.forgets.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    tokens.evict().await;
    let mut shorter = own("first");
    shorter.cache_life = CacheLife::new(Duration::from_secs(60), Duration::from_secs(10)).unwrap();
    service.apply(&settings(shorter, [])).unwrap();
    assert_ne!(tokens.token().await.unwrap(), stolen, "another cache life");
    tokens.evict().await;
    service.apply(&InternalTokenSettings::default()).unwrap();
    service.apply(&settings(own("first"), [])).unwrap();
    for _ in 0..3 {
        assert_ne!(tokens.token().await.unwrap(), stolen, "off and on");
        tokens.evict().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_while_the_service_is_switched_off_counts_when_it_is_on_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = FarTier::new(0, 0);
    let client = issuer.client_with(credential()).shared_cache(tier.clone());
    let service = client.without_memory_cache().build();
    let tokens = handle(&service);
    let stolen = tokens.token().await.unwrap();
    service.apply(&InternalTokenSettings::default()).unwrap();
    tier.forgets.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    tokens.evict().await;
    service.apply(&settings(own("first"), [])).unwrap();
    for _ in 0..3 {
        assert_ne!(tokens.token().await.unwrap(), stolen);
        sleep(Duration::from_secs(5)).await;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait { milliseconds: u64 },
    StartCall,
    Refresh,
    Reject,
    Evict,
    Apply { expire: u64 },
    Issuer { works: bool, delay: u64 },
    TierForgets(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        6 => Just(Step::StartCall),
        1 => Just(Step::Refresh),
        1 => Just(Step::Reject),
        3 => Just(Step::Evict),
        1 => (20..60_u64).prop_map(|expire| Step::Apply { expire }),
        2 => (prop::bool::weighted(0.7), 0..2_000_u64).prop_map(|(works, delay)| Step::Issuer { works, delay }),
        1 => any::<bool>().prop_map(Step::TierForgets),
    ]
}

/// The number of the token in the order of issuing.
fn number(token: &IssuedToken) -> u64 {
    let mut parts = token.access_token().expose().split('.');
    parts.nth(1).unwrap().parse().unwrap()
}

async fn run(steps: Vec<Step>, memory: bool, tier: Arc<FarTier>) {
    let issuer = ScriptedIssuer::new(Duration::from_secs(60));
    let client = issuer.client_with(credential()).shared_cache(tier.clone());
    let client = if memory {
        client
    } else {
        client.without_memory_cache()
    };
    let service: AuthTokenService = client.build();
    let tokens = handle(&service);
    // Every token that was issued up to the last eviction.
    let mut evicted = 0;
    let mut calls: Vec<JoinHandle<_>> = Vec::new();
    for step in steps {
        match step {
            Step::Wait { milliseconds } => sleep(Duration::from_millis(milliseconds)).await,
            Step::StartCall => {
                let (tokens, floor) = (tokens.clone(), evicted);
                calls.push(tokio::spawn(async move {
                    let got = tokens.token().await;
                    assert!(
                        got.iter().all(|token| number(token) > floor),
                        "an evicted token is back"
                    );
                }));
            }
            Step::Refresh => _ = tokens.refresh_if_needed().await,
            Step::Reject => {
                if let Some(seen) = tokens.try_current() {
                    _ = tokens.renew_rejected(seen.generation()).await;
                }
            }
            Step::Evict => {
                evicted = issuer.issued();
                tokens.evict().await;
            }
            Step::Apply { expire } => {
                let mut next = own("InternalSecret123!");
                next.client_authentication = Default::default();
                next.cache_life =
                    CacheLife::new(Duration::from_secs(expire), Duration::from_secs(10)).unwrap();
                let mut settings = settings(next, []);
                settings
                    .token_service
                    .as_mut()
                    .unwrap()
                    .memory_cache
                    .enabled = memory;
                service.apply(&settings).unwrap();
            }
            Step::Issuer { works, delay } => {
                issuer.set(if works { Mode::Issue } else { Mode::Down });
                issuer.set_delay(Duration::from_millis(delay));
            }
            Step::TierForgets(forgets) => tier.forgets.store(forgets, Ordering::Relaxed),
        }
        if let Some(token) = tokens.try_current() {
            assert!(number(&token) > evicted, "an evicted token is in memory");
        }
    }
    for call in calls {
        call.await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_whatever_order_no_call_after_an_eviction_gets_what_was_issued_before_it(
        steps in prop::collection::vec(step(), 1..60), memory in any::<bool>(),
        get_takes in 0..40_u64, put_takes in 0..40_u64,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(steps, memory, FarTier::new(get_takes, put_takes)));
    }
}
