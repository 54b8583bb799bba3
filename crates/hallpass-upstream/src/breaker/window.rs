//! The last N outcomes, and how many of them failed or were slow.

use std::collections::VecDeque;

use hallpass_config::Percent;

/// What one call was worth to the breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallRecord {
    /// No response, or a response that says the instance is not well.
    pub(super) failed: bool,
    /// Took at least the slow-call duration.
    pub(super) slow: bool,
}

/// A count-based sliding window over outcomes: bounded by its size, one record is O(1).
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    outcomes: VecDeque<CallRecord>,
    failed: u32,
    slow: u32,
}

impl Window {
    /// A window over the last `size` outcomes; a size of 0 counts as 1.
    pub(super) fn new(size: u32) -> Self {
        Self {
            size: size.max(1),
            outcomes: VecDeque::new(),
            failed: 0,
            slow: 0,
        }
    }

    /// Adds an outcome; the oldest one leaves a full window.
    pub(super) fn record(&mut self, outcome: CallRecord) {
        if self.len() >= self.size
            && let Some(oldest) = self.outcomes.pop_front()
        {
            self.failed = self.failed.saturating_sub(u32::from(oldest.failed));
            self.slow = self.slow.saturating_sub(u32::from(oldest.slow));
        }
        self.outcomes.push_back(outcome);
        self.failed = self.failed.saturating_add(u32::from(outcome.failed));
        self.slow = self.slow.saturating_add(u32::from(outcome.slow));
    }

    /// Outcomes in the window.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX)
    }

    /// Whether at least `threshold` of the calls failed; never for an empty window.
    pub(super) fn failed_share_reaches(&self, threshold: Percent) -> bool {
        self.reaches(self.failed, threshold)
    }

    /// Whether at least `threshold` of the calls were slow; never for an empty window.
    pub(super) fn slow_share_reaches(&self, threshold: Percent) -> bool {
        self.reaches(self.slow, threshold)
    }

    fn reaches(&self, part: u32, threshold: Percent) -> bool {
        // In whole numbers: a threshold is met exactly, not nearly.
        let share = u64::from(part).saturating_mul(100);
        self.len() > 0 && share >= u64::from(self.len()).saturating_mul(u64::from(threshold.get()))
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::Percent;
    use proptest::prelude::*;

    use super::{CallRecord, Window};

    proptest! {
        #[test]
        fn shares_are_those_of_the_last_n_outcomes(
            size in 1_u32..20,
            threshold in 0_u8..=100,
            calls in prop::collection::vec((any::<bool>(), any::<bool>()), 0..80),
        ) {
            let threshold = Percent::new(threshold).unwrap();

            let mut window = Window::new(size);
            for (index, (failed, slow)) in calls.iter().enumerate() {
                window.record(CallRecord { failed: *failed, slow: *slow });
                let last = &calls[(index + 1).saturating_sub(size as usize)..=index];
                let reaches = |part: usize| part * 100 >= last.len() * usize::from(threshold.get());
                prop_assert_eq!(window.len() as usize, last.len());
                let failed = last.iter().filter(|call| call.0).count();
                prop_assert_eq!(window.failed_share_reaches(threshold), reaches(failed));
                let slow = last.iter().filter(|call| call.1).count();
                prop_assert_eq!(window.slow_share_reaches(threshold), reaches(slow));
            }
        }
    }
}
