//! Notices of evictions that a process may have missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hallpass_client::{InternalTokenCache, IssuedToken, MemoryTokenCache, TierEvent, TokenKey};
use tokio::time::sleep;

use crate::scripted_issuer::{ScriptedIssuer, handle, notice};
use crate::unreliable_tier::{MOMENT, Unreliable, all, process};

const LIFE: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn after_missed_notices_a_token_that_the_tier_still_has_is_kept_without_asking_the_issuer() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let processes: Vec<_> = (0..10).map(|_| process(&issuer, &tier)).collect();
    let kept = all(&processes).await;
    for _ in 0..3 {
        tier.tell(&TierEvent::Missed);
        sleep(MOMENT).await;
        assert_eq!(all(&processes).await, kept);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(issuer.requests(), 1);
    let generations =
        |tokens: &[IssuedToken]| -> Vec<_> { tokens.iter().map(IssuedToken::generation).collect() };
    assert_eq!(generations(&all(&processes).await), generations(&kept));
}

#[tokio::test(start_paused = true)]
async fn after_missed_notices_a_token_that_the_tier_has_lost_is_renewed_by_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let processes: Vec<_> = (0..10).map(|_| process(&issuer, &tier)).collect();
    let old = all(&processes).await;
    tier.tokens
        .evict(&processes[0].key().unwrap())
        .await
        .unwrap();
    tier.tell(&TierEvent::Missed);
    sleep(MOMENT).await;
    assert_eq!(all(&processes).await, old, "nobody waits");
    sleep(Duration::from_secs(1)).await;
    let new = all(&processes).await;
    assert!(new.iter().all(|token| *token == new[0] && *token != old[0]));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_tier_does_not_respond_a_doubted_token_is_used_and_the_issuer_left_alone() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    let old = tokens.token().await.unwrap();
    tier.responds.store(false, Ordering::Relaxed);
    tier.tell(&TierEvent::Missed);
    for _ in 0..100 {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(tokens.token().await.unwrap(), old);
    }
    assert_eq!(issuer.requests(), 1);
    tier.tokens.evict(&tokens.key().unwrap()).await.unwrap();
    tier.responds.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        sleep(Duration::from_millis(100)).await;
        tokens.token().await.unwrap();
    }
    assert_ne!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_doubted_token_that_is_due_is_renewed_while_the_tier_does_not_respond() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    let old = tokens.token().await.unwrap();
    tier.responds.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(500)).await;
    tier.tell(&TierEvent::Missed);
    sleep(MOMENT).await;
    assert_eq!(tokens.token().await.unwrap(), old, "nobody waits");
    sleep(Duration::from_secs(1)).await;
    assert_ne!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn notices_that_end_are_asked_for_again_and_count_as_missed() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    let old = tokens.token().await.unwrap();
    tier.hang_up();
    tier.tokens.evict(&tokens.key().unwrap()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(tier.listeners(), 1);
    tokens.token().await.unwrap();
    sleep(MOMENT * 10).await;
    assert_ne!(tokens.token().await.unwrap(), old);
    drop(tokens);
    sleep(MOMENT).await;
    tier.tell(&TierEvent::Missed);
    assert_eq!(tier.listeners(), 0, "who is gone listens no more");
}

#[test]
fn notices_are_followed_again_when_the_runtime_that_did_has_ended() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let tier = Arc::new(MemoryTokenCache::new(10));
    let first = runtime();
    let (issuer, one, other) = first.block_on(async {
        let issuer = ScriptedIssuer::new(LIFE);
        let (one, other) = (process(&issuer, &tier), process(&issuer, &tier));
        assert_eq!(one.token().await, other.token().await);
        (issuer, one, other)
    });
    drop(first);
    runtime().block_on(async {
        // Any request will do.
        one.renew_rejected(one.try_current().unwrap().generation())
            .await
            .unwrap();
        let seen = one.try_current().unwrap();
        other.evict().await;
        sleep(MOMENT).await;
        assert!(one.try_current().is_none());
        assert_ne!(one.token().await.unwrap(), seen);
    });
    assert_eq!(issuer.requests(), 3);
}

/// Somebody who may write to the tier puts the evicted entry back, and sends notices that nobody can open so that the true one is
/// forgotten before its key is asked for.
#[tokio::test(start_paused = true)]
async fn a_flood_of_notices_for_unknown_keys_brings_no_evicted_token_back() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let one = process(&issuer, &tier);
    let stolen = one.token().await.unwrap();
    let key = one.key().unwrap();
    let sealed = tier.tokens.get_token(&key).await.unwrap().unwrap();
    let other = issuer.client().shared_cache(tier.clone()).build();
    let (audience, scope) = ("another".parse().unwrap(), "s".parse().unwrap());
    // From here on it hears notices.
    other.service_token(&audience, &scope).await.unwrap();
    one.evict().await;
    sleep(MOMENT).await;
    for number in 0..1_000 {
        let audience = format!("made-up-{number}").parse().unwrap();
        let made_up = TokenKey::new("issuer", key.client().clone(), audience, scope.clone());
        let notice = notice(&made_up, "a guess", 0, b'e');
        tier.tell(&TierEvent::Evicted(notice));
    }
    sleep(MOMENT).await;
    tier.tokens.put_token(&key, &sealed, LIFE).await.unwrap();
    let token = handle(&other).token().await.unwrap();
    assert!(token != stolen, "the evicted token is back");
}
