//! Which first attempts were spent, in fixed memory.
//!
//! Two filters of bits, one for this half of the day and one for the half before: an attempt that was spent is remembered
//! for half a day to a day. A filter never forgets what is in it, but sees more and more that is not: with 200,000 spent
//! attempts one in a thousand, with 400,000 one in a hundred. Who is taken for one that failed before loses the reserve,
//! and is judged with the others. Each attempt in it was paid from the bucket of a site (20 in half a day and 12 more), so it
//! takes thousands of sites to come to such numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 4,194,304 bits, 512 KiB, for each of the two halves.
const BITS: u64 = 4 * 1024 * 1024;
/// Bits of an attempt.
const PROBES: u64 = 4;
/// How long a filter takes in, and how long it is kept then.
pub(super) const HALF: Duration = Duration::from_secs(12 * 60 * 60);

/// What is remembered of first attempts.
#[derive(Debug)]
pub(super) struct FirstAttempts {
    /// Counts the halves.
    half: AtomicU64,
    filters: [Filter; 2],
}

/// A first attempt that is not spent yet.
#[derive(Debug)]
pub(super) struct FirstAttempt<'t> {
    attempts: &'t FirstAttempts,
    of_pair: u64,
    of_site: Option<u64>,
}

impl FirstAttempts {
    pub(super) fn new() -> Self {
        Self {
            half: AtomicU64::new(0),
            filters: [Filter::new(), Filter::new()],
        }
    }

    pub(super) fn is_spent(&self, mark: u64, now: Duration) -> bool {
        self.turn(now);
        self.filters.iter().any(|filter| filter.has(mark))
    }

    pub(super) const fn attempt(&self, of_pair: u64, of_site: Option<u64>) -> FirstAttempt<'_> {
        FirstAttempt {
            attempts: self,
            of_pair,
            of_site,
        }
    }

    /// The filter of this half, which is emptied of the half before the last one when it begins.
    fn turn(&self, now: Duration) -> &Filter {
        let half = now.as_secs() / HALF.as_secs();
        let last = self.half.fetch_max(half, Ordering::Relaxed);
        let [even, odd] = &self.filters;
        let (this, other) = match half % 2 {
            0 => (even, odd),
            _ => (odd, even),
        };
        if half > last {
            this.empty();
        }
        if half > last.saturating_add(1) {
            other.empty();
        }
        this
    }
}

impl FirstAttempt<'_> {
    pub(super) fn spend(&self, now: Duration) {
        let filter = self.attempts.turn(now);
        filter.add(self.of_pair);
        self.of_site.iter().for_each(|mark| filter.add(*mark));
    }
}

/// A Bloom filter; the marks are keyed hashes, so nobody can choose such that meet.
#[derive(Debug)]
struct Filter(Box<[AtomicU64]>);

impl Filter {
    fn new() -> Self {
        Self((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    fn has(&self, mark: u64) -> bool {
        self.bits(mark)
            .all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn add(&self, mark: u64) {
        for (word, bit) in self.bits(mark) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn empty(&self) {
        self.0
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
    }

    fn bits(&self, mark: u64) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let (start, step) = (mark & u64::from(u32::MAX), mark >> 32 | 1);
        (0..PROBES).filter_map(move |probe| {
            let bit = (start + probe * step) % BITS;
            let word = self.0.get(usize::try_from(bit / 64).unwrap_or_default())?;
            Some((word, 1 << (bit % 64)))
        })
    }
}
