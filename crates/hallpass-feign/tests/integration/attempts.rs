//! When another attempt is made, how long one may take, and what all of them have in common.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::TokenFeignSettings;
use hallpass_clock::ManualClock;
use hallpass_config::Loader;
use hallpass_feign::{Feign, FeignError, FeignSettings, HedgeSettings};
use hallpass_upstream::{BreakerSettings, RetrySettings};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::clients::{AsService, FeignAsService, FeignOrders, Orders};
use crate::support::{Answer, Issuer, Upstream, driven, runtime, runtime_at};

const LIMIT: Duration = Duration::from_millis(40);

fn impatient() -> RetrySettings {
    RetrySettings {
        attempt_timeout: Some(LIMIT),
        // The next attempt begins at once.
        base: Duration::ZERO,
        ..RetrySettings::default()
    }
}

async fn hanging() -> Upstream {
    hanging_when(Arc::default()).await
}

/// Never answers, and says when it was asked.
async fn hanging_when(asked: Arc<Notify>) -> Upstream {
    Upstream::scripted(move |_, _| -> Answer {
        asked.notify_one();
        Box::pin(pending())
    })
    .await
}

fn scrape(feign: &Feign) -> String {
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn an_attempt_that_hangs_is_given_up_and_the_next_one_answers() {
    let well = Upstream::answering(|_, _| StatusCode::OK).await;
    let asked = Arc::<Notify>::default();
    let hanging = hanging_when(Arc::clone(&asked)).await;
    let feign = runtime(&[&hanging, &well]).build();
    let builder = FeignOrders::builder(&feign).retry(impatient());
    let orders = builder.build().unwrap();
    for _ in 0..10 {
        driven(orders.remove(1), &asked, LIMIT).await.unwrap();
    }
    let hung = hanging.seen().len();
    assert!(hung > 0, "one of two, ten times");
    assert_eq!(well.seen().len(), 10);
    let counted = format!(r#"hallpass_feign_attempt_timeouts_total{{client="service-a"}} {hung}"#);
    assert!(scrape(&feign).contains(&counted), "{}", scrape(&feign));
}

#[tokio::test]
async fn an_attempt_that_was_given_up_is_a_failure_of_its_instance() {
    let asked = Arc::<Notify>::default();
    let hanging = hanging_when(Arc::clone(&asked)).await;
    let feign = runtime(&[&hanging]).build();
    let breaker = BreakerSettings {
        window: 2,
        minimum_calls: 2,
        ..BreakerSettings::default()
    };
    let builder = FeignOrders::builder(&feign).retry(impatient());
    let orders = builder.breaker(breaker).build().unwrap();
    let call = driven(orders.remove(1), &asked, LIMIT);
    let error = call.await.unwrap_err();
    assert_eq!(error.code(), "breaker_open", "two attempts opened it");
    assert_eq!(hanging.seen().len(), 2);
}

#[tokio::test]
async fn what_may_have_arrived_is_not_repeated_when_its_attempt_took_too_long() {
    let hanging = hanging().await;
    let feign = runtime(&[&hanging]).build();
    let builder = FeignOrders::builder(&feign).retry(impatient());
    let orders = builder.build().unwrap();
    let order = crate::clients::Order {
        id: 7,
        note: String::new(),
    };
    let error = orders.create(&order).await.unwrap_err();
    assert_eq!(error, FeignError::Deadline { limit: LIMIT });
    assert_eq!(hanging.seen().len(), 1);
}

#[tokio::test]
async fn an_attempt_has_no_more_time_than_its_call() {
    let hanging = hanging().await;
    let feign = runtime(&[&hanging]).build();
    let deadline = LIMIT / 2;
    let builder = FeignOrders::builder(&feign).retry(impatient());
    let orders = builder.deadline(deadline).build().unwrap();
    let error = orders.remove(1).await.unwrap_err();
    assert_eq!(error, FeignError::Deadline { limit: deadline });
    assert!(hanging.seen().len() <= 1);
}

#[tokio::test]
async fn who_is_called_too_often_says_when_to_come_again() {
    let busy_at_first = |_: &_, number| match number {
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        _ => StatusCode::OK.into_response(),
    };
    let upstream = Upstream::answering(busy_at_first).await;
    let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
    let began = tokio::time::Instant::now();
    orders.remove(1).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn the_settings_say_which_responses_are_worth_another_attempt() {
    let upstream = Upstream::answering(|_, number| match number % 2 {
        0 => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
    .await;
    let yaml = "hallpass: { feign: { defaults: { retry: { statuses: [500], base-ms: 1 } } } }";
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let settings: FeignSettings = loader.load().unwrap().into_settings();
    let feign = runtime(&[&upstream]).settings(&settings, &TokenFeignSettings::default());
    let orders = FeignOrders::new(&feign.build()).unwrap();
    orders.remove(1).await.unwrap();
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_status_that_no_attempt_would_change_is_a_problem() {
    for wrong in ["200", "401", "403", "soon"] {
        let yaml = format!(
            "hallpass: {{ feign: {{ defaults: {{ retry: {{ statuses: [{wrong}] }} }} }} }}"
        );
        let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
        let problems = loader.load::<FeignSettings>().unwrap_err();
        let text = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("feign.defaults.retry.statuses"), "{text}");
    }
}

#[tokio::test]
async fn the_time_of_an_attempt_begins_when_it_is_sent_and_not_while_it_waits_for_a_token() {
    for isolate in [false, true] {
        let well = Upstream::answering(|_, _| "\"ok\"").await;
        let issuer = Issuer::default();
        issuer.takes(LIMIT * 5);
        let feign = runtime(&[&well]).tokens(issuer.tokens()).build();
        let builder = FeignAsService::builder(&feign).retry(impatient());
        let client = builder.isolate(isolate).build().unwrap();
        client.job().await.unwrap();
        assert_eq!((well.seen().len(), issuer.issued()), (1, 1));
        assert!(!scrape(&feign).contains("attempt_timeouts_total{client=\"service-a\"} 1"));
    }
}

#[tokio::test]
async fn an_isolated_attempt_that_hangs_is_given_up_as_well() {
    let hanging = hanging().await;
    let feign = runtime(&[&hanging]).build();
    let builder = FeignOrders::builder(&feign).retry(impatient());
    let orders = builder.isolate(true).build().unwrap();
    let error = orders.remove(1).await.unwrap_err();
    assert_eq!(error, FeignError::Deadline { limit: LIMIT });
    assert_eq!(hanging.seen().len(), 3);
}

#[tokio::test]
async fn the_wait_for_another_token_after_a_refused_one_is_no_time_of_the_attempt() {
    for isolate in [false, true] {
        let issuer = Issuer::default();
        let slow = issuer.clone();
        let upstream = Upstream::answering(move |_, number| match number {
            1 => {
                slow.takes(LIMIT * 5);
                let challenge = [("www-authenticate", r#"Bearer error="invalid_token""#)];
                (StatusCode::UNAUTHORIZED, challenge, "").into_response()
            }
            _ => "\"ok\"".into_response(),
        })
        .await;
        let feign = runtime(&[&upstream]).tokens(issuer.tokens()).build();
        let builder = FeignAsService::builder(&feign).retry(impatient());
        let client = builder.isolate(isolate).build().unwrap();
        client.job().await.unwrap();
        assert_eq!((upstream.seen().len(), issuer.issued()), (2, 2));
        assert!(!scrape(&feign).contains("attempt_timeouts_total{client=\"service-a\"} 1"));
    }
}

/// Though the call has time left.
#[tokio::test]
async fn an_attempt_that_was_given_up_is_a_failure_of_the_service_and_the_method_when_the_call_ends_by_it()
 {
    const METHOD: &str = r#"methods: { "DELETE /api/orders/{id}""#;
    let hanging = hanging().await;
    for guarded in ["service", METHOD] {
        let end = if guarded == "service" { "" } else { "}" };
        let guard = "{ breaker: { minimum-calls: 2, window: 2 } }";
        let yaml = format!(
            "hallpass: {{ feign: {{ clients: {{ service-a: {{ breaker: {{ enabled: false }}, {guarded}: {guard} {end} }} }} }} }}"
        );
        let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
        let settings: FeignSettings = loader.load().unwrap().into_settings();
        let feign = runtime(&[&hanging]).settings(&settings, &TokenFeignSettings::default());
        let once = RetrySettings {
            max_attempts: 1,
            ..impatient()
        };
        let builder = FeignOrders::builder(&feign.build()).retry(once);
        let orders = builder.build().unwrap();
        for code in ["deadline", "deadline", "breaker_open"] {
            assert_eq!(orders.remove(1).await.unwrap_err().code(), code, "{yaml}");
        }
    }
}

/// Nothing limits an attempt but the call.
#[tokio::test]
async fn the_wait_for_another_token_is_no_failure_of_an_instance_or_a_service_though_the_call_ends_in_it()
 {
    const DEADLINE: Duration = Duration::from_millis(300);
    let touchy = BreakerSettings {
        window: 1,
        minimum_calls: 1,
        abandoned_calls: 1,
        ..BreakerSettings::default()
    };
    for hedged in [false, true] {
        let issuer = Issuer::default();
        let slow = issuer.clone();
        let upstream = async || {
            let slow = slow.clone();
            Upstream::answering(move |_, _| {
                slow.takes(Duration::from_secs(60));
                let challenge = [("www-authenticate", r#"Bearer error="invalid_token""#)];
                (StatusCode::UNAUTHORIZED, challenge, "").into_response()
            })
            .await
        };
        let (one, other) = (upstream().await, upstream().await);
        let mut settings = FeignSettings::default();
        settings.defaults.service.breakers = vec![touchy];
        let feign = runtime(&[&one, &other])
            .tokens(issuer.tokens())
            .settings(&settings, &TokenFeignSettings::default())
            .build();
        let mut builder = FeignAsService::builder(&feign).breaker(touchy);
        if hedged {
            builder = builder.hedge(HedgeSettings::after(LIMIT));
        }
        let client = builder.deadline(DEADLINE).build().unwrap();
        assert_eq!(client.job().await.unwrap_err().code(), "deadline");
        let text = scrape(&feign);
        for state in ["breaker_state{", "service_breaker_state{"] {
            let series = format!("hallpass_feign_{state}");
            let states = text.lines().filter(|line| line.starts_with(&series));
            let closed = |line: &&str| line.ends_with(" 0");
            assert!(
                states.clone().count() > 0 && states.clone().all(|it| closed(&it)),
                "{text}"
            );
        }
        assert_eq!(one.seen().len() + other.seen().len(), 1);
    }
}

#[tokio::test]
async fn the_wait_for_a_token_that_cannot_be_had_makes_no_refusal_slow() {
    let issuer = Issuer::default();
    let (clock, down) = (ManualClock::default(), issuer.clone());
    let later = clock.clone();
    let upstream = Upstream::answering(move |_, number| match number {
        1 => {
            down.fails_with(503, "");
            down.takes_on(&later, Duration::from_secs(3));
            let challenge = [("www-authenticate", r#"Bearer error="invalid_token""#)];
            (StatusCode::UNAUTHORIZED, challenge, "").into_response()
        }
        _ => "\"ok\"".into_response(),
    })
    .await;
    let feign = runtime_at(&clock, &[&upstream]).tokens(issuer.tokens());
    let feign = feign.build();
    let slow = BreakerSettings {
        window: 1,
        minimum_calls: 1,
        slow_call: Duration::from_secs(1),
        ..BreakerSettings::default()
    };
    let builder = FeignAsService::builder(&feign).breaker(slow);
    let client = builder.build().unwrap();
    let error = client.job().await.unwrap_err();
    assert_ne!(error.code(), "breaker_open");
    let text = scrape(&feign);
    let mut states = text
        .lines()
        .filter(|line| line.starts_with("hallpass_feign_breaker_state{"));
    assert!(states.all(|line| line.ends_with(" 0")), "{text}");
}

#[tokio::test]
async fn who_is_asked_a_little_before_the_deadline_because_the_token_took_so_long_has_not_failed() {
    let slow = async || {
        Upstream::scripted(|_, _| -> Answer {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                "\"ok\"".into_response()
            })
        })
        .await
    };
    let (one, other) = (slow().await, slow().await);
    let issuer = Issuer::default();
    issuer.takes(Duration::from_millis(250));
    let mut settings = FeignSettings::default();
    settings.defaults.service.breakers = vec![BreakerSettings::default()];
    let feign = runtime(&[&one, &other])
        .tokens(issuer.tokens())
        .settings(&settings, &TokenFeignSettings::default())
        .build();
    let builder = FeignAsService::builder(&feign).deadline(Duration::from_millis(300));
    let client = builder.build().unwrap();
    let calls = futures_util::future::join_all((0..24).map(|_| client.job())).await;
    assert!(calls.iter().all(Result::is_err));
    let text = scrape(&feign);
    for shown in ["ejected{", "breaker_state{", "service_breaker_state{"] {
        let series = format!("hallpass_feign_{shown}");
        let mut states = text.lines().filter(|line| line.starts_with(&series));
        assert!(states.all(|line| line.ends_with(" 0")), "{text}");
    }
}
