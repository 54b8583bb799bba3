//! Chance for jitter and for the choice of an instance. Not for secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 over a counter, seeded once per process by the standard library's own random keys.
pub(crate) fn below(limit: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static STATE: OnceLock<AtomicU64> = OnceLock::new();
    let state = STATE.get_or_init(|| AtomicU64::new(RandomState::new().hash_one(STEP)));
    let mut mixed = state.fetch_add(STEP, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    mixed.checked_rem(limit).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_stay_below_the_limit_and_reach_all_of_it() {
        let mut seen = [0_u32; 8];
        for _ in 0..4_000 {
            seen[usize::try_from(super::below(8)).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (300..700).contains(count)),
            "{seen:?}"
        );
        assert_eq!(super::below(0), 0);
    }
}
