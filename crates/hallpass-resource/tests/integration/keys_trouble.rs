//! The issuer is down, slow, or answers nonsense.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::ManualClock;
use hallpass_resource::{Denial, KeyLimits, KeysError};
use hallpass_token::JwkSet;
use serde_json::json;

use crate::support::app::key_source;
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

/// Longest wait for new keys while older ones are there, as `KeySource` documents it.
const MAX_STALE_WAIT: Duration = Duration::from_millis(500);

const HTML: &str = "<!doctype html><title>Maintenance</title>";

pub(crate) struct Setting {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) forge: Forge,
    pub(crate) issuer: FakeIssuer,
}

pub(crate) async fn start() -> Setting {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    Setting {
        clock,
        forge,
        issuer,
    }
}

fn html() -> Behaviour {
    Behaviour::Raw {
        status: 200,
        content_type: "text/html; charset=utf-8",
        body: HTML.into(),
    }
}

#[tokio::test]
async fn start_order_does_not_matter() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    issuer.stop().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let token = forge.user("");
    let response = get(app.address, "/whoami", Some(&token)).await;
    assert_eq!(response.refusal(), (503, "unavailable".to_owned()));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.header("www-authenticate"), None);
    // Who sends no token is told so, and open routes are open.
    assert_eq!(get(app.address, "/whoami", None).await.status, 401);
    assert_eq!(get(app.address, "/health", None).await.status, 200);

    issuer.restart().await;
    clock.advance_seconds(1);
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_asked_for_every_call() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    issuer.set(Behaviour::status(500));
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    for number in 0..1000 {
        let token = forge.changed(|header, _| header["kid"] = json!(format!("bogus-{number}")));
        let error = app.server.verify(&token).await.unwrap_err();
        assert!(matches!(error, Denial::Unavailable(_)), "{error}");
    }
    assert_eq!(issuer.requests(), 1);
    // The waits double, up to the cool-down.
    for wait in [1, 1, 2, 4, 8, 10, 10] {
        let before = issuer.requests();
        clock.advance_seconds(wait);
        for _ in 0..10 {
            assert!(app.server.load_keys().await.is_err());
        }
        assert_eq!(issuer.requests(), before + 1, "after {wait} s");
    }
}

#[tokio::test]
async fn bogus_kids_while_the_issuer_fails_cost_one_fetch() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    app.server.load_keys().await.unwrap();
    issuer.set(Behaviour::status(500));
    for number in 0..1000 {
        let token = forge.changed(|header, _| header["kid"] = json!(format!("bogus-{number}")));
        assert!(app.server.verify(&token).await.is_err());
    }
    assert_eq!(issuer.requests(), 2);
    assert_eq!(
        app.metric("hallpass_jwks_fetch_total{issuer=\"internal\",result=\"keys_status\"}"),
        1.0
    );
}

#[tokio::test]
async fn a_rotated_key_is_found_one_cooldown_after_the_issuer_failed_to_show_it() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    app.server.load_keys().await.unwrap();
    let next = Forge::new("internal", &clock);
    let token = next.user("");
    issuer.set(Behaviour::status(500));
    assert!(app.server.verify(&token).await.is_err());
    issuer.set(Behaviour::keys(next.keys()));
    clock.advance_seconds(10);
    assert!(app.server.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let limits = KeyLimits {
        last_good_for: Duration::from_secs(3600),
        ..KeyLimits::default()
    };
    let app = AppBuilder::new(&clock)
        .trusting_within(&issuer, &forge, limits)
        .start()
        .await;
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.user("")))
            .await
            .status,
        200
    );
    issuer.stop().await;
    for _ in 0..12 {
        clock.advance_seconds(300);
        // Old tokens have expired by now; the point is that new ones verify.
        assert_eq!(
            get(app.address, "/whoami", Some(&forge.user("x")))
                .await
                .status,
            200
        );
    }
    clock.advance_seconds(301);
    let response = get(app.address, "/whoami", Some(&forge.user("x"))).await;
    assert_eq!(response.refusal(), (503, "unavailable".to_owned()));
    issuer.restart().await;
    clock.advance_seconds(11);
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.user("x")))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_cached_token_does_not_outlive_the_last_good_keys() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let limits = KeyLimits {
        last_good_for: Duration::ZERO,
        ..KeyLimits::default()
    };
    let app = AppBuilder::new(&clock)
        .trusting_within(&issuer, &forge, limits)
        .start()
        .await;
    let token = forge.user("");
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    issuer.stop().await;
    clock.advance_seconds(301);
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 503);
}

#[tokio::test]
async fn a_nonsense_answer_is_a_clear_error_and_takes_no_keys_away() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let source = key_source(&issuer, &clock, KeyLimits::default());
    let huge = format!("{{\"keys\":[\"{}\"]}}", "x".repeat(10 * 1024 * 1024)).into_bytes();
    let json = "application/json";
    let raw = |body: &str| Behaviour::Raw {
        status: 200,
        content_type: json,
        body: body.into(),
    };
    let cases = [
        (html(), "keys_not_a_key_set"),
        (raw(""), "keys_not_a_key_set"),
        (raw("[]"), "keys_not_a_key_set"),
        (raw("{\"error\":\"unauthorized\"}"), "keys_not_a_key_set"),
        (raw("{\"keys\":[]}"), "keys_none_usable"),
        (
            raw("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"),
            "keys_none_usable",
        ),
        (
            Behaviour::Raw {
                status: 200,
                content_type: json,
                body: huge,
            },
            "keys_too_large",
        ),
        (Behaviour::status(302), "keys_status"),
        (Behaviour::status(404), "keys_status"),
        // We sent no validator: there is nothing that could be unmodified.
        (Behaviour::status(304), "keys_status"),
    ];
    let requests = issuer.requests();
    for (behaviour, code) in &cases {
        issuer.set(behaviour.clone());
        clock.advance_seconds(60);
        assert_eq!(source.load().await.unwrap_err().code(), *code);
    }
    assert_eq!(
        issuer.requests(),
        requests + cases.len(),
        "no redirect was followed"
    );

    issuer.set(Behaviour::keys(forge.keys()));
    clock.advance_seconds(60);
    let good = source.load().await.unwrap();
    for (behaviour, code) in cases {
        if code == "keys_status" {
            continue;
        }
        issuer.set(behaviour);
        clock.advance_seconds(301);
        let kept = source.load().await.unwrap();
        assert_eq!(
            (kept.keys(), kept.epoch()),
            (good.keys(), good.epoch()),
            "{code}"
        );
    }
}

#[tokio::test]
async fn the_error_for_html_says_so() {
    let Setting { clock, issuer, .. } = start().await;
    issuer.set(html());
    let source = key_source(&issuer, &clock, KeyLimits::default());
    let error = source.load().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, KeysError::NotAKeySet { .. }));
    assert!(text.contains("text/html"), "{text}");
}

#[tokio::test]
async fn a_fetch_has_its_own_end() {
    let Setting { clock, issuer, .. } = start().await;
    issuer.set(Behaviour::Hang);
    let limit = Duration::from_millis(50);
    let source = key_source(
        &issuer,
        &clock,
        KeyLimits {
            fetch_timeout: limit,
            ..KeyLimits::default()
        },
    );
    assert_eq!(
        source.load().await.unwrap_err(),
        KeysError::Timeout { limit }
    );
    // The next one is not tried at once, and the reason is not lost.
    let error = source.load().await.unwrap_err();
    assert!(
        matches!(&error, KeysError::TooEarly { last, .. } if last.contains("50 ms")),
        "{error}"
    );
}

#[tokio::test]
async fn keys_past_their_age_serve_while_a_slow_issuer_thinks() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    app.server.load_keys().await.unwrap();
    issuer.set(Behaviour::Hang);
    clock.advance_seconds(301);
    // This one waits for MAX_STALE_WAIT, the next ones (by the clock half a second later) for nothing.
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.user("a")))
            .await
            .status,
        200
    );
    clock.advance(MAX_STALE_WAIT);
    for scope in ["b", "c", "d", "e"] {
        assert_eq!(
            get(app.address, "/whoami", Some(&forge.user(scope)))
                .await
                .status,
            200
        );
    }
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_not_trusted_any_more_after_the_age_of_the_set() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let (first, next) = (forge.user(""), Forge::new("internal", &clock));
    assert_eq!(get(app.address, "/whoami", Some(&first)).await.status, 200);
    issuer.set(Behaviour::keys(JwkSet::new([next.key.public_jwk()])));
    clock.advance_seconds(301);
    assert_eq!(get(app.address, "/whoami", Some(&first)).await.status, 401);
    assert_eq!(
        get(app.address, "/whoami", Some(&next.user("")))
            .await
            .status,
        200
    );
}

#[test]
fn outside_a_runtime_there_are_no_keys_and_no_panic() {
    let clock = test_clock();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = runtime.block_on(FakeIssuer::start(Behaviour::Hang));
    let source = key_source(&issuer, &clock, KeyLimits::default());
    let mut load = std::pin::pin!(source.load());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let outcome = Future::poll(load.as_mut(), &mut cx);
    assert!(matches!(
        outcome,
        std::task::Poll::Ready(Err(KeysError::TooEarly { .. }))
    ));
}
