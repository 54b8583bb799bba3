//! The fuzz target without a fuzzer: whole configurations, and what small damage makes of them.

use crate::entry;
use crate::seed::SEED;

/// Damaged copies of each seed.
const MUTATIONS: usize = 300;

/// A small generator (splitmix64) with a fixed start: the same inputs in every run.
struct Damage(u64);

impl Damage {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }

    fn of(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let inserted: &[&[u8]] = &[
                b"${PLANTED}",
                b"${",
                b"}",
                b": ",
                b"\n",
                b"  ",
                b"[",
                b"&a ",
                b"*a",
                b"'",
                b"\xff",
            ];
            match self.below(4) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.truncate(at),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {
                    let piece = inserted[self.below(inserted.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

#[test]
fn damaged_configurations_never_break_the_loader() {
    let flags = "hallpass.service.name: a #\nHALLPASS_SERVICE_LISTEN=x\ninternal-token.clients[0].scope=y\n";
    let mut damage = Damage(1);
    for seed in [
        SEED,
        include_str!("../../../hallpass-cli/tests/data/everything.yaml"),
        flags,
    ] {
        entry::config(seed.as_bytes());
        for _ in 0..MUTATIONS {
            entry::config(&damage.of(seed.as_bytes()));
        }
    }
}
