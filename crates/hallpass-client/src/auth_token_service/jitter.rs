//! Random numbers that spread work in time. Not for secrets.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64, seeded per process from the standard library's hash keys.
#[derive(Debug)]
pub(crate) struct Jitter {
    state: AtomicU64,
}

impl Jitter {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(RandomState::new().build_hasher().finish()),
        }
    }

    /// A number anywhere in the range of `u32`.
    pub(crate) fn next(&self) -> u32 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .state
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spread_over_the_range() {
        let jitter = Jitter::new();
        let low = (0..10_000).filter(|_| jitter.next() < u32::MAX / 2).count();
        assert!(
            (4_500..5_500).contains(&low),
            "{low} of 10000 in the lower half"
        );
    }
}
