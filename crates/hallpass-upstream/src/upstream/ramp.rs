//! The share of calls that an instance gets which has come, or has recovered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::nanos;

/// Its first share, and that of one that is left out and called again all the same.
const FIRST_PERCENT: u32 = 10;
/// The whole share.
const WHOLE_PERCENT: u32 = 100;
/// It has its whole share.
const NEVER: u64 = u64::MAX;

/// Grows from a tenth to the whole, in a straight line.
#[derive(Debug)]
pub(super) struct Ramp {
    /// When it begins, in nanoseconds.
    from: AtomicU64,
    takes: u64,
}

impl Ramp {
    /// Has the whole share until it [begins](Self::begin), and takes so long then.
    pub(super) fn new(takes: Duration) -> Self {
        Self {
            from: AtomicU64::new(NEVER),
            takes: nanos(takes),
        }
    }

    /// From `at` on the share grows; until then it is the first one.
    pub(super) fn begin(&self, at: Duration) {
        self.from.store(nanos(at).min(NEVER - 1), Ordering::Relaxed);
    }

    /// The share is the first one until it [begins](Self::begin).
    pub(super) fn hold(&self) {
        self.begin(Duration::MAX);
    }

    /// Goes on where another one is.
    pub(super) fn begin_as(&self, other: &Self) {
        self.from
            .store(other.from.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// In percent.
    pub(super) fn share(&self, now: Duration) -> u32 {
        let from = self.from.load(Ordering::Relaxed);
        if from == NEVER {
            return WHOLE_PERCENT;
        }
        let Some(grown) = nanos(now).checked_sub(from) else {
            return FIRST_PERCENT;
        };
        if grown >= self.takes {
            // Whoever has begun it again meanwhile wins.
            let order = Ordering::Relaxed;
            let _begun_again = self.from.compare_exchange(from, NEVER, order, order);
            return WHOLE_PERCENT;
        }
        let rest = u128::from(WHOLE_PERCENT - FIRST_PERCENT);
        let more = u128::from(grown) * rest / u128::from(self.takes);
        FIRST_PERCENT + u32::try_from(more).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_from_a_tenth_to_the_whole() {
        let second = Duration::from_secs(1);
        let ramp = Ramp::new(second * 30);
        assert_eq!(ramp.share(Duration::ZERO), 100);
        ramp.begin(second * 100);
        let shares = [90, 100, 110, 115, 129, 130, 100].map(|at| ramp.share(second * at));
        assert_eq!(shares, [10, 10, 40, 55, 97, 100, 100]);
        ramp.hold();
        assert_eq!([0, 1_000_000].map(|at| ramp.share(second * at)), [10, 10]);
        let at_once = Ramp::new(Duration::ZERO);
        at_once.begin(second * 5);
        assert_eq!([4, 5].map(|at| at_once.share(second * at)), [10, 100]);
    }
}
