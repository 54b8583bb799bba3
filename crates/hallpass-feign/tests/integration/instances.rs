//! Several instances, and attempts that move from one to another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_clock::ManualClock;
use hallpass_config::Percent;
use hallpass_feign::{Feign, FeignError, FinishedCall};
use hallpass_upstream::{BreakerSettings, BulkheadSettings, RetrySettings};
use http::StatusCode;
use tokio::sync::Notify;

use crate::clients::{FeignOrders, Order, Orders};
use crate::support::{Upstream, closed_port, network_of, runtime, runtime_at};

async fn with_status(status: StatusCode) -> Upstream {
    Upstream::answering(move |_, _| status).await
}

#[tokio::test]
async fn calls_are_spread_over_the_instances() {
    let (first, second) = (
        with_status(StatusCode::OK).await,
        with_status(StatusCode::OK).await,
    );
    // Nothing takes any time, so none is the faster one: on a busy machine the first call to one may take longest of all.
    let clock = ManualClock::new();
    let feign = runtime_at(&clock, &[&first, &second]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    for _ in 0..60 {
        orders.remove(1).await.unwrap();
    }
    let counts = [first.seen().len(), second.seen().len()];
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
}

#[tokio::test]
async fn a_retry_after_an_unavailable_instance_goes_to_another_one() {
    let sick = with_status(StatusCode::SERVICE_UNAVAILABLE).await;
    let well = with_status(StatusCode::OK).await;
    let orders = FeignOrders::new(&runtime(&[&sick, &well]).build()).unwrap();
    for _ in 0..30 {
        orders.remove(1).await.unwrap();
    }
    assert_eq!(well.seen().len(), 30);
    assert!(sick.seen().len() < 30);
}

#[tokio::test]
async fn what_was_never_sent_may_be_sent_elsewhere_whatever_the_verb() {
    let well = Upstream::answering(|_, _| r#"{"id":1,"note":""}"#).await;
    let network = network_of([closed_port().as_str(), well.address()]);
    let orders = FeignOrders::new(&Feign::builder(&network).build()).unwrap();
    let order = Order {
        id: 1,
        note: String::new(),
    };
    for _ in 0..20 {
        orders.create(&order).await.unwrap();
    }
    assert_eq!(well.seen().len(), 20, "none twice");
}

/// Answers 503 until the third request.
async fn third_time_lucky() -> Upstream {
    Upstream::answering(|_, number| match number {
        1 | 2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => r#"{"id":1,"note":""}"#.into_response(),
    })
    .await
}

#[tokio::test]
async fn idempotent_calls_are_repeated_and_others_are_not() {
    let upstream = third_time_lucky().await;
    let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
    let order = Order {
        id: 1,
        note: "x".to_owned(),
    };
    let error = orders.create(&order).await.unwrap_err();
    assert!(
        matches!(
            error,
            FeignError::Status {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(upstream.seen().len(), 1);

    let upstream = third_time_lucky().await;
    let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
    orders.replace(1, order).await.unwrap();
    let bodies: HashSet<String> = upstream.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, HashSet::from([r#"{"id":1,"note":"x"}"#.to_owned()]));
    assert_eq!(upstream.seen().len(), 3);

    let upstream = third_time_lucky().await;
    let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
    orders.repeatable(1).await.unwrap();
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn errors_that_would_come_again_are_not_repeated() {
    for status in [400, 401, 403, 404, 429, 500, 501] {
        let upstream = with_status(StatusCode::from_u16(status).unwrap()).await;
        let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
        orders.remove(1).await.unwrap_err();
        assert_eq!(upstream.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retries_stop_when_the_services_budget_is_used_up() {
    let upstream = with_status(StatusCode::SERVICE_UNAVAILABLE).await;
    let feign = runtime(&[&upstream]).build();
    let retry = RetrySettings {
        max_attempts: 2,
        budget: Percent::TENTH,
        ..RetrySettings::default()
    };
    let breaker = BreakerSettings {
        enabled: false,
        ..BreakerSettings::default()
    };
    let builder = || FeignOrders::builder(&feign).breaker(breaker).retry(retry);
    let orders = builder().build().unwrap();
    for _ in 0..20 {
        orders.remove(1).await.unwrap_err();
    }
    // 20 calls, 10 retries in reserve and 2 earned.
    let attempts = upstream.seen().len();
    assert!((31..=32).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn a_wish_to_be_left_alone_beyond_the_deadline_ends_the_call() {
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")]);
    let upstream = Upstream::answering(move |_, _| busy()).await;
    let orders = FeignOrders::new(&runtime(&[&upstream]).build()).unwrap();
    assert_eq!(orders.remove(1).await.unwrap_err().code(), "server_error");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_observer_sees_the_instance_that_answered_in_the_end() {
    let upstream = third_time_lucky().await;
    let calls: Arc<std::sync::Mutex<Vec<FinishedCall>>> = Arc::default();
    let sink = Arc::clone(&calls);
    let feign = runtime(&[&upstream])
        .observe(move |call| sink.lock().unwrap().push(call.clone()))
        .build();
    FeignOrders::new(&feign).unwrap().remove(1).await.unwrap();
    let calls = calls.lock().unwrap();
    let call = &calls[0];
    assert_eq!(
        (calls.len(), call.attempts, call.status),
        (1, 3, Some(StatusCode::OK))
    );
    assert_eq!(call.instance.as_ref().unwrap().port(), upstream.port());
    assert!(call.elapsed > Duration::ZERO && call.error.is_none() && !call.fallback);
}

#[tokio::test]
async fn a_call_goes_on_until_it_finds_the_instance_that_lives() {
    let well = Upstream::answering(|_, _| r#"{"id":1,"note":""}"#).await;
    for _ in 0..5 {
        let dead = [closed_port(), closed_port()];
        let network = network_of([dead[0].as_str(), dead[1].as_str(), well.address()]);
        let orders = FeignOrders::new(&Feign::builder(&network).build()).unwrap();
        for _ in 0..60 {
            let order = Order {
                id: 1,
                note: String::new(),
            };
            orders.create(&order).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_attempt_avoids_all_instances_that_failed_in_this_call() {
    let sick = [
        with_status(StatusCode::SERVICE_UNAVAILABLE).await,
        with_status(StatusCode::SERVICE_UNAVAILABLE).await,
    ];
    let well = with_status(StatusCode::OK).await;
    let feign = runtime(&[&sick[0], &sick[1], &well]).build();
    let off = BreakerSettings {
        enabled: false,
        ..BreakerSettings::default()
    };
    let retry = RetrySettings {
        max_attempts: 3,
        budget: Percent::ALL,
        ..RetrySettings::default()
    };
    let orders = FeignOrders::builder(&feign).breaker(off).retry(retry);
    let orders = orders.build().unwrap();
    for _ in 0..8 {
        orders.remove(1).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_hangs_is_left_alone_though_all_callers_give_up_before_their_deadline() {
    let asked = Arc::<Notify>::default();
    let told = Arc::clone(&asked);
    let silent = Upstream::scripted(move |_, _| {
        told.notify_one();
        Box::pin(std::future::pending())
    })
    .await;
    let well = with_status(StatusCode::OK).await;
    // Time passes only while somebody waits for the one that hangs.
    let clock = ManualClock::new();
    let orders = FeignOrders::new(&runtime_at(&clock, &[&silent, &well]).build()).unwrap();
    for _ in 0..100 {
        tokio::select! {
            result = orders.remove(1) => result.unwrap(),
            () = async {
                asked.notified().await;
                clock.advance(Duration::from_millis(20));
            } => {}
        }
    }
    let hung = silent.seen().len();
    assert!((1..=20).contains(&hung), "{hung}");
    for _ in 0..20 {
        orders.remove(1).await.unwrap();
    }
    assert_eq!(silent.seen().len(), hung);
}

#[tokio::test]
async fn what_one_instance_wishes_keeps_no_call_from_another_one() {
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")]);
    let busy = Upstream::answering(move |_, _| busy()).await;
    let well = with_status(StatusCode::OK).await;
    let orders = FeignOrders::new(&runtime(&[&busy, &well]).build()).unwrap();
    for _ in 0..20 {
        orders.remove(1).await.unwrap();
    }
    assert!(!busy.seen().is_empty());
}

#[tokio::test]
async fn a_call_goes_where_there_is_a_place_for_it() {
    let asked = Arc::<Notify>::default();
    let told = Arc::clone(&asked);
    let silent = Upstream::scripted(move |_, _| {
        told.notify_one();
        Box::pin(std::future::pending())
    })
    .await;
    let feign = runtime(&[&silent]);
    let one = BulkheadSettings::new(1, Duration::ZERO);
    let orders = FeignOrders::builder(&feign.build()).bulkhead(one);
    let orders = orders.build().unwrap();
    let first = tokio::spawn({
        let orders = orders.clone();
        async move { orders.remove(1).await }
    });
    asked.notified().await;
    assert_eq!(orders.remove(1).await.unwrap_err().code(), "bulkhead_full");
    first.abort();

    let well = with_status(StatusCode::OK).await;
    let feign = runtime(&[&silent, &well]).build();
    let orders = FeignOrders::builder(&feign).bulkhead(one);
    let orders = orders.build().unwrap();
    let mut under_way = Vec::new();
    // Until one of them hangs.
    loop {
        let orders = orders.clone();
        let call = tokio::spawn(async move { orders.remove(1).await });
        under_way.push(call);
        tokio::select! {
            () = asked.notified() => break,
            Some(done) = async { Some(under_way.last_mut()?.await) } => done.unwrap().unwrap(),
        }
    }
    // It has no place, and the other one has: whatever the verb.
    let order = Order {
        id: 1,
        note: String::new(),
    };
    for _ in 0..20 {
        let result = orders.create(&order).await;
        assert_ne!(result.map_err(|error| error.code()), Err("bulkhead_full"));
    }
    under_way.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn callers_in_a_hurry_do_not_eject_an_instance_that_answers_others() {
    let slow = Upstream::scripted(|_, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            StatusCode::OK.into_response()
        })
    })
    .await;
    let orders = FeignOrders::new(&runtime(&[&slow]).build()).unwrap();
    for _ in 0..4 {
        for _ in 0..10 {
            let hurried = tokio::time::timeout(Duration::from_millis(2), orders.remove(1));
            assert!(hurried.await.is_err());
        }
        orders.remove(1).await.unwrap();
    }
}
