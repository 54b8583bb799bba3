//! What a client is held to beyond what every client is.

use hallpass_token::{Algorithm, Algorithms};

/// `profile` of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientProfile {
    /// `fapi2`: the FAPI 2.0 Security Profile, as far as it is about a client that asks for tokens without a browser. It proves who it
    /// is by a key or a certificate, gets bound tokens alone, and neither it nor its tokens are signed with RS256.
    Fapi2,
}

impl ClientProfile {
    /// Whether each use of a refresh token brings another one in its place. Bound tokens of a client that proves who it is gain nothing by
    /// that, and a response that gets lost costs the client its grant (FAPI 2.0 Security Profile section 5.3.2.1).
    pub(crate) const fn rotates_refresh_tokens(self) -> bool {
        match self {
            Self::Fapi2 => false,
        }
    }

    /// What assertions, proofs and tokens may be signed with (FAPI 2.0 Security Profile section 5.4.1).
    pub(crate) fn algorithms(self) -> Algorithms {
        match self {
            Self::Fapi2 => [Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa]
                .into_iter()
                .collect(),
        }
    }
}
