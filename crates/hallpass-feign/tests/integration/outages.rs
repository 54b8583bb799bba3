//! The circuit breaker, the deadline and the bulkhead around real calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_feign::{ClientBuilder, FeignError};
use hallpass_upstream::BulkheadSettings;
use hallpass_upstream::{BreakerSettings, RetrySettings};
use http::StatusCode;
use tokio::sync::Notify;

use crate::clients::{FeignOrders, Orders};
use crate::support::{Answer, Upstream, driven, runtime, runtime_at};
use hallpass_clock::ManualClock;

/// Four calls decide, half of them failed opens for 30 s, two calls are let through then.
fn breaker() -> BreakerSettings {
    BreakerSettings {
        window: 4,
        minimum_calls: 4,
        open: Duration::from_secs(30),
        half_open_calls: 2,
        slow_call: Duration::from_secs(2),
        ..BreakerSettings::default()
    }
}

fn without_retries(builder: ClientBuilder<FeignOrders>) -> FeignOrders {
    let retry = RetrySettings {
        max_attempts: 1,
        ..RetrySettings::default()
    };
    builder.breaker(breaker()).retry(retry).build().unwrap()
}

/// A service whose status can be changed, and a client with a clock of its own.
struct Fixture {
    upstream: Upstream,
    status: Arc<AtomicU16>,
    clock: ManualClock,
    orders: FeignOrders,
}

async fn fixture() -> Fixture {
    let status = Arc::new(AtomicU16::new(200));
    let answers = Arc::clone(&status);
    let upstream = Upstream::answering(move |_, _| {
        StatusCode::from_u16(answers.load(Ordering::SeqCst)).unwrap()
    })
    .await;
    let clock = ManualClock::default();
    let feign = runtime_at(&clock, &[&upstream]).build();
    let orders = without_retries(FeignOrders::builder(&feign));
    Fixture {
        upstream,
        status,
        clock,
        orders,
    }
}

impl Fixture {
    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    async fn codes(&self, calls: usize) -> Vec<&'static str> {
        let mut codes = Vec::new();
        for _ in 0..calls {
            codes.push(
                self.orders
                    .remove(1)
                    .await
                    .map_or_else(|error| error.code(), |()| "ok"),
            );
        }
        codes
    }
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_tried_again_later() {
    let fixture = fixture().await;
    fixture.answer(500);
    assert_eq!(fixture.codes(4).await, ["server_error"; 4]);
    fixture.clock.advance(Duration::from_secs(10));
    let service = Arc::from("service-a");
    let open = FeignError::BreakerOpen {
        service,
        retry_after: Duration::from_secs(20),
    };
    assert_eq!(fixture.orders.remove(1).await.unwrap_err(), open);
    assert_eq!(
        fixture.upstream.seen().len(),
        4,
        "an open breaker sends nothing"
    );

    fixture.clock.advance(Duration::from_secs(20));
    assert_eq!(
        fixture.codes(3).await,
        ["server_error", "server_error", "breaker_open"]
    );
    fixture.clock.advance(Duration::from_secs(30));
    fixture.answer(200);
    assert_eq!(fixture.codes(10).await, ["ok"; 10]);
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let fixture = fixture().await;
    for status in [400, 401, 403, 404, 429] {
        fixture.answer(status);
        assert_eq!(fixture.codes(6).await, ["client_error"; 6]);
    }
}

#[tokio::test]
async fn slow_answers_open_the_breaker_though_they_are_good() {
    let clock = ManualClock::default();
    let slow = clock.clone();
    let upstream = Upstream::answering(move |_, _| slow.advance(Duration::from_secs(2))).await;
    let feign = runtime_at(&clock, &[&upstream]).build();
    let orders = without_retries(FeignOrders::builder(&feign));
    for _ in 0..4 {
        orders.remove(1).await.unwrap();
    }
    assert_eq!(orders.remove(1).await.unwrap_err().code(), "breaker_open");
}

#[tokio::test]
async fn a_breaker_that_is_switched_off_lets_everything_through() {
    let fixture = fixture().await;
    let feign = runtime(&[&fixture.upstream]).build();
    let off = BreakerSettings {
        enabled: false,
        ..breaker()
    };
    let orders = FeignOrders::builder(&feign).breaker(off).build().unwrap();
    fixture.answer(500);
    for _ in 0..20 {
        assert_eq!(orders.remove(1).await.unwrap_err().code(), "server_error");
    }
}

#[tokio::test]
async fn clients_of_one_name_share_the_breaker_unless_their_settings_differ() {
    let upstream = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let feign = runtime(&[&upstream]).build();
    let own = without_retries(FeignOrders::builder(&feign));
    let [first, second] = [0, 1].map(|_| FeignOrders::new(&feign).unwrap());
    for _ in 0..BreakerSettings::default().minimum_calls {
        assert_eq!(first.remove(1).await.unwrap_err().code(), "server_error");
    }
    assert_eq!(second.remove(1).await.unwrap_err().code(), "breaker_open");
    assert_eq!(own.remove(1).await.unwrap_err().code(), "server_error");
}

/// A service that never answers, and says when it was asked.
async fn silent() -> (Upstream, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let notify = Arc::clone(&asked);
    let upstream = Upstream::scripted(move |_, _| -> Answer {
        notify.notify_one();
        Box::pin(std::future::pending())
    })
    .await;
    (upstream, asked)
}

#[tokio::test]
async fn an_instance_that_never_answers_opens_the_breaker_by_its_missed_deadlines() {
    let (upstream, asked) = silent().await;
    let limit = Duration::from_millis(50);
    for isolate in [false, true] {
        let feign = runtime(&[&upstream]).build();
        let builder = FeignOrders::builder(&feign)
            .deadline(limit)
            .isolate(isolate);
        let orders = without_retries(builder);
        for _ in 0..4 {
            let error = driven(orders.remove(1), &asked, limit).await.unwrap_err();
            assert_eq!(error, FeignError::Deadline { limit });
        }
        assert_eq!(orders.remove(1).await.unwrap_err().code(), "breaker_open");
    }
}

#[tokio::test]
async fn callers_that_go_away_say_nothing_about_the_instance() {
    let (upstream, asked) = silent().await;
    let feign = runtime(&[&upstream]).build();
    let orders = without_retries(FeignOrders::builder(&feign).deadline(Duration::from_millis(300)));
    for _ in 0..10 {
        tokio::select! {
            _ = orders.remove(1) => panic!("nobody answers"),
            () = asked.notified() => {}
        }
    }
    assert_eq!(orders.remove(1).await.unwrap_err().code(), "deadline");
}

#[tokio::test]
async fn a_call_that_is_dropped_in_half_open_gives_its_permit_back() {
    let (upstream, asked) = silent().await;
    let clock = ManualClock::default();
    let feign = runtime_at(&clock, &[&upstream]).build();
    let limit = Duration::from_secs(5);
    let orders = without_retries(FeignOrders::builder(&feign).deadline(limit));
    for _ in 0..4 {
        let error = driven(orders.remove(1), &asked, limit).await.unwrap_err();
        assert_eq!(error.code(), "deadline");
    }
    clock.advance(Duration::from_secs(30));
    for _ in 0..10 {
        let call = async {
            tokio::select! {
                result = orders.remove(1) => result.unwrap_err().code(),
                () = asked.notified() => "asked",
            }
        };
        assert_eq!(call.await, "asked");
    }
    let error = driven(orders.remove(1), &asked, limit).await.unwrap_err();
    assert_eq!(error.code(), "deadline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_in_half_open_send_no_more_than_the_permitted_calls() {
    let fixture = fixture().await;
    fixture.answer(500);
    fixture.codes(4).await;
    for round in 1..=5 {
        fixture.clock.advance(Duration::from_secs(30));
        let callers = (0..50).map(|_| {
            let orders = fixture.orders.clone();
            tokio::spawn(async move { orders.remove(1).await.unwrap_err().code() })
        });
        let codes = futures_util::future::try_join_all(callers).await.unwrap();
        let sent = codes.iter().filter(|code| **code == "server_error").count();
        assert_eq!(sent, 2, "round {round}");
        assert_eq!(fixture.upstream.seen().len(), 4 + 2 * round);
    }
}

#[tokio::test]
async fn no_setting_of_the_builder_is_too_large() {
    let fixture = fixture().await;
    let feign = runtime(&[&fixture.upstream]).build();
    let patient = FeignOrders::builder(&feign)
        .deadline(Duration::MAX)
        .max_response_bytes(usize::MAX)
        .bulkhead(BulkheadSettings::new(usize::MAX, Duration::MAX))
        .build()
        .unwrap();
    patient.remove(1).await.unwrap();
}

#[tokio::test]
async fn a_bulkhead_bounds_the_calls_under_way_and_the_wait() {
    let (upstream, asked) = silent().await;
    let feign = runtime(&[&upstream]).build();
    let bulkhead = BulkheadSettings::new(1, Duration::from_millis(20));
    let orders = FeignOrders::builder(&feign)
        .bulkhead(bulkhead)
        .build()
        .unwrap();
    let first = tokio::spawn({
        let orders = orders.clone();
        async move { orders.remove(1).await }
    });
    asked.notified().await;
    let service = Arc::from("service-a");
    assert_eq!(
        orders.remove(2).await.unwrap_err(),
        FeignError::BulkheadFull { service }
    );
    assert_eq!(upstream.seen().len(), 1);
    first.abort();
}

#[tokio::test]
async fn an_answer_whose_body_breaks_off_is_a_failure_of_the_instance() {
    let upstream = Upstream::answering(|_, _| {
        let broken = [Ok("{"), Err(std::io::Error::other("gone"))];
        axum::body::Body::from_stream(futures_util::stream::iter(broken)).into_response()
    })
    .await;
    let feign = runtime(&[&upstream]).build();
    let orders = without_retries(FeignOrders::builder(&feign));
    for _ in 0..4 {
        assert_eq!(orders.find("1").await.unwrap_err().code(), "transport");
    }
    assert_eq!(orders.find("1").await.unwrap_err().code(), "breaker_open");
}
