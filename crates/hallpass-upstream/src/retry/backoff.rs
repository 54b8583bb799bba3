//! The wait before a retry.

use std::time::Duration;

use crate::random::random_below;
use crate::settings::RetrySettings;

/// A random wait before retry number `retry` (the first is 0), between nothing and the longest one, which grows with each
/// retry: with full jitter, callers that failed together do not come back together.
pub(super) fn wait(retry: u32, settings: &RetrySettings) -> Duration {
    let grown = settings.multiplier.saturating_pow(retry);
    let most = settings.base.saturating_mul(grown).min(settings.max_wait);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random_below(micros.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_below(settings: &RetrySettings, retry: u32, ceiling: Duration) {
        let waits: Vec<_> = (0..200).map(|_| wait(retry, settings)).collect();
        assert!(waits.iter().all(|wait| *wait <= ceiling), "retry {retry}");
        assert!(
            waits.iter().any(|wait| *wait > ceiling / 2),
            "retry {retry}"
        );
        assert!(
            waits.iter().any(|wait| *wait < ceiling / 2),
            "retry {retry}"
        );
    }

    #[test]
    fn waits_are_jittered_below_a_growing_ceiling() {
        let usual = RetrySettings::default();
        let (base, max) = (usual.base, usual.max_wait);
        for (retry, ceiling) in [
            (0, base),
            (1, base * 2),
            (3, base * 8),
            (10, max),
            (u32::MAX, max),
        ] {
            assert_below(&usual, retry, ceiling);
        }
        let own = RetrySettings {
            base: Duration::from_millis(100),
            max_wait: Duration::from_millis(500),
            multiplier: 3,
            ..usual
        };
        for (retry, ceiling) in [(0, 100), (1, 300), (2, 500)] {
            assert_below(&own, retry, Duration::from_millis(ceiling));
        }
    }
}
