//! Random names that nobody guesses.

/// Nobody else has the same, in bytes.
const BYTES: usize = 16;

/// 128 random bits in 32 letters; `None` when the system gives none, and then no TLS works either.
pub(crate) fn random_name() -> Option<String> {
    let mut random = [0; BYTES];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(random)))
}
