//! Who of several processes may ask for a token.

use std::fmt;

use hallpass_upstream::random_below;

/// What a tier says to a process that wants to be the one that asks the issuer for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// This process asks, until it gives the lease back or the lease ends.
    Held(LeaseId),
    /// Another one does; its token will be in the tier soon.
    Elsewhere,
    /// The tier has no leases: everybody asks.
    Unknown,
}

/// Tells one holder of a lease from another: 16 bytes by chance. Not a secret, and not hard to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId([u8; 16]);

impl LeaseId {
    /// An identifier that no other process will draw.
    #[must_use]
    pub fn random() -> Self {
        let half = || u128::from(random_below(u64::MAX));
        Self(((half() << u64::BITS) | half()).to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_leases_are_told_by_the_same_text() {
        let texts: std::collections::HashSet<_> =
            (0..1_000).map(|_| LeaseId::random().to_string()).collect();
        assert_eq!(texts.len(), 1_000);
        assert!(texts.iter().all(|text| text.len() == 32));
        for half in [0..16, 16..32] {
            let halves: std::collections::HashSet<_> =
                texts.iter().map(|text| &text[half.clone()]).collect();
            assert_eq!(halves.len(), 1_000);
        }
    }
}
