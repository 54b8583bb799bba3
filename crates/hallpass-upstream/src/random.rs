//! Random numbers for jitter and for the choice of an instance. Not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number below `limit`, each as likely as the others; 0 for a limit of 0. This is no cipher, so they must not be used for
/// anything secret.
///
/// It is SplitMix64 over a counter that the process shares, mixed once more with a key of the process: some of the numbers go
/// to third parties, as ids of spans, and the mix alone can be undone by anybody. Both are seeded once by the standard
/// library's own random keys. A thread takes many numbers of the counter at a time, so that threads do not wait for each other.
#[must_use]
pub fn random_below(limit: u64) -> u64 {
    next().checked_rem(limit).unwrap_or(0)
}

/// A number from 0 up to and without 1; as [`random_below`], not for secrets.
#[must_use]
pub fn random_fraction() -> f64 {
    const DIGITS: u32 = f64::MANTISSA_DIGITS;
    (next() >> (u64::BITS - DIGITS)) as f64 / (1_u64 << DIGITS) as f64
}

/// A name for one thing among all that all processes name so: of a trace, of a span. As [`random_below`], not for secrets.
///
/// Its halves come from two seeds, so that two processes whose counters meet still name things differently.
#[must_use]
pub fn random_id() -> u128 {
    static SECOND: OnceLock<u64> = OnceLock::new();
    let second = SECOND.get_or_init(|| RandomState::new().hash_one(STEP));
    let first = next();
    u128::from(first) << u64::BITS | u128::from(mix(first ^ second))
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Steps of the counter that a thread takes at a time.
const OWN_STEPS: u64 = 1024;

thread_local! {
    /// Where the counter of this thread stands, and how many of its steps are left.
    static OWN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn next() -> u64 {
    static STATE: OnceLock<(AtomicU64, u64)> = OnceLock::new();
    let seed = || RandomState::new().hash_one(STEP);
    let (counter, key) = STATE.get_or_init(|| (AtomicU64::new(seed()), seed()));
    let at = OWN.with(|own| {
        let (at, left) = match own.get() {
            (_, 0) => {
                let taken = STEP.wrapping_mul(OWN_STEPS);
                (counter.fetch_add(taken, Ordering::Relaxed), OWN_STEPS)
            }
            own => own,
        };
        own.set((at.wrapping_add(STEP), left - 1));
        at
    });
    mix(mix(at) ^ key)
}

const fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{STEP, mix, next, random_below, random_fraction, random_id};

    #[test]
    fn values_stay_below_the_limit_and_reach_all_of_it() {
        let mut seen = [0_u32; 8];
        for _ in 0..4_000 {
            seen[usize::try_from(random_below(8)).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (300..700).contains(count)),
            "{seen:?}"
        );
        assert_eq!(random_below(0), 0);
    }

    #[test]
    fn numbers_spread_over_the_range() {
        let fractions: Vec<_> = (0..10_000).map(|_| random_fraction()).collect();
        assert!(fractions.iter().all(|number| (0.0..1.0).contains(number)));
        let low = fractions.iter().filter(|number| **number < 0.5).count();
        assert!(
            (4_500..5_500).contains(&low),
            "{low} of 10000 in the lower half"
        );
    }

    #[test]
    fn no_two_ids_are_alike_in_either_half() {
        let ids: Vec<_> = (0..10_000).map(|_| random_id()).collect();
        let half = |shift: u32| {
            let halves = ids.iter().map(|id| (id >> shift) as u64);
            halves.collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!((half(0), half(64)), (10_000, 10_000));
    }

    #[test]
    fn threads_draw_different_numbers() {
        let draw = || (0..3_000).map(|_| next()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let drawn = threads.into_iter().flat_map(|it| it.join().unwrap());
        let drawn: std::collections::HashSet<_> = drawn.collect();
        assert_eq!(drawn.len(), 4 * 3_000);
    }

    /// Takes the mix back, as anybody may.
    fn unmix(mixed: u64) -> u64 {
        let unshift = |value: u64, by: u32| (0..64 / by).fold(value, |it, _| value ^ (it >> by));
        // By Newton's method, the inverse of an odd number.
        let inverse = |odd: u64| {
            let better = |it: u64, _| it.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(it)));
            (0..6).fold(odd, better)
        };
        let it = unshift(mixed, 31).wrapping_mul(inverse(0x94d0_49bb_1331_11eb));
        let it = unshift(it, 27).wrapping_mul(inverse(0xbf58_476d_1ce4_e5b9));
        unshift(it, 30)
    }

    #[test]
    fn nobody_counts_on_from_a_number_that_was_seen() {
        assert_eq!(unmix(mix(12_345)), 12_345);
        // Others draw numbers meanwhile, but not so many.
        let soon = || (1..100_000).map(|times: u64| STEP.wrapping_mul(times));
        let (first, second) = (unmix(next()), unmix(next()));
        assert!(soon().all(|further| first.wrapping_add(further) != second));
    }
}
