//! How many calls there were, and how many of them failed or were slow.

use hallpass_config::Percent;

/// What one call was worth to the breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::breaker) struct CallRecord {
    /// No response, or a response that says the instance is not well.
    pub(in crate::breaker) failed: bool,
    /// Took at least the slow-call duration.
    pub(in crate::breaker) slow: bool,
}

/// Calls that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::breaker) struct Tally {
    pub(in crate::breaker) calls: u32,
    pub(in crate::breaker) failed: u32,
    pub(in crate::breaker) slow: u32,
}

impl Tally {
    pub(super) fn add(&mut self, outcome: CallRecord) {
        self.calls = self.calls.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(outcome.failed));
        self.slow = self.slow.saturating_add(u32::from(outcome.slow));
    }

    pub(super) fn remove(&mut self, others: Self) {
        self.calls = self.calls.saturating_sub(others.calls);
        self.failed = self.failed.saturating_sub(others.failed);
        self.slow = self.slow.saturating_sub(others.slow);
    }

    /// Whether at least `threshold` of the calls failed; never when there was none.
    pub(in crate::breaker) fn failed_share_reaches(self, threshold: Percent) -> bool {
        self.reaches(self.failed, threshold)
    }

    /// Whether at least `threshold` of the calls were slow; never when there was none.
    pub(in crate::breaker) fn slow_share_reaches(self, threshold: Percent) -> bool {
        self.reaches(self.slow, threshold)
    }

    fn reaches(self, part: u32, threshold: Percent) -> bool {
        // In whole numbers: a threshold is met exactly, not nearly.
        let share = u64::from(part).saturating_mul(100);
        let calls = u64::from(self.calls);
        calls > 0 && share >= calls.saturating_mul(u64::from(threshold.get()))
    }
}
