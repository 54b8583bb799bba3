//! The outcomes of the last seconds.

use std::time::Duration;

use super::tally::{CallRecord, Tally};

/// Parts of a window. What is older leaves it a part at a time.
const PARTS: u64 = 10;
/// Shortest part, whatever was set.
const SHORTEST: Duration = Duration::from_millis(1);

/// A window over a span of time: so many parts, whatever comes in; one record is O(1).
#[derive(Clone, Debug)]
pub(in crate::breaker) struct TimeWindow {
    part: Duration,
    parts: [Tally; PARTS as usize],
    /// Number of the part that counts now, since the clock began.
    newest: u64,
    tally: Tally,
}

impl TimeWindow {
    /// A window over the last `span`, a tenth of it more or less.
    pub(super) fn new(span: Duration) -> Self {
        Self {
            part: (span / PARTS as u32).max(SHORTEST),
            parts: [Tally::default(); PARTS as usize],
            newest: 0,
            tally: Tally::default(),
        }
    }

    /// Adds an outcome of this moment; what is older than the window leaves it.
    pub(super) fn record(&mut self, outcome: CallRecord, now: Duration) {
        let number = now.as_nanos() / self.part.as_nanos();
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.newest);
        for old in 1..=passed.min(PARTS) {
            let leaving = self.parts.get_mut(place_of(self.newest.wrapping_add(old)));
            if let Some(leaving) = leaving.map(std::mem::take) {
                self.tally.remove(leaving);
            }
        }
        self.newest = self.newest.max(number);
        if let Some(part) = self.parts.get_mut(place_of(self.newest)) {
            part.add(outcome);
            self.tally.add(outcome);
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}

/// Where a part stands among those of the window.
fn place_of(number: u64) -> usize {
    (number % PARTS) as usize
}
