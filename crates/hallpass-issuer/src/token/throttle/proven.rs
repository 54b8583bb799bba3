//! The pairs of client and address that were right before, each with a bucket of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::token::throttle::table::{Bucket, Rate};

/// Pairs that are remembered: 512 KiB. Only a right secret adds one.
const PAIRS: usize = 32 * 1024;
/// A pair stands in one of so many places; the last comers replace one another.
const WAYS: usize = 8;

/// A fixed number of proven pairs.
#[derive(Debug)]
pub(super) struct ProvenPairs {
    rate: Rate,
    entries: Box<[Entry]>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The pair's hash; 0 for nobody.
    pair: AtomicU64,
    bucket: Bucket,
}

/// The bucket of one proven pair.
#[derive(Debug)]
pub(super) struct Proven<'t> {
    rate: Rate,
    bucket: &'t Bucket,
}

impl ProvenPairs {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            entries: (0..PAIRS).map(|_| Entry::default()).collect(),
        }
    }

    pub(super) fn find(&self, pair: u64) -> Option<Proven<'_>> {
        let mut places = self.places(pair).iter();
        let entry = places.find(|entry| entry.pair.load(Ordering::Relaxed) == pair)?;
        Some(Proven {
            rate: self.rate,
            bucket: &entry.bucket,
        })
    }

    /// Adds a pair in a place that is free, else in one that the hash chooses.
    pub(super) fn add(&self, pair: u64) {
        if self.find(pair).is_some() {
            return;
        }
        let places = self.places(pair);
        let free = |entry: &&Entry| {
            entry
                .pair
                .compare_exchange(0, pair, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if places.iter().find(free).is_some() {
            return;
        }
        let chosen = usize::try_from(pair >> 56).unwrap_or_default() % WAYS;
        if let Some(entry) = places.get(chosen) {
            entry.bucket.refill();
            entry.pair.store(pair, Ordering::Relaxed);
        }
    }

    fn places(&self, pair: u64) -> &[Entry] {
        let first = usize::try_from(pair).unwrap_or_default() % (PAIRS / WAYS) * WAYS;
        self.entries.get(first..first + WAYS).unwrap_or_default()
    }
}

impl Proven<'_> {
    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(super) fn check(&self, now: Duration) -> Result<(), Duration> {
        self.bucket.check(self.rate, now)
    }

    pub(super) fn take(&self, now: Duration) {
        self.bucket.take(self.rate, now);
    }

    pub(super) fn give_back(&self) {
        self.bucket.give_back(self.rate);
    }
}
