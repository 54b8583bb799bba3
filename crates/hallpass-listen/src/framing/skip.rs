//! Passing over bytes by their count.

/// How many of `count` bytes are here, and what follows them.
pub(super) fn skip(bytes: &[u8], count: u64) -> (u64, &[u8]) {
    let here = bytes
        .len()
        .min(usize::try_from(count).unwrap_or(usize::MAX));
    let taken = u64::try_from(here).unwrap_or(u64::MAX);
    (taken, bytes.get(here..).unwrap_or_default())
}
