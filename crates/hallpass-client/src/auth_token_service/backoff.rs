//! How long to leave an issuer alone that has just failed.

use std::time::Duration;

/// Shortest wait after a failed token request.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait after a failed token request while there is a token, or when the issuer has refused.
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// Longest wait when the issuer does not work and there is no token: each call fails until the next try. After an outage
/// the first call that finds this wait over gets a token, so it is also the longest delay of the recovery.
pub(crate) const WITHOUT_TOKEN_MAX: Duration = Duration::from_secs(2);
/// Longest wait that an issuer may ask for (`Retry-After`).
const ASKED_FOR_MAX: Duration = Duration::from_secs(30);
/// One part in ten: what is added to that wait at most, so that clients do not come back together.
const JITTER_SHARE: u32 = 10;

/// The wait after `failures` failed requests in a row: anywhere between [`BACKOFF_MIN`] and a limit that
/// doubles with each failure up to `ceiling` ("full jitter"), so that clients do not come back together.
/// `jitter` is where between them, from 0 to 1.
pub(crate) fn wait(failures: u32, ceiling: Duration, jitter: f64) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let spread = doubled.min(ceiling).saturating_sub(BACKOFF_MIN);
    BACKOFF_MIN + spread.mul_f64(jitter)
}

/// The longest wait. `left` is how long the token in memory still lives: a wait must not reach beyond its end, whatever went wrong, so
/// that an issuer that is back before that (or knows the client again, or has its route) is found in time, and no call fails.
pub(crate) fn ceiling(left: Duration, is_outage: bool) -> Duration {
    match (left.is_zero(), is_outage) {
        (false, _) => left.clamp(BACKOFF_MIN, BACKOFF_MAX),
        (true, true) => WITHOUT_TOKEN_MAX,
        (true, false) => BACKOFF_MAX,
    }
}

/// The wait that the issuer has asked for, if it has, with a little chance added; to the end of the token at the longest, while it still
/// lives for `left`.
pub(crate) fn asked_for(retry_after: Option<Duration>, left: Duration, jitter: f64) -> Duration {
    let asked = retry_after.unwrap_or_default().min(ASKED_FOR_MAX);
    let asked = asked + (asked / JITTER_SHARE).mul_f64(jitter);
    match left.is_zero() {
        true => asked,
        false => asked.min(left),
    }
}

/// A half of `wait` or more, so that processes do not ask together. `chance` is where between half and whole, from 0 to 1.
pub(crate) fn half_or_more(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_shortest_to_the_longest_and_no_further() {
        assert_eq!(wait(1, BACKOFF_MAX, 0.0), BACKOFF_MIN);
        assert_eq!(wait(1, BACKOFF_MAX, 1.0), Duration::from_millis(200));
        assert_eq!(wait(3, BACKOFF_MAX, 1.0), Duration::from_millis(800));
        assert_eq!(wait(20, BACKOFF_MAX, 1.0), BACKOFF_MAX);
        assert_eq!(wait(u32::MAX, BACKOFF_MAX, 0.0), BACKOFF_MIN);
        assert_eq!(wait(20, WITHOUT_TOKEN_MAX, 1.0), WITHOUT_TOKEN_MAX);
    }

    #[test]
    fn no_wait_reaches_beyond_the_end_of_the_token() {
        let seconds = Duration::from_secs;
        assert_eq!(ceiling(Duration::ZERO, true), seconds(2));
        assert_eq!(ceiling(seconds(1), true), seconds(1));
        assert_eq!(ceiling(Duration::from_millis(7), true), BACKOFF_MIN);
        assert_eq!(ceiling(seconds(7), true), seconds(7));
        assert_eq!(ceiling(seconds(100), true), seconds(15));
        assert_eq!(ceiling(Duration::ZERO, false), seconds(15), "a refusal");
        assert_eq!(ceiling(seconds(3), false), seconds(3), "a refusal");
        // Nor one that the issuer asks for.
        let asked = |left| asked_for(Some(seconds(30)), seconds(left), 1.0);
        assert_eq!([4, 60].map(asked), [seconds(4), seconds(33)]);
    }

    #[test]
    fn an_issuer_can_ask_for_a_wait_of_half_a_minute_at_most() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let asked = |retry_after, jitter| asked_for(retry_after, Duration::ZERO, jitter);
        assert_eq!(asked(None, 1.0), Duration::ZERO);
        assert_eq!(asked(seconds(10), 0.0), Duration::from_secs(10));
        assert_eq!(asked(seconds(10), 1.0), Duration::from_secs(11));
        assert_eq!(asked(seconds(u64::MAX), 0.0), ASKED_FOR_MAX);
    }

    #[test]
    fn a_wait_by_chance_is_a_half_of_it_or_more() {
        let waited = [0.0, 0.5, 1.0].map(|chance| half_or_more(BACKOFF_MAX, chance));
        assert_eq!(waited, [7_500, 11_250, 15_000].map(Duration::from_millis));
    }
}
