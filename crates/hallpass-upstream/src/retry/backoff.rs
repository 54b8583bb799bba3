//! The wait before a retry.

use std::time::Duration;

use crate::random::random_below;

/// Longest wait before the first retry; doubles with each further one.
const BASE: Duration = Duration::from_millis(25);
/// No wait is longer.
const MAX: Duration = Duration::from_secs(1);

/// A random wait before retry number `retry` (the first is 0), between nothing and the doubled base: with full
/// jitter, callers that failed together do not come back together.
pub(super) fn wait(retry: u32) -> Duration {
    let most = BASE.saturating_mul(2_u32.saturating_pow(retry)).min(MAX);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random_below(micros.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::{BASE, MAX, wait};

    #[test]
    fn waits_are_jittered_below_a_doubling_ceiling() {
        for (retry, ceiling) in [
            (0, BASE),
            (1, BASE * 2),
            (3, BASE * 8),
            (10, MAX),
            (u32::MAX, MAX),
        ] {
            let waits: Vec<_> = (0..200).map(|_| wait(retry)).collect();
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
    }
}
