//! Renewal ahead of time, in simulated time.

use std::collections::HashSet;
use std::time::Duration;

use hallpass_client::CacheLife;
use hallpass_clock::Clock;

use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle};

/// How long a call waits for a new token while it has an overdue one.
const OVERDUE_WAIT: Duration = Duration::from_millis(100);
/// How long before its end a token is renewed at the latest.
const RENEWAL_SLACK: Duration = Duration::from_secs(30);

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Five minutes of calls at one rate against tokens of one life.
async fn five_minutes(life: Duration, between_calls: Duration) {
    let issuer = ScriptedIssuer::new(life);
    let tokens = issuer.handle();
    let end = tokio::time::Instant::now() + FIVE_MINUTES;
    let (mut used, mut waited) = (HashSet::new(), 0);
    while tokio::time::Instant::now() < end {
        waited += usize::from(tokens.try_current().is_none());
        let token = tokens.token().await.unwrap();
        let text = token.access_token().expose().to_owned();
        assert!(!issuer.has_ended(&text), "an expired token was handed out");
        used.insert(text);
        tokio::time::sleep(between_calls).await;
    }
    let case = format!("life {life:?}, a call every {between_calls:?}");
    // The newest token may have been fetched by the last call and not have been used yet.
    assert!(
        issuer.requests() - used.len() <= 1,
        "{case}: {} requests, {} tokens",
        issuer.requests(),
        used.len()
    );
    assert_eq!(issuer.most_at_once(), 1, "{case}");
    let shortest_use = (life - RENEWAL_SLACK.min(life / 10)).mul_f64(0.45);
    let most = FIVE_MINUTES.as_secs_f64() / shortest_use.as_secs_f64();
    assert!(
        issuer.requests() as f64 <= 1.0 + most,
        "{case}: {} requests",
        issuer.requests()
    );
    if between_calls < life / 4 {
        assert_eq!(waited, 1, "{case}: only the first call waits");
    }
}

#[tokio::test(start_paused = true)]
async fn over_five_minutes_at_any_call_rate_the_issuer_sees_one_request_a_renewal() {
    for life in [5, 30, 60, 90, 600] {
        for between_calls in [20, 100, 1_000, 7_000, 61_000] {
            five_minutes(
                Duration::from_secs(life),
                Duration::from_millis(between_calls),
            )
            .await;
        }
    }
    five_minutes(Duration::from_secs(60), Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_uses_is_not_renewed() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    tokens.token().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(issuer.requests(), 1);
    tokens.token().await.unwrap();
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_use_in_the_refresh_ahead_window_renews_in_the_background_without_waiting() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    tokio::time::sleep(Duration::from_secs(500)).await;
    issuer.set_delay(Duration::from_secs(1));
    let before = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(tokens.token().await.unwrap(), old);
    }
    assert_eq!(tokio::time::Instant::now(), before, "no call waited");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_ne!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_no_longer_than_cache_expire_while_the_issuer_answers() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(3_600));
    let life = CacheLife::new(Duration::from_secs(100), Duration::from_secs(10)).unwrap();
    let tokens = handle(
        &issuer
            .client_with(credential().with_cache_life(life))
            .build(),
    );
    let old = tokens.token().await.unwrap();
    tokio::time::sleep(Duration::from_secs(101)).await;
    assert_ne!(tokens.token().await.unwrap(), old);
}

#[tokio::test(start_paused = true)]
async fn processes_that_start_together_do_not_renew_together() {
    let mut moments = HashSet::new();
    for _ in 0..20 {
        let issuer = ScriptedIssuer::new(Duration::from_secs(600));
        let tokens = issuer.handle();
        let start = tokio::time::Instant::now();
        tokens.token().await.unwrap();
        tokio::time::sleep(Duration::from_secs(431)).await;
        while issuer.requests() == 1 {
            tokens.token().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let after = start.elapsed().as_secs();
        assert!((431..=481).contains(&after), "renewed after {after} s");
        moments.insert(after);
    }
    assert!(
        moments.len() >= 8,
        "20 processes renewed at only {} different seconds",
        moments.len()
    );
}

#[tokio::test(start_paused = true)]
async fn refresh_if_needed_fetches_at_first_and_when_due_and_else_does_nothing() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    let (audience, scope) = (
        "service-system".parse().unwrap(),
        "internal-service".parse().unwrap(),
    );
    assert_eq!(service.refresh_if_needed(&audience, &scope).await, Ok(true));
    assert_eq!(
        service.refresh_if_needed(&audience, &scope).await,
        Ok(false)
    );
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(service.refresh_if_needed(&audience, &scope).await, Ok(true));
    assert_eq!(issuer.requests(), 2);
    tokio::time::sleep(Duration::from_secs(500)).await;
    issuer.set(Mode::Down);
    service
        .refresh_if_needed(&audience, &scope)
        .await
        .unwrap_err();
    service
        .service_token(&audience, &scope)
        .await
        .expect("the old token is kept");
}

#[tokio::test(start_paused = true)]
async fn evict_makes_the_next_call_ask_the_issuer() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    let (audience, scope) = (
        "service-system".parse().unwrap(),
        "internal-service".parse().unwrap(),
    );
    let old = service.service_token(&audience, &scope).await.unwrap();
    service.evict(&audience, &scope).await;
    assert_ne!(service.service_token(&audience, &scope).await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_had_expired_when_it_came_is_refused() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(1));
    issuer.set_delay(Duration::from_secs(2));
    let error = issuer.handle().token().await.unwrap_err();
    let expired = hallpass_client::TokenError::Response(hallpass_client::ResponseFault::Expired);
    assert_eq!(error, expired);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_old_token_ends_while_it_waits_goes_on_waiting_for_the_new_one() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    // Nobody used it for long: nothing has renewed it, and its last moment is half an overdue wait away.
    let last_moment = Duration::from_secs(599) - issuer.clock().monotonic();
    tokio::time::sleep(last_moment - OVERDUE_WAIT / 2).await;
    issuer.set_delay(OVERDUE_WAIT * 3);
    assert_ne!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}
