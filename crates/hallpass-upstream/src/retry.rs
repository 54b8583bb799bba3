//! Whether, when and how often a request is sent again.

mod backoff;
mod budget;

use std::time::Duration;

use crate::outcome::{Outcome, RetryAdvice, is_transient};
use crate::settings::RetrySettings;
use http::StatusCode;

pub use budget::RetryBudget;

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Its outcome stands.
    Stand,
    /// Another attempt after this wait.
    RetryAfter(Duration),
    /// Another attempt might help, and the service's budget for retries is used up.
    BudgetExhausted,
}

/// What is known of an attempt beside its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptMade {
    /// Its number; the first is 1.
    pub number: u32,
    /// Whether making the call twice does no harm.
    pub idempotent: bool,
    /// Whether there is an instance that the call has not tried and that is well ([`Upstream::others_than`](crate::Upstream::others_than)).
    pub elsewhere: bool,
}

/// What follows an attempt whose `outcome` is known.
///
/// What never reached the callee may be sent again whatever the verb is; what may have reached it only when the call is
/// `idempotent`. What never reached one instance goes to the next one, while there is one `elsewhere` that the call has not
/// tried, at once and without the budget: it is no more work for anybody. Otherwise the wait is random below a ceiling that grows as `settings` say, at least as long as the callee wishes
/// (an instance that is not available, with 502, 503 or 504, wishes it for itself, so that does not count while there is one `elsewhere`), and shorter than `left`, the time that the whole call still has. A response is worth another attempt when `settings` name its status; 429 only
/// when it says when. Whether there is a further attempt at all (their number, a body that
/// can be sent twice) is the caller's to check.
pub fn next_step(
    outcome: &impl Outcome,
    made: AttemptMade,
    left: Duration,
    settings: &RetrySettings,
    budget: &RetryBudget,
) -> NextStep {
    let least = match outcome.retry_advice() {
        RetryAdvice::Stands => return NextStep::Stand,
        RetryAdvice::MayHaveActed | RetryAdvice::Responded { .. } if !made.idempotent => {
            return NextStep::Stand;
        }
        RetryAdvice::MayHaveActed => Duration::ZERO,
        RetryAdvice::Responded { status, after } => match (status, after) {
            (status, _) if !settings.statuses.contains(status) => return NextStep::Stand,
            // Who is called too often is not helped by one more call at a moment of the caller's choice.
            (StatusCode::TOO_MANY_REQUESTS, None) => return NextStep::Stand,
            // It is that instance that wishes for a pause.
            (status, Some(_)) if made.elsewhere && is_transient(status) => Duration::ZERO,
            (_, after) => after.unwrap_or_default(),
        },
        RetryAdvice::Unsent | RetryAdvice::Elsewhere if made.elsewhere && !left.is_zero() => {
            return NextStep::RetryAfter(Duration::ZERO);
        }
        RetryAdvice::Elsewhere => return NextStep::Stand,
        RetryAdvice::Unsent => Duration::ZERO,
    };
    let wait = backoff::wait(made.number.saturating_sub(1), settings).max(least);
    if wait >= left {
        return NextStep::Stand;
    }
    if budget.withdraw() {
        NextStep::RetryAfter(wait)
    } else {
        NextStep::BudgetExhausted
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::Percent;
    use http::{Response, StatusCode};

    use super::*;
    use crate::outcome::Refusal;
    use crate::transport::{TransportError, TransportErrorKind};

    const LEFT: Duration = Duration::from_secs(60);

    fn budget() -> RetryBudget {
        RetryBudget::new(Percent::TENTH)
    }

    fn first(idempotent: bool, elsewhere: bool) -> AttemptMade {
        AttemptMade {
            number: 1,
            idempotent,
            elsewhere,
        }
    }

    fn is_sent_again(outcome: &impl Outcome, idempotent: bool) -> bool {
        let made = first(idempotent, false);
        let next = next_step(outcome, made, LEFT, &RetrySettings::default(), &budget());
        matches!(next, NextStep::RetryAfter(_))
    }

    #[test]
    fn what_nobody_has_seen_is_sent_again_and_what_somebody_may_have_seen_only_when_idempotent() {
        let error = |kind| TransportError::new(kind, "test");
        let unsent = error(TransportErrorKind::Connect);
        assert!(is_sent_again(&unsent, false));
        let broken = error(TransportErrorKind::Broken);
        assert!(is_sent_again(&broken, true));
        assert!(!is_sent_again(&broken, false));
        assert!(!is_sent_again(&error(TransportErrorKind::Tls), true));
    }

    #[test]
    fn only_a_status_that_may_be_gone_next_time_is_worth_another_attempt() {
        for (status, again) in [
            (StatusCode::OK, false),
            (StatusCode::INTERNAL_SERVER_ERROR, false),
            (StatusCode::NOT_IMPLEMENTED, false),
            (StatusCode::REQUEST_TIMEOUT, false),
            (StatusCode::TOO_EARLY, true),
            (StatusCode::BAD_GATEWAY, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::GATEWAY_TIMEOUT, true),
        ] {
            let mut response = Response::new(());
            *response.status_mut() = status;
            assert_eq!(is_sent_again(&response, true), again, "{status}");
            assert_eq!(response.instance_failed(), Some(status.is_server_error()));
        }
    }

    #[test]
    fn a_wait_is_as_long_as_the_callee_wishes_and_never_as_long_as_what_is_left() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert("retry-after", "7".parse().unwrap());
        let wished = Duration::from_secs(7);
        let settings = RetrySettings::default();
        let with = |left| next_step(&response, first(true, false), left, &settings, &budget());
        assert_eq!(with(LEFT), NextStep::RetryAfter(wished));
        assert_eq!(with(wished), NextStep::Stand);
    }

    #[test]
    fn what_one_instance_wishes_keeps_no_call_from_another_one() {
        let settings = RetrySettings::default();
        for (status, waits) in [
            (502, false),
            (503, false),
            (504, false),
            (429, true),
            (425, true),
        ] {
            let response = Response::builder()
                .status(status)
                .header("retry-after", "30");
            let response = response.body(()).unwrap();
            let next = |elsewhere| {
                let made = first(true, elsewhere);
                next_step(
                    &response,
                    made,
                    Duration::from_secs(3),
                    &settings,
                    &budget(),
                )
            };
            assert_eq!(next(false), NextStep::Stand, "{status}");
            assert_eq!(next(true) == NextStep::Stand, waits, "{status}");
        }
    }

    #[test]
    fn a_call_that_an_instance_has_no_place_for_goes_to_another_one_or_nowhere() {
        let full = Refusal::BulkheadFull {
            service: "service-a".into(),
        };
        let nothing = RetryBudget::new(Percent::new(0).unwrap());
        let next = |elsewhere, left| {
            let made = first(false, elsewhere);
            next_step(&full, made, left, &RetrySettings::default(), &nothing)
        };
        assert_eq!(next(true, LEFT), NextStep::RetryAfter(Duration::ZERO));
        assert_eq!(next(false, LEFT), NextStep::Stand);
        assert_eq!(next(true, Duration::ZERO), NextStep::Stand);
    }

    #[test]
    fn a_429_that_says_when_is_tried_again_then_and_one_that_does_not_is_not() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        assert!(!is_sent_again(&response, true));
        let wished = "2".parse().unwrap();
        response.headers_mut().insert("retry-after", wished);
        let settings = RetrySettings::default();
        let next = next_step(&response, first(true, false), LEFT, &settings, &budget());
        assert_eq!(next, NextStep::RetryAfter(Duration::from_secs(2)));
        assert!(!is_sent_again(&response, false), "no GET");
    }

    #[test]
    fn the_settings_say_which_statuses_are_worth_another_attempt() {
        let settings = RetrySettings {
            statuses: [StatusCode::INTERNAL_SERVER_ERROR].into_iter().collect(),
            ..RetrySettings::default()
        };
        for (status, again) in [(500, true), (503, false), (429, false), (200, false)] {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let next = next_step(&response, first(true, false), LEFT, &settings, &budget());
            assert_eq!(next != NextStep::Stand, again, "{status}");
        }
    }

    #[test]
    fn without_budget_there_is_no_further_attempt() {
        let unsent = TransportError::new(TransportErrorKind::Connect, "test");
        let nothing = RetryBudget::new(Percent::new(0).unwrap());
        let settings = RetrySettings::default();
        let next = next_step(&unsent, first(true, false), LEFT, &settings, &nothing);
        assert_eq!(next, NextStep::BudgetExhausted);
        // Going on to another instance is no retry of anybody's work.
        let elsewhere = next_step(&unsent, first(false, true), LEFT, &settings, &nothing);
        assert_eq!(elsewhere, NextStep::RetryAfter(Duration::ZERO));
    }
}
