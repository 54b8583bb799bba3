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
/// Among the places of one client, the last one before the place that the pair's hash chooses.
fn crowded(places: &[Entry], pair: u64, client: u64) -> usize {
    let owners: Vec<u64> = places
        .iter()
        .map(|entry| entry.client.load(Ordering::Relaxed))
        .collect();
    let places_of = |owner: u64| owners.iter().filter(|it| **it == owner).count();
    // The other end of the hash than the one that has chosen the set.
    let [chosen, ..] = pair.to_be_bytes();
    let from_chosen = owners.iter().enumerate().cycle().skip(chosen.into());
    let rank = |(_, owner): &(usize, &u64)| (places_of(**owner), **owner == client, **owner);
    let crowded = from_chosen.take(places.len()).max_by_key(rank);
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

    pub(super) fn refill(&self) {
        self.bucket.refill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn pairs() -> ProvenPairs {
        ProvenPairs::new(Rate::new(2, Duration::from_secs(1)))
    }

    /// The pairs of one set are told apart by the upper end of their hashes; `chosen` is the place that it names.
    fn pair(number: u64, chosen: u64) -> u64 {
        (chosen << 56) + (number << 32) + 1
    }

    #[test]
    fn in_a_set_that_one_client_fills_each_place_is_given_up_to_the_pairs_that_choose_it() {
        let pairs = pairs();
        let ways = || 0..WAYS as u64;
        ways().for_each(|number| pairs.add(pair(number, 0), 7));
        assert!(ways().all(|number| pairs.find(pair(number, 0)).is_some()));
        for chosen in ways() {
            // Two that choose the same place: the second takes it from the first.
            pairs.add(pair(100, chosen), 7);
            pairs.add(pair(200, chosen), 7);
            assert!(pairs.find(pair(100, chosen)).is_none(), "{chosen}");
        }
        assert!(ways().all(|chosen| pairs.find(pair(200, chosen)).is_some()));
        assert!(ways().all(|number| pairs.find(pair(number, 0)).is_none()));
    }

    #[test]
    fn whoever_has_most_places_gives_one_up_and_of_equals_the_one_who_comes() {
        let pairs = pairs();
        for number in 0..WAYS as u64 {
            pairs.add(pair(number, 0), if number < 5 { 1 } else { 2 });
        }
        let left = |pairs: &ProvenPairs| {
            let places = pairs.places(pair(0, 0)).iter();
            let owners = places.map(|it| it.client.load(Ordering::Relaxed));
            let owners: Vec<_> = owners.collect();
            [1, 2, 3].map(|client| owners.iter().filter(|it| **it == client).count())
        };
        assert_eq!(left(&pairs), [5, 3, 0]);
        pairs.add(pair(10, 3), 2);
        assert_eq!(left(&pairs), [4, 4, 0]);
        for number in 20..40 {
            pairs.add(pair(number, number), 1);
            assert_eq!(left(&pairs), [4, 4, 0]);
            pairs.add(pair(number + 100, number), 2);
            assert_eq!(left(&pairs), [4, 4, 0]);
        }
        pairs.add(pair(11, 3), 3);
        assert_eq!(left(&pairs).iter().sum::<usize>(), WAYS);
        assert_eq!(left(&pairs)[2], 1);
    }

    #[test]
    fn who_takes_a_place_does_not_take_over_what_was_tried_there() {
        let pairs = pairs();
        for number in 0..WAYS as u64 {
            pairs.add(pair(number, 0), 7);
            let proven = pairs.find(pair(number, 0)).unwrap();
            while proven.check(NOW).is_ok() {
                proven.take(NOW);
            }
        }
        pairs.add(pair(100, 0), 7);
        assert!(pairs.find(pair(100, 0)).unwrap().check(NOW).is_ok());
    }
}
