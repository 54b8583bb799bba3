//! The issuer is down, slow or broken, in simulated time.

use std::time::Duration;

use hallpass_client::{TokenError, TokenHandle};
use hallpass_upstream::TransportErrorKind;
use tokio::time::{Instant, sleep, timeout};

use crate::scripted_issuer::{Mode, ScriptedIssuer};

/// What the documentation says of the limits.
const BACKOFF_MAX: Duration = Duration::from_secs(15);
const WITHOUT_TOKEN_MAX: Duration = Duration::from_secs(2);
const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(3);
const OVERDUE_WAIT: Duration = Duration::from_millis(100);

const LIFE: Duration = Duration::from_secs(600);

/// Calls every 100 ms for as long as they succeed; how long they did.
async fn calls_until_the_first_error(
    issuer: &ScriptedIssuer,
    tokens: &TokenHandle,
) -> (Duration, TokenError) {
    let start = Instant::now();
    loop {
        let before = Instant::now();
        match tokens.token().await {
            Ok(token) => assert!(
                !issuer.has_ended(token.access_token().expose()),
                "expired token"
            ),
            Err(error) => return (start.elapsed(), error),
        }
        // The early renewals failed before the token was overdue, so nobody waits for a further one.
        assert_eq!(
            before.elapsed(),
            Duration::ZERO,
            "a call with a living token waited"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_issuer_down_no_call_fails_until_the_token_ends_then_errors_are_clear_and_it_recovers()
 {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = issuer.handle();
    tokens.token().await.unwrap();
    issuer.set(Mode::Down);
    let (lasted, error) = calls_until_the_first_error(&issuer, &tokens).await;
    assert!(
        lasted > LIFE - Duration::from_secs(2),
        "calls failed {:?} before the end",
        LIFE - lasted
    );
    let cause = match &error {
        TokenError::BackingOff { cause, .. } => cause,
        error => error,
    };
    let TokenError::Unreachable(transport) = cause else {
        panic!("unclear error {error:?}")
    };
    assert_eq!(transport.kind(), TransportErrorKind::Connect);
    assert!(error.is_retryable());

    issuer.set(Mode::Issue);
    let back = Instant::now();
    while tokens.token().await.is_err() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(
        back.elapsed() <= BACKOFF_MAX + Duration::from_secs(1),
        "took {:?}",
        back.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn with_an_issuer_that_hangs_no_call_fails_or_waits_until_the_token_ends() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = issuer.handle();
    tokens.token().await.unwrap();
    issuer.set(Mode::Hang);
    let (lasted, error) = calls_until_the_first_error(&issuer, &tokens).await;
    assert!(
        lasted > LIFE - Duration::from_secs(2),
        "calls failed {:?} before the end",
        LIFE - lasted
    );
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_whose_token_is_overdue_waits_a_moment_only_when_the_issuer_hangs() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    issuer.set(Mode::Hang);
    sleep(Duration::from_secs(560)).await;
    let before = Instant::now();
    assert_eq!(tokens.token().await.unwrap(), old);
    assert!(before.elapsed() <= OVERDUE_WAIT + Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_early_renewal_keeps_the_valid_token() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = issuer.handle();
    let old = tokens.token().await.unwrap();
    for mode in [
        Mode::Down,
        Mode::Respond(500, "text/plain", String::new()),
        Mode::Respond(
            401,
            "application/json",
            r#"{"error":"invalid_client"}"#.to_owned(),
        ),
        Mode::Respond(200, "application/json", r#"{"access_token":""}"#.to_owned()),
        Mode::Panic,
    ] {
        issuer.set(mode);
        tokens.refresh_if_needed().await.ok();
        sleep(Duration::from_secs(100)).await;
        assert_eq!(tokens.token().await.unwrap(), old);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_issuer_is_asked_at_growing_intervals_and_callers_get_an_error_at_once() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set(Mode::Respond(503, "text/html", "<h1>busy</h1>".to_owned()));
    let tokens = issuer.handle();
    let start = Instant::now();
    let (mut asked, mut calls) = (Vec::new(), 0);
    while start.elapsed() < Duration::from_secs(300) {
        let requests = issuer.requests();
        let error = tokens.token().await.unwrap_err();
        calls += 1;
        if issuer.requests() > requests {
            assert_eq!(error, TokenError::Status { status: 503 });
            asked.push(start.elapsed());
        } else {
            assert!(matches!(error, TokenError::BackingOff { .. }), "{error:?}");
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(calls > 20_000);
    // About a second apart on average once the interval has grown: 300 times, with a wide margin for chance.
    assert!(
        (150..=450).contains(&asked.len()),
        "asked {} times in 5 minutes",
        asked.len()
    );
    let longest = asked
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap();
    assert!(
        longest <= WITHOUT_TOKEN_MAX + Duration::from_millis(20),
        "{longest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_to_an_issuer_that_never_answers_ends_at_the_fetch_timeout() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set(Mode::Hang);
    let waited = timeout(DEFAULT_FETCH_TIMEOUT * 2, issuer.handle().token())
        .await
        .unwrap();
    assert_eq!(
        waited.unwrap_err(),
        TokenError::Timeout {
            after: DEFAULT_FETCH_TIMEOUT
        }
    );
}

#[tokio::test(start_paused = true)]
async fn no_kind_of_error_stops_renewal_for_good() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(60));
    let tokens = issuer.handle();
    for mode in [
        Mode::Down,
        Mode::Hang,
        Mode::Panic,
        Mode::Respond(
            400,
            "application/json",
            r#"{"error":"unauthorized_client"}"#.to_owned(),
        ),
        Mode::Respond(200, "text/html", "<html>login</html>".to_owned()),
        Mode::Respond(302, "text/html", String::new()),
    ] {
        issuer.set(mode);
        sleep(Duration::from_secs(120)).await;
        tokens.token().await.unwrap_err();
        issuer.set(Mode::Issue);
        sleep(BACKOFF_MAX).await;
        tokens.token().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_without_a_token_calls_get_one_within_two_seconds() {
    for mode in [
        Mode::Down,
        Mode::Respond(503, "text/html", String::new()),
        Mode::Respond(502, "text/html", String::new()),
    ] {
        for had_a_token in [false, true] {
            let issuer = ScriptedIssuer::new(Duration::from_secs(60));
            let tokens = issuer.handle();
            if had_a_token {
                tokens.token().await.unwrap();
            }
            issuer.set(mode.clone());
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(180) {
                _ = tokens.token().await;
                sleep(Duration::from_millis(50)).await;
            }
            issuer.set(Mode::Issue);
            let back = Instant::now();
            while tokens.token().await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
            let took = back.elapsed();
            assert!(took <= Duration::from_millis(2_100), "{mode:?}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_last_token_ends_in_an_outage_no_wait_of_before_holds_the_next_request_back() {
    for _ in 0..20 {
        let issuer = ScriptedIssuer::new(Duration::from_secs(60));
        let tokens = issuer.handle();
        tokens.token().await.unwrap();
        issuer.set(Mode::Down);
        while tokens.token().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        issuer.set(Mode::Issue);
        let back = Instant::now();
        while tokens.token().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(
            back.elapsed() <= Duration::from_millis(2_100),
            "{:?}",
            back.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_says_when_to_come_again_is_left_alone_for_that_long_and_no_longer_than_30_seconds()
 {
    for (status, says, waits) in [
        (429, "7", 7),
        (503, "7", 7),
        (503, "3600", 30),
        (429, "99999999999999999999", 30),
        // The scripted issuer sends them at 08:49:37.
        (503, "Sun, 06 Nov 1994 08:49:44 GMT", 7),
        (429, "Sun, 06 Nov 1994 09:49:37 GMT", 30),
    ] {
        let issuer = ScriptedIssuer::new(LIFE);
        issuer.set(Mode::Busy(status, says));
        let tokens = issuer.handle();
        tokens.token().await.unwrap_err();
        let (start, asked) = (Instant::now(), issuer.requests());
        issuer.set(Mode::Issue);
        while tokens.token().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(issuer.requests(), asked + 1);
        let waits = Duration::from_secs(waits);
        let waited = start.elapsed();
        assert!(waited >= waits, "{status} {says}: {waited:?}");
        let most = waits + waits / 10 + Duration::from_millis(300);
        assert!(waited <= most, "{status} {says}: {waited:?}");
    }
}
