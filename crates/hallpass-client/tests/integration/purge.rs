//! An eviction in one process reaches all that share a tier.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use hallpass_client::{
    AuthTokenService, EvictionNotice, InternalTokenCache, MemoryTokenCache, TierEvent, TokenHandle,
    TokenKey,
};
use hallpass_clock::{Clock, TokioClock};
use tokio::time::{Instant, sleep};

use crate::apply::{own, settings};
use crate::scripted_issuer::{ScriptedIssuer, handle, notice};
use crate::unreliable_tier::{MOMENT, Unreliable, all, process};

const LIFE: Duration = Duration::from_secs(600);

/// Where the wall clock of the tests begins.
const EPOCH: u64 = 1_767_225_600;

#[tokio::test(start_paused = true)]
async fn an_eviction_reaches_every_process_and_costs_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let processes: Vec<_> = (0..50).map(|_| process(&issuer, &tier)).collect();
    let stolen = all(&processes).await.remove(0);
    sleep(Duration::from_secs(5)).await;
    processes[7].evict().await;
    assert!(tier.is_empty());
    sleep(MOMENT).await;
    assert!(
        processes
            .iter()
            .all(|tokens| tokens.try_current().is_none())
    );
    let new = all(&processes).await;
    assert!(new.iter().all(|token| *token != stolen && *token == new[0]));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_right_after_the_token_came_costs_one_request_too() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::ZERO);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let processes: Vec<_> = (0..10).map(|_| process(&issuer, &tier)).collect();
    let stolen = all(&processes).await.remove(0);
    processes[0].evict().await;
    assert_ne!(processes[0].token().await.unwrap(), stolen);
    sleep(MOMENT).await;
    assert!(all(&processes).await.iter().all(|token| *token != stolen));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_during_an_eviction_leaves_no_process_untold() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::from_millis(20));
    let (one, other) = (process(&issuer, &tier), process(&issuer, &tier));
    let stolen = all(&[one.clone(), other.clone()]).await.remove(0);
    sleep(Duration::from_secs(5)).await;
    let evicting = tokio::spawn(async move { one.evict().await });
    sleep(Duration::from_millis(10)).await;
    evicting.abort();
    sleep(Duration::from_millis(20)).await;
    assert_ne!(other.token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_that_no_tier_takes_is_told_as_soon_as_one_does() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let (one, other) = (process(&issuer, &tier), process(&issuer, &tier));
    let stolen = all(&[one.clone(), other.clone()]).await.remove(0);
    sleep(Duration::from_secs(5)).await;
    let works = |works| {
        for part in [&tier.announces, &tier.forgets, &tier.responds] {
            part.store(works, Ordering::Relaxed);
        }
    };
    works(false);
    let start = Instant::now();
    one.evict().await;
    assert!(start.elapsed() < Duration::from_millis(100), "nobody waits");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(other.token().await.unwrap(), stolen, "who could tell it?");
    let new = one.token().await.unwrap();
    works(true);
    sleep(Duration::from_secs(1)).await;
    assert!(other.try_current().is_none());
    assert_ne!(other.token().await.unwrap(), stolen);
    assert_eq!(
        one.try_current(),
        Some(new),
        "it is younger than the eviction"
    );
    let listener = tier.events().unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(listener.take_until(sleep(MOMENT)).count().await, 0, "once");
}

#[tokio::test(start_paused = true)]
async fn an_eviction_is_told_no_longer_than_tokens_are_used_or_the_service_lives() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let (one, other) = (process(&issuer, &tier), process(&issuer, &tier));
    all(&[one.clone(), other.clone()]).await;
    tier.announces.store(false, Ordering::Relaxed);
    one.evict().await;
    drop(one);
    sleep(Duration::from_secs(2)).await;
    tier.announces.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    assert!(other.try_current().is_some(), "nobody is left to tell it");

    tier.announces.store(false, Ordering::Relaxed);
    other.evict().await;
    sleep(Duration::from_secs(541)).await;
    tier.announces.store(true, Ordering::Relaxed);
    let listener = tier.events().unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(listener.take_until(sleep(MOMENT)).count().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_first_asks_just_after_the_notice_does_not_take_what_a_tier_could_not_forget()
 {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let one = process(&issuer, &tier);
    let service: AuthTokenService = issuer.client().shared_cache(tier.clone()).build();
    // It follows notices, and does not know this key yet.
    let (audience, scope) = ("service-billing".parse().unwrap(), "s".parse().unwrap());
    service.service_token(&audience, &scope).await.unwrap();
    let stolen = one.token().await.unwrap();
    tier.forgets.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    one.evict().await;
    sleep(MOMENT).await;
    assert_ne!(handle(&service).token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_nobody_who_knows_the_secret_has_made_changes_nothing() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let tokens = process(&issuer, &tier);
    let kept = tokens.token().await.unwrap();
    let key = tokens.key().unwrap();
    let later = (EPOCH + 1) * 1_000_000;
    let other_key = TokenKey::new(
        "other",
        key.client().clone(),
        key.audience().clone(),
        key.scope().clone(),
    );
    let mut moved = notice(&key, "InternalSecret123!", later, b'e').to_bytes();
    let sealed_for_other = notice(&other_key, "InternalSecret123!", later, b'e').to_bytes();
    let (head, seal) = (5 + key.to_bytes().len(), 5 + other_key.to_bytes().len());
    moved.splice(head.., sealed_for_other[seal..].iter().copied());
    for forged in [
        notice(&key, "a guess", later, b'e'),
        notice(&key, "InternalSecret123!", later, b'?'),
        EvictionNotice::parse(&moved).unwrap(),
        EvictionNotice::parse(&[1, 0, 0, 0, 0]).unwrap(),
    ] {
        tier.announce(&forged).await.unwrap();
        sleep(MOMENT).await;
        assert_eq!(tokens.try_current().unwrap(), kept);
    }
    let right = notice(&key, "InternalSecret123!", later, b'e');
    tier.announce(&right).await.unwrap();
    sleep(MOMENT).await;
    assert!(
        tokens.try_current().is_none(),
        "the format is the right one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_sent_again_changes_nothing() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let processes: Vec<_> = (0..3).map(|_| process(&issuer, &tier)).collect();
    all(&processes).await;
    let mut heard = tier.events().unwrap();
    sleep(Duration::from_secs(5)).await;
    processes[0].evict().await;
    let Some(TierEvent::Evicted(notice)) = heard.next().await else {
        panic!("nothing was announced")
    };
    let new = all(&processes).await;
    for _ in 0..3 {
        tier.announce(&notice).await.unwrap();
        sleep(MOMENT).await;
        for (tokens, new) in processes.iter().zip(&new) {
            assert_eq!(tokens.try_current().as_ref(), Some(new));
        }
    }
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_notice_from_a_clock_that_is_wrong_holds_no_token_up_for_longer_than_clocks_may_differ() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let tokens = process(&issuer, &tier);
    tokens.token().await.unwrap();
    let wrong = notice(&tokens.key().unwrap(), "InternalSecret123!", u64::MAX, b'e');
    tier.announce(&wrong).await.unwrap();
    sleep(MOMENT).await;
    let new = tokens.token().await.unwrap();
    assert_eq!(tokens.try_current().as_ref(), Some(&new));
    assert_eq!(process(&issuer, &tier).token().await.unwrap(), new);
    assert_eq!(issuer.requests(), 2);
    sleep(Duration::from_secs(6)).await;
    tokens.evict().await;
    assert_ne!(tokens.token().await.unwrap(), new);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_replaced_in_one_process_takes_its_tokens_out_of_use_in_all() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let service = || issuer.client().shared_cache(tier.clone()).build();
    let (first, second, late) = (service(), service(), service());
    let old = handle(&first).token().await.unwrap();
    assert_eq!(handle(&late).token().await.unwrap(), old);
    assert_eq!(handle(&second).token().await.unwrap(), old);
    sleep(Duration::from_secs(5)).await;
    first.apply(&settings(own("second"), [])).unwrap();
    sleep(MOMENT).await;
    assert!(handle(&late).try_current().is_none() && tier.is_empty());

    let new = handle(&first).token().await.unwrap();
    second.apply(&settings(own("second"), [])).unwrap();
    sleep(MOMENT).await;
    assert_eq!(
        handle(&first).try_current(),
        Some(new.clone()),
        "it is of the new secret"
    );
    assert_eq!(handle(&second).token().await.unwrap(), new);
    assert_eq!(issuer.requests(), 2);
}

/// The clock of a machine that is wrong by so many milliseconds.
#[derive(Debug)]
struct Wrong(TokioClock, i64);

impl Clock for Wrong {
    fn now(&self) -> SystemTime {
        let by = Duration::from_millis(self.1.unsigned_abs());
        let now = self.0.now();
        if self.1 < 0 { now - by } else { now + by }
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

fn process_with_clock(issuer: &ScriptedIssuer, tier: &Arc<Unreliable>, wrong: i64) -> TokenHandle {
    let clock = Arc::new(Wrong(issuer.clock(), wrong));
    handle(
        &issuer
            .client()
            .clock(clock)
            .shared_cache(tier.clone())
            .build(),
    )
}

/// One process has the token, another takes it over, and a third that has never used it evicts it.
#[tokio::test(start_paused = true)]
async fn an_eviction_reaches_a_token_of_a_machine_whose_clock_is_another() {
    for (issuing, using, evicting) in [
        (3_000, 0, 0),
        (0, 0, -3_000),
        (0, 3_000, 0),
        (30_000, 0, 0),
        (30_000, 30_000, 0),
        (0, 0, -30_000),
        (0, -30_000, 0),
        (-30_000, 0, 0),
        (0, 0, 30_000),
    ] {
        let issuer = ScriptedIssuer::new(LIFE);
        let tier = Unreliable::new(Duration::ZERO);
        let process = |wrong| process_with_clock(&issuer, &tier, wrong);
        let (first, second, third) = (process(issuing), process(using), process(evicting));
        let stolen = first.token().await.unwrap();
        assert_eq!(second.token().await.unwrap(), stolen);
        sleep(Duration::from_secs(1)).await;
        third.evict().await;
        sleep(MOMENT).await;
        for tokens in [&third, &first, &second] {
            assert_ne!(
                tokens.token().await.unwrap(),
                stolen,
                "issued at {issuing} ms, used at {using} ms, evicted at {evicting} ms"
            );
            assert!(tokens.try_current().is_some(), "and the new one is kept");
        }
        assert!(issuer.requests() <= 4, "{} requests", issuer.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_reaches_a_request_of_a_machine_whose_clock_is_ahead() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(500));
    let tier = Unreliable::new(Duration::ZERO);
    let ahead = process_with_clock(&issuer, &tier, 3_000);
    let before = {
        let ahead = ahead.clone();
        tokio::spawn(async move { ahead.token().await })
    };
    sleep(Duration::from_millis(100)).await;
    process_with_clock(&issuer, &tier, 0).evict().await;
    sleep(MOMENT).await;
    let after = ahead.token().await.unwrap();
    assert_ne!(before.await.unwrap().unwrap(), after);
    assert_eq!(ahead.try_current(), Some(after));
}

#[tokio::test(start_paused = true)]
async fn an_eviction_by_a_process_without_memory_reaches_the_token_that_it_was_given() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Unreliable::new(Duration::ZERO);
    let ahead = process_with_clock(&issuer, &tier, 3_000);
    let client = issuer.client().without_memory_cache();
    let without = handle(&client.shared_cache(tier.clone()).build());
    let stolen = ahead.token().await.unwrap();
    assert_eq!(without.token().await.unwrap(), stolen);
    // The tier can neither say nor forget what it has.
    tier.responds.store(false, Ordering::Relaxed);
    tier.forgets.store(false, Ordering::Relaxed);
    without.evict().await;
    tier.responds.store(true, Ordering::Relaxed);
    sleep(MOMENT).await;
    assert_ne!(without.token().await.unwrap(), stolen);
    assert_ne!(ahead.token().await.unwrap(), stolen);
}

#[tokio::test(start_paused = true)]
async fn a_notice_of_a_moment_that_lies_ahead_is_followed_once_however_often_it_is_sent() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let tokens = process(&issuer, &tier);
    tokens.token().await.unwrap();
    let in_an_hour = (EPOCH + 3_600) * 1_000_000;
    let ahead = notice(
        &tokens.key().unwrap(),
        "InternalSecret123!",
        in_an_hour,
        b'e',
    );
    for _ in 0..5 {
        tier.announce(&ahead).await.unwrap();
        sleep(Duration::from_secs(10)).await;
        tokens.token().await.unwrap();
    }
    assert_eq!(issuer.requests(), 2);
}
