//! The pairs of client and address that were right before, each with a bucket of its own.
//!
//! Only a right secret adds a pair, so only a client can push out others, by being right from very many addresses: a
//! single IPv6 /48 has 65,536 networks. So a client that finds no free place takes one of its own pairs' places, unless
//! another client has more places in the set: it gets its share, and never more by coming from more addresses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::token::throttle::table::{Bucket, Rate};

/// Pairs that are remembered: 768 KiB.
const PAIRS: usize = 32 * 1024;
/// A pair stands in one of so many places, its set.
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
    /// The hash of its client.
    client: AtomicU64,
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

    /// Adds a pair in a place that is free, else in one of the client that has most in the set.
    pub(super) fn add(&self, pair: u64, client: u64) {
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
        let place = match places.iter().find(free) {
            Some(free) => Some(free),
            None => places.get(crowded(places, pair, client)),
        };
        if let Some(entry) = place {
            entry.bucket.refill();
            entry.client.store(client, Ordering::Relaxed);
            entry.pair.store(pair, Ordering::Relaxed);
        }
    }

    fn places(&self, pair: u64) -> &[Entry] {
        let first = usize::try_from(pair).unwrap_or_default() % (PAIRS / WAYS) * WAYS;
        self.entries.get(first..first + WAYS).unwrap_or_default()
    }
}

/// Which place of a full set is given to the next pair of `client`: one of whoever has most, of itself when it has as many.
/// Among the places of one client, one that the pair's hash chooses.
fn crowded(places: &[Entry], pair: u64, client: u64) -> usize {
    let owners: Vec<u64> = places
        .iter()
        .map(|entry| entry.client.load(Ordering::Relaxed))
        .collect();
    let places_of = |owner: u64| owners.iter().filter(|it| **it == owner).count();
    let chosen = usize::try_from(pair >> 56).unwrap_or_default() % WAYS;
    let rank = |(place, owner): &(usize, &u64)| {
        let distance = (place + WAYS - chosen) % WAYS;
        (places_of(**owner), **owner == client, **owner, distance)
    };
    let crowded = owners.iter().enumerate().max_by_key(rank);
    crowded.map(|(place, _)| place).unwrap_or_default()
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
