//! Buckets found by a hash, in a fixed number of slots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many failures, and how fast they come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    burst: u32,
    refill: Duration,
}

impl Rate {
    /// `burst` failures at once, then one more after each `refill`.
    pub(super) const fn new(burst: u32, refill: Duration) -> Self {
        Self { burst, refill }
    }

    /// What a bucket's due time may be at most for another attempt to be allowed.
    fn latest(self, now: u64) -> u64 {
        let before = u64::from(self.burst.saturating_sub(1));
        now.saturating_add(nanos(self.refill).saturating_mul(before))
    }
}

/// The theoretical arrival time of the generic cell rate algorithm, in nanoseconds: in the past for a full bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    fn due(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(super) fn check(&self, rate: Rate, now: Duration) -> Result<(), Duration> {
        check(self.due(), rate, now)
    }

    /// Takes one attempt; a bucket may owe some when several were compared at once.
    pub(super) fn take(&self, rate: Rate, now: Duration) {
        self.change(|due| due.max(nanos(now)).saturating_add(nanos(rate.refill)));
    }

    pub(super) fn give_back(&self, rate: Rate) {
        self.change(|due| due.saturating_sub(nanos(rate.refill)));
    }

    pub(super) fn refill(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        // The closure always gives a value, so this cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
                Some(change(due))
            });
    }
}

fn check(due: u64, rate: Rate, now: Duration) -> Result<(), Duration> {
    match due.checked_sub(rate.latest(nanos(now))) {
        None | Some(0) => Ok(()),
        Some(early) => Err(Duration::from_nanos(early)),
    }
}

/// Buckets for names without number. Each has two slots and counts by the one that is fuller; a bucket is shared only
/// with somebody who has both.
#[derive(Debug)]
pub(super) struct Table {
    rate: Rate,
    slots: Box<[Bucket]>,
}

/// The two slots of one name.
#[derive(Debug)]
pub(super) struct Slots<'t> {
    rate: Rate,
    slots: [Option<&'t Bucket>; 2],
}

impl Table {
    pub(super) fn new(rate: Rate, slots: usize) -> Self {
        Self {
            rate,
            slots: (0..slots).map(|_| Bucket::default()).collect(),
        }
    }

    pub(super) fn slots(&self, hash: u64) -> Slots<'_> {
        let number = self.slots.len().max(1);
        let place = |half: u64| usize::try_from(half).unwrap_or_default() % number;
        let one = place(hash & u64::from(u32::MAX));
        // Never the same one twice, from which each attempt would be taken twice.
        let other = match place(hash >> 32) {
            same if same == one => (same + 1) % number,
            other => other,
        };
        Slots {
            rate: self.rate,
            slots: [one, other].map(|place| self.slots.get(place)),
        }
    }
}

impl Slots<'_> {
    fn due(&self) -> u64 {
        let due = self.buckets().map(Bucket::due);
        due.min().unwrap_or_default()
    }

    fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.slots.into_iter().flatten()
    }

    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(super) fn check(&self, now: Duration) -> Result<(), Duration> {
        check(self.due(), self.rate, now)
    }

    pub(super) fn take(&self, now: Duration) {
        self.buckets()
            .for_each(|bucket| bucket.take(self.rate, now));
    }

    pub(super) fn give_back(&self) {
        self.buckets()
            .for_each(|bucket| bucket.give_back(self.rate));
    }

    pub(super) fn refill(&self) {
        self.buckets().for_each(Bucket::refill);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also where the hash finds one slot twice.
    #[test]
    fn a_name_has_all_its_attempts_wherever_its_slots_are() {
        let table = Table::new(Rate::new(20, Duration::from_secs(1)), 4);
        let now = Duration::from_secs(1_000);
        for (one, other) in (0_u64..4).flat_map(|one| (0_u64..4).map(move |other| (one, other))) {
            let slots = table.slots(other << 32 | one);
            slots.refill();
            let attempts = (0..100).take_while(|_| {
                let is_let_in = slots.check(now).is_ok();
                slots.take(now);
                is_let_in
            });
            assert_eq!(attempts.count(), 20, "{one} {other}");
        }
    }
}
