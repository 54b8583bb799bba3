use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hallpass_clock::ManualClock;
use hallpass_config::Percent;
use hallpass_upstream::{
    Address, Body, RetrySettings, StaticDiscovery, TransportError, TransportErrorKind, Upstream,
    UpstreamSettings,
};
use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::{CallResult, Layer, Retry, RetryMetrics, RetryRules};
use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;
use crate::origin::Origin;
use crate::response::{Reading, Received};

/// How long a call took and how many attempts it made.
#[derive(Debug, PartialEq)]
struct Made {
    attempts: u32,
    took: Duration,
}

struct Call {
    deadline: Duration,
    idempotent: bool,
    max_attempts: u32,
    body: Body,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            idempotent: true,
            max_attempts: 3,
            body: Body::empty(),
        }
    }
}

impl Call {
    async fn run(
        self,
        answer: impl Fn() -> CallResult + Clone + Send + Sync + 'static,
    ) -> (CallResult, Made) {
        let rules = RetryRules {
            client: "service-a",
            upstream: Arc::new(upstream()),
            settings: RetrySettings {
                max_attempts: self.max_attempts,
                ..RetrySettings::default()
            },
            metrics: RetryMetrics::default(),
            constants: Arc::default(),
            constant: Some(http::Method::GET),
        };
        let call = OngoingCall::new(
            Origin::default(),
            self.deadline,
            self.idempotent,
            Reading::Whole,
            1,
        );
        let attempts = Arc::new(AtomicU32::new(0));
        let callee = Callee {
            attempts: Arc::clone(&attempts),
            answer,
        };
        let began = Instant::now();
        let result = Retry::new(callee, rules)
            .send(&call, &mut Request::new(self.body))
            .await;
        let attempts = attempts.load(Ordering::Relaxed);
        (
            result,
            Made {
                attempts,
                took: began.elapsed(),
            },
        )
    }
}

/// Stands for everything below the retry.
#[derive(Clone)]
struct Callee<F> {
    attempts: Arc<AtomicU32>,
    answer: F,
}

impl<F: Fn() -> CallResult + Clone + Send + Sync + 'static> Layer for Callee<F> {
    async fn send(&self, _: &OngoingCall, _: &mut Request<Body>) -> CallResult {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        (self.answer)()
    }
}

fn upstream() -> Upstream {
    let address = Address::LoadBalanced("service-a".into());
    let discovery = Arc::new(StaticDiscovery::new());
    let settings = UpstreamSettings {
        retry_budget: Percent::ALL,
        ..UpstreamSettings::default()
    };
    Upstream::new(
        "service-a",
        address,
        discovery,
        Arc::new(ManualClock::default()),
    )
    .with_settings(settings)
}

fn unavailable(retry_after: Option<&'static str>) -> CallResult {
    let mut answer = Response::new(Received::Whole(Bytes::new()));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    if let Some(seconds) = retry_after {
        answer
            .headers_mut()
            .insert("retry-after", seconds.parse().unwrap());
    }
    Ok(answer)
}

fn broken(kind: TransportErrorKind) -> CallResult {
    Err(FeignError::Transport(TransportError::new(kind, "test")))
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_so_are_the_waits_between_them() {
    let (result, made) = Call::default().run(|| unavailable(None)).await;
    assert_eq!(result.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(made.attempts, 3);
    assert!(
        made.took <= Duration::from_millis(25 + 50) + Duration::from_millis(2),
        "{made:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_callees_wish_for_a_pause_is_kept_when_the_deadline_leaves_room() {
    let (_, made) = Call::default().run(|| unavailable(Some("4"))).await;
    assert_eq!(made.attempts, 3);
    assert!(
        made.took >= Duration::from_secs(8) && made.took < Duration::from_secs(9),
        "{made:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_that_could_not_end_before_the_deadline() {
    let call = Call {
        deadline: Duration::from_secs(6),
        ..Call::default()
    };
    let (_, made) = call.run(|| unavailable(Some("4"))).await;
    assert_eq!(made.attempts, 2, "the third would begin after 8 s");
    let call = Call {
        deadline: Duration::from_secs(3),
        ..Call::default()
    };
    let (_, made) = call.run(|| unavailable(Some("4"))).await;
    assert_eq!(
        made,
        Made {
            attempts: 1,
            took: Duration::ZERO
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_any_size_is_no_panic() {
    for seconds in [
        "18446744073709551615",
        "99999999999999999999999",
        "-1",
        "soon",
        "",
    ] {
        let (result, made) = Call::default()
            .run(move || unavailable(Some(seconds)))
            .await;
        assert_eq!(
            result.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{seconds}"
        );
        assert!(made.took < Duration::from_secs(1), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_sent_once() {
    let stream = Body::wrap(http_body_util::Full::new(Bytes::from("x")));
    let call = Call {
        body: stream,
        ..Call::default()
    };
    let (_, made) = call.run(|| unavailable(None)).await;
    assert_eq!(made.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_carried_out_is_repeated_only_when_it_is_idempotent() {
    for (kind, idempotent, attempts) in [
        (TransportErrorKind::Broken, true, 3),
        (TransportErrorKind::Broken, false, 1),
        (TransportErrorKind::Connect, false, 3),
        (TransportErrorKind::ConnectTimeout, false, 3),
        (TransportErrorKind::Protocol, true, 1),
        (TransportErrorKind::Tls, true, 1),
    ] {
        let call = Call {
            idempotent,
            ..Call::default()
        };
        let (_, made) = call.run(move || broken(kind)).await;
        assert_eq!(made.attempts, attempts, "{kind:?} {idempotent}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_that_a_retry_cannot_mend_are_not_retried() {
    let service: Arc<str> = "service-a".into();
    let retry_after = Duration::ZERO;
    let open = FeignError::BreakerOpen {
        service: service.clone(),
        retry_after,
    };
    let limited = FeignError::RateLimited {
        service: service.clone(),
        retry_after,
    };
    for error in [
        FeignError::NoIdentity,
        FeignError::Token(hallpass_client::TokenError::Lost),
        FeignError::BulkheadFull { service },
        FeignError::Interrupted,
        open,
        limited,
    ] {
        let (_, made) = Call::default().run(move || Err(error.clone())).await;
        assert_eq!(
            made,
            Made {
                attempts: 1,
                took: Duration::ZERO
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_attempt_at_most_means_no_retry() {
    let call = Call {
        max_attempts: 1,
        ..Call::default()
    };
    let (_, made) = call.run(|| broken(TransportErrorKind::Connect)).await;
    assert_eq!(
        made,
        Made {
            attempts: 1,
            took: Duration::ZERO
        }
    );
}
