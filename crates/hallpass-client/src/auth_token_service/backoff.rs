//! How long to leave an issuer alone that has just failed.

use std::time::Duration;

/// Shortest wait after a failed token request.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait after a failed token request. After an outage the first call that finds this wait over
/// gets a token, so it is also the longest delay of the recovery.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// The wait after `failures` failed requests in a row: anywhere between [`BACKOFF_MIN`] and a ceiling that
/// doubles with each failure up to [`BACKOFF_MAX`] ("full jitter"), so that clients do not come back together.
/// `jitter` is where between them, from 0 to 1.
pub(crate) fn wait(failures: u32, jitter: f64) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let spread = doubled.min(BACKOFF_MAX) - BACKOFF_MIN;
    BACKOFF_MIN + spread.mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_shortest_to_the_longest_and_no_further() {
        assert_eq!(wait(1, 0.0), BACKOFF_MIN);
        assert_eq!(wait(1, 1.0), Duration::from_millis(200));
        assert_eq!(wait(3, 1.0), Duration::from_millis(800));
        assert_eq!(wait(20, 1.0), BACKOFF_MAX);
        assert_eq!(wait(u32::MAX, 0.0), BACKOFF_MIN);
    }
}
