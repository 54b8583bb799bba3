//! What was noted already, so that it need not be noted again.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many uses are remembered. Two of one place push each other out, and are noted more often, which costs a lock and no more.
const PLACES: usize = 1 << 16;

/// Half a megabyte for all clients together, whatever their number, and no lock: a client of a million has no room for such things of its own.
#[derive(Debug)]
pub(super) struct Seen(Box<[AtomicU64]>);

impl Default for Seen {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Seen {
    /// Whether a use of this hash was not noted yet.
    pub(super) fn is_new(&self, hash: u64) -> bool {
        let place = self.place(hash);
        place.is_none_or(|place| place.load(Ordering::Relaxed) != hash)
    }

    /// It was noted.
    pub(super) fn noted(&self, hash: u64) {
        if let Some(place) = self.place(hash) {
            place.store(hash, Ordering::Relaxed);
        }
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(hash >> 48).unwrap_or_default())
    }
}

/// A hash of a use in a span of time, never 0. Two uses of one hash would be one note less in that span.
pub(super) fn hash<'t>(texts: impl IntoIterator<Item = &'t [u8]>, span: u64) -> u64 {
    // FNV-1a, and the last steps of MurmurHash3, so that all bits count for the place.
    let begin = 0xcbf2_9ce4_8422_2325_u64 ^ span;
    let hash = texts.into_iter().fold(begin, |hash, text| {
        let bytes = text.iter().copied().chain([0]);
        bytes.fold(hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ (hash >> 33)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_and_nothing_else_is() {
        let seen = Seen::default();
        let of = |texts: &[&str], span| hash(texts.iter().map(|text| text.as_bytes()), span);
        let uses = [
            of(&["a", "b"], 7),
            of(&["a", "b"], 8),
            of(&["ab", ""], 7),
            of(&["a"], 7),
        ];
        for (index, use_of) in uses.iter().enumerate() {
            assert!(seen.is_new(*use_of));
            seen.noted(*use_of);
            assert!(uses[..=index].iter().all(|known| !seen.is_new(*known)));
        }
    }

    #[test]
    fn many_uses_find_places_of_their_own() {
        let seen = Seen::default();
        let hashes: Vec<_> = (0..10_000_u32)
            .map(|number| hash([&number.to_be_bytes()[..]], 1))
            .collect();
        hashes.iter().for_each(|hash| seen.noted(*hash));
        let known = hashes.iter().filter(|hash| !seen.is_new(**hash));
        assert!(known.count() > 8_500, "nearly all of them");
    }
}
