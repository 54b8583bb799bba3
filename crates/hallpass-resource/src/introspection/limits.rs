//! Which tokens an issuer is asked about, how often, and how long what it says is believed.

use std::time::Duration;

/// Which tokens an issuer is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AskedTokens {
    /// `opaque`: those that are not in three parts, as a JWS is. They do not say whose they are, so one issuer of a service at most takes
    /// them.
    #[default]
    Opaque,
    /// `jwt`: those that are, and name the issuer in `iss`: its tokens are asked about although they could be read.
    Jwt,
    /// `all`: both.
    All,
}

impl AskedTokens {
    pub(crate) const fn has_opaque(self) -> bool {
        matches!(self, Self::Opaque | Self::All)
    }

    pub(crate) const fn has_jwt(self) -> bool {
        matches!(self, Self::Jwt | Self::All)
    }
}

/// How often an issuer is asked, and how long what it says is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrospectionLimits {
    /// How long a token that is good is believed to be, and never past its own end. A revocation is noticed that late. Default 30 s;
    /// zero: each request asks.
    pub cache: Duration,
    /// How long one that is not good is refused without a question. Default 10 s.
    pub negative_cache: Duration,
    /// Longest time of one question, all instances and the body included. Default 2 s.
    pub timeout: Duration,
    /// Questions a second about tokens that were not good before, and so many at once after a quiet second. Default 50.
    pub new_per_second: u32,
}

impl Default for IntrospectionLimits {
    fn default() -> Self {
        Self {
            cache: Duration::from_secs(30),
            negative_cache: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            new_per_second: 50,
        }
    }
}
