//! Fuzz targets without a fuzzer: the corpus that stands in the tree, seeds of the test, and what small damage makes of both.

use std::fs;
use std::path::Path;

/// Damaged copies of each seed, and of each file of the corpus.
const OF_A_SEED: u32 = 400;
const OF_A_FILE: u32 = 10;

/// Damages texts. A small generator (splitmix64) with a fixed start: the same inputs in every run.
pub(crate) struct Damage {
    state: u64,
    /// What is put in: the signs that mean something to the parser.
    pieces: &'static [&'static [u8]],
}

impl Damage {
    pub(crate) const fn new(pieces: &'static [&'static [u8]]) -> Self {
        Self { state: 1, pieces }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }

    /// `seed` with one to four small changes.
    pub(crate) fn of(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(bytes.len()), self.below(bytes.len()));
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => bytes.extend_from_within(at.min(other)..at.max(other)),
                4 if !bytes.is_empty() => bytes.swap(at, other),
                _ => {
                    let piece = self.pieces[self.below(self.pieces.len())];
                    drop(bytes.splice(at..at, piece.iter().copied()));
                }
            }
        }
        bytes
    }

    /// Runs `entry` on `seeds`, on the files in `corpus`, and on damaged copies of all of them.
    pub(crate) fn run(mut self, entry: fn(&[u8]), seeds: &[Vec<u8>], corpus: &str) {
        let files = files(corpus);
        let seeds = seeds.iter().map(|seed| (seed, OF_A_SEED));
        for (input, copies) in seeds.chain(files.iter().map(|file| (file, OF_A_FILE))) {
            entry(input);
            for _ in 0..copies {
                entry(&self.of(input));
            }
        }
    }
}

/// In an order of their own, so that each run is the same. A target whose corpus is missing tests less than it says.
fn files(corpus: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(corpus))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!paths.is_empty(), "{corpus} is empty");
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
