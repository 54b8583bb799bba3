//! What tiers are told of evictions and settings, and what they are not, where one part of a tier does not work or is late.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use hallpass_client::{CredentialSettings, InternalTokenCache, MemoryTokenCache};
use tokio::time::{Instant, sleep};

use crate::apply::{own, settings};
use crate::eviction::{FarTier, call};
use crate::scripted_issuer::{ScriptedIssuer, handle};
use crate::unreliable_tier::{MOMENT, Unreliable, all, process};

const LIFE: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn a_tier_that_announces_and_cannot_forget_is_told_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    tokens.token().await.unwrap();
    tier.forgets.store(false, Ordering::Relaxed);
    tokens.evict().await;
    assert!(!tier.tokens.is_empty());
    tier.forgets.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    assert!(tier.tokens.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_forgets_and_cannot_announce_is_told_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let (one, other) = (process(&issuer, &tier), process(&issuer, &tier));
    all(&[one.clone(), other.clone()]).await;
    tier.announces.store(false, Ordering::Relaxed);
    one.evict().await;
    assert!(tier.tokens.is_empty());
    tier.announces.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    assert!(other.try_current().is_none());
}

#[tokio::test(start_paused = true)]
async fn of_several_evictions_that_no_tier_took_the_last_one_is_told() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    tier.announces.store(false, Ordering::Relaxed);
    for _ in 0..5 {
        tokens.token().await.unwrap();
        tokens.evict().await;
        sleep(Duration::from_secs(5)).await;
    }
    let listener = tier.events().unwrap();
    tier.announces.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(listener.take_until(sleep(MOMENT)).count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_evicted_on_its_way_to_a_tier_does_not_stay_there() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(5));
    let tier = FarTier::new(0, 20);
    let tokens = handle(&issuer.client().shared_cache(tier.clone()).build());
    let waiting = call(&tokens);
    sleep(Duration::from_millis(10)).await;
    tokens.evict().await;
    waiting.await.unwrap().unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(tier.tokens.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_keeps_no_token_takes_one_that_is_due_while_another_process_renews_it() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let holder = process(&issuer, &tier);
    let client = issuer.client().without_memory_cache();
    let other = handle(&client.shared_cache(tier).build());
    let old = holder.token().await.unwrap();
    issuer.set_delay(Duration::from_secs(3));
    sleep(Duration::from_secs(500)).await;
    assert_eq!(holder.token().await.unwrap(), old, "it renews it now");
    sleep(MOMENT).await;
    let start = Instant::now();
    assert_eq!(other.token().await.unwrap(), old);
    assert!(start.elapsed() < Duration::from_millis(100));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn settings_that_replace_no_secret_take_no_token_from_other_processes() {
    let known = "InternalSecret123!";
    let other_client = CredentialSettings {
        client_id: "other-client".parse().unwrap(),
        ..own("second")
    };
    // What `own` says of a client that authenticates otherwise, with the same secret.
    for changed in [own(known), other_client] {
        let issuer = ScriptedIssuer::new(LIFE);
        let tier = Arc::new(MemoryTokenCache::new(10));
        let service = issuer.client().shared_cache(tier.clone()).build();
        let other = process(&issuer, &tier);
        let kept = handle(&service).token().await.unwrap();
        assert_eq!(other.token().await.unwrap(), kept);
        sleep(Duration::from_secs(5)).await;
        service.apply(&settings(changed, [])).unwrap();
        sleep(MOMENT).await;
        assert_eq!(other.try_current(), Some(kept));
        assert!(!tier.is_empty());
        assert!(handle(&service).try_current().is_none());
    }
}
