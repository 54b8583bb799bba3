//! Why a client of the store is not changed.

use std::fmt;

use hallpass_token::UnixTime;

use crate::clients::moment;

/// Why a client of the store is not changed, beside what is wrong with its registration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFault {
    /// The store has none of this name.
    Unknown,
    /// The store has one of this name already.
    Taken,
    /// Somebody else has changed or removed it since it was looked at.
    Changed,
    /// It stands in the configuration, which no command changes.
    OfConfiguration {
        /// The file, the line and the column; empty where a program has made it.
        place: String,
    },
    /// It does not prove itself by a secret.
    NoSecret,
    /// The secret before its present one still counts: two are the most.
    TwoSecrets {
        /// Until when the old one counts.
        until: UnixTime,
    },
    /// The store is full.
    TooMany {
        /// How many clients it may have.
        most: usize,
    },
}

impl ClientFault {
    /// A stable name, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_client",
            Self::Taken => "client_exists",
            Self::Changed => "client_changed",
            Self::OfConfiguration { .. } => "client_of_configuration",
            Self::NoSecret => "client_has_no_secret",
            Self::TwoSecrets { .. } => "two_live_secrets",
            Self::TooMany { .. } => "too_many_clients",
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the store has no client of this name"),
            Self::Taken => f.write_str(
                "the store has a client of this name: change it with `hallpass client set`, or delete it first",
            ),
            Self::Changed => f.write_str(
                "somebody else has changed it meanwhile: look at it again, then decide",
            ),
            Self::OfConfiguration { place } if place.is_empty() => {
                f.write_str("a client of this name stands in the configuration: change it there")
            }
            Self::OfConfiguration { place } => write!(
                f,
                "a client of this name stands in the configuration, at {place}: change it there"
            ),
            Self::NoSecret => f.write_str("it does not prove itself by a secret"),
            Self::TwoSecrets { until } => write!(
                f,
                "the secret before the present one counts until {}, and two are the most: wait for that, or end it with `--end-previous`",
                moment::text(*until)
            ),
            Self::TooMany { most } => write!(f, "the store has {most} clients, which is the most"),
        }
    }
}
