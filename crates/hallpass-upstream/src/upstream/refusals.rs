//! Calls that an instance refused: that it does so fast makes it no better than those that answer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::latency::{decayed, nanos};
use crate::outcome::Declined;

/// One call, in the unit that they are counted in.
pub(super) const CALL: u64 = 1_000;
/// So many in a row, as 401 or 404, are what calls ask for; from there on they may be the instance's own.
const ORDINARY: u32 = 4;
/// Each one in a row counts like two of those before, so many times.
const MOST_DOUBLED: u32 = 6;
/// No more count at a time.
const MOST: u64 = 1_000 * CALL;

/// Each refused call counts as under way for about as long as a good one would have taken, since no queue ever forms at who
/// refuses at once.
///
/// Read and written without a lock: of two at the same instant one may be lost.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    in_a_row: AtomicU32,
    /// In thousandths of a call.
    count: AtomicU64,
    at: AtomicU64,
}

impl Refusals {
    /// A call was refused, where a good one usually takes so long.
    pub(super) fn add(&self, declined: Declined, usual: Duration, now: Duration) {
        let in_a_row = self.in_a_row.load(Ordering::Relaxed).saturating_add(1);
        self.in_a_row.store(in_a_row, Ordering::Relaxed);
        let doubled = match declined {
            Declined::TooMany => in_a_row,
            Declined::TheCall => in_a_row.saturating_sub(ORDINARY),
        };
        let more = CALL << doubled.min(MOST_DOUBLED);
        let count = self.count(usual, now).saturating_add(more).min(MOST);
        self.count.store(count, Ordering::Relaxed);
        self.at.store(nanos(now), Ordering::Relaxed);
    }

    /// A good response came.
    pub(super) fn end(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// How many count as under way, in [thousandths of a call](CALL).
    pub(super) fn count(&self, usual: Duration, now: Duration) -> u64 {
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 || usual.is_zero() {
            return 0;
        }
        let age = nanos(now).saturating_sub(self.at.load(Ordering::Relaxed));
        decayed(count, age, usual / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_refusal_counts_for_as_long_as_a_good_call_takes() {
        let refusals = Refusals::default();
        refusals.add(Declined::TheCall, MS * 20, MS);
        assert_eq!(refusals.count(MS * 20, MS), CALL);
        assert_eq!(refusals.count(MS * 20, MS * 21), CALL / 4);
        assert_eq!(refusals.count(Duration::ZERO, MS), 0, "nobody knows");
    }

    #[test]
    fn many_in_a_row_count_double_and_those_of_a_limit_from_the_first_on() {
        let count = |declined, calls| {
            let refusals = Refusals::default();
            (0..calls).for_each(|_| refusals.add(declined, MS * 20, MS));
            refusals.count(MS * 20, MS) / CALL
        };
        assert_eq!(
            [4, 5, 6].map(|calls| count(Declined::TheCall, calls)),
            [4, 6, 10]
        );
        assert_eq!(
            [1, 2, 3].map(|calls| count(Declined::TooMany, calls)),
            [2, 6, 14]
        );
        assert_eq!(count(Declined::TooMany, 100), MOST / CALL);
        let refusals = Refusals::default();
        (0..10).for_each(|_| refusals.add(Declined::TooMany, MS, MS));
        refusals.end();
        refusals.add(Declined::TooMany, MS, MS * 1_000);
        assert_eq!(refusals.count(MS, MS * 1_000), 2 * CALL);
    }
}
