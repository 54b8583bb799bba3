//! The signature algorithms that we sign with, and those that we only verify.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
///
/// Algorithms are a matter of the key and of the issuer's allow-list; the token's header only has to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256. The default: every verifier takes it.
    Es256,
    /// Ed25519. Twice as fast to sign. Written as `EdDSA`; the newer name `Ed25519` (RFC 9864) is read too.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 8192 bits. RFC 9068 section 2.1 obliges verifiers to know it.
    Rs256,
    /// ECDSA on P-384 with SHA-384. Verified for other issuers that are allowed to use it, never signed.
    Es384,
    /// RSASSA-PSS with SHA-256, keys of 2048 to 8192 bits. Verified for other issuers and clients that are allowed to use
    /// it, never signed.
    Ps256,
}

impl Algorithm {
    /// Every algorithm that we sign with.
    pub const EVERY: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];
    /// What others may sign with where their entry says so, and we never do.
    pub const VERIFY_ONLY: [Self; 2] = [Self::Es384, Self::Ps256];

    /// The name as it stands in the `alg` header parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Es256 => 1,
            Self::EdDsa => 2,
            Self::Rs256 => 4,
            Self::Es384 => 8,
            Self::Ps256 => 16,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no algorithm that we know. Names are case-sensitive (RFC 7515 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a supported signature algorithm (ES256, EdDSA, Ed25519, RS256, ES384, PS256)")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ES256" => Ok(Self::Es256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            "ES384" => Ok(Self::Es384),
            "PS256" => Ok(Self::Ps256),
            _ => Err(UnknownAlgorithm),
        }
    }
}

/// A set of [`Algorithm`]s: what an issuer is allowed to sign with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithms(u8);

impl Algorithms {
    /// All that we sign with. The default: what is only verified ([`Algorithm::VERIFY_ONLY`]) is allowed by name.
    pub const ALL: Self = Self(7);

    /// Those, and what is only verified. For what its maker chooses and what harms nobody else, such as proofs of possession.
    pub const WITH_VERIFY_ONLY: Self = Self(31);

    /// Whether the set has `algorithm`.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// Whether the set is empty; nothing verifies then.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of [`Algorithm::EVERY`], then of [`Algorithm::VERIFY_ONLY`].
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::EVERY
            .into_iter()
            .chain(Algorithm::VERIFY_ONLY)
            .filter(move |algorithm| self.contains(*algorithm))
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Algorithm> for Algorithms {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        Self(
            algorithms
                .into_iter()
                .fold(0, |set, algorithm| set | algorithm.bit()),
        )
    }
}

impl From<Algorithm> for Algorithms {
    fn from(algorithm: Algorithm) -> Self {
        Self(algorithm.bit())
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Algorithms, UnknownAlgorithm};

    #[test]
    fn reads_both_names_of_eddsa_and_writes_the_older_one() {
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
        assert_eq!("EdDSA".parse(), Ok(Algorithm::EdDsa));
        assert_eq!(Algorithm::EdDsa.to_string(), "EdDSA");
    }

    #[test]
    fn knows_no_unsafe_or_differently_written_name() {
        for name in [
            "none", "None", "HS256", "es256", "RS512", "PS384", "ES512", "Ed448", "", " ES256",
        ] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn a_set_holds_what_it_was_given() {
        let set: Algorithms = [Algorithm::Rs256, Algorithm::Es256].into_iter().collect();
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [Algorithm::Es256, Algorithm::Rs256]
        );
        assert!(!set.contains(Algorithm::EdDsa));
        assert_eq!(
            Algorithm::EVERY.into_iter().collect::<Algorithms>(),
            Algorithms::ALL
        );
        assert_eq!(
            Algorithm::EVERY
                .into_iter()
                .chain(Algorithm::VERIFY_ONLY)
                .collect::<Algorithms>(),
            Algorithms::WITH_VERIFY_ONLY
        );
        assert!(std::iter::empty().collect::<Algorithms>().is_empty());
    }
}
