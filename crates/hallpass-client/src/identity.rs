//! Whose identity a call carries, in the words of configuration and code.

use std::fmt;

/// Whose identity an outgoing call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// `service`: that of the calling service.
    Service,
    /// `relay`: the caller's own token, unchanged.
    Relay,
    /// `exchange`: the user, with the calling service as the actor (RFC 8693).
    Exchange,
    /// `none`: nobody's.
    None,
}

/// What happens to a call whose identity is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenAbsent {
    /// `fail`: the call fails before anything is sent.
    Fail,
    /// `service`: it goes out as the calling service.
    Service,
    /// `none`: it goes out without an identity.
    None,
}

impl Identity {
    const ALL: [Self; 4] = [Self::Service, Self::Relay, Self::Exchange, Self::None];

    /// The name in configuration and in code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Relay => "relay",
            Self::Exchange => "exchange",
            Self::None => "none",
        }
    }

    /// The identity with that name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|identity| identity.as_str() == name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl WhenAbsent {
    const ALL: [Self; 3] = [Self::Fail, Self::Service, Self::None];

    /// The name in configuration and in code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Service => "service",
            Self::None => "none",
        }
    }

    /// The one with that name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|absent| absent.as_str() == name)
    }
}
