//! The last N outcomes.

use std::collections::VecDeque;

use super::tally::{CallRecord, Tally};

/// A window over a number of outcomes: bounded by its size, one record is O(1).
#[derive(Clone, Debug)]
pub(in crate::breaker) struct CountWindow {
    size: u32,
    outcomes: VecDeque<CallRecord>,
    tally: Tally,
}

impl CountWindow {
    /// A window over the last `size` outcomes; a size of 0 counts as 1.
    pub(super) fn new(size: u32) -> Self {
        Self {
            size: size.max(1),
            outcomes: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Adds an outcome; the oldest one leaves a full window.
    pub(super) fn record(&mut self, outcome: CallRecord) {
        if self.tally.calls >= self.size
            && let Some(oldest) = self.outcomes.pop_front()
        {
            let mut leaving = Tally::default();
            leaving.add(oldest);
            self.tally.remove(leaving);
        }
        self.outcomes.push_back(outcome);
        self.tally.add(outcome);
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}
