//! Names that are always valid: issuer, subject, audience and so on.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// The text is not a name: empty, longer than its limit, or it has a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {limit} bytes without control characters")]
pub struct InvalidName {
    /// The longest allowed name in bytes.
    pub limit: usize,
}

fn check(text: &str, limit: usize) -> Result<(), InvalidName> {
    // ASCII, nearly always, is checked bytewise; only other text pays for the decoding.
    let bad = if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    };
    if text.is_empty() || text.len() > limit || bad {
        return Err(InvalidName { limit });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $limit:expr) => {
        $(#[$doc])*
        ///
        /// Not empty, bounded in length, without control characters; nothing else is checked. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest allowed name in bytes.
            pub const MAX_BYTES: usize = $limit;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                check(text, Self::MAX_BYTES)?;
                Ok(Self(Arc::from(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::try_from(text.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // A name hashes and compares as its text does, so that a map can be asked with text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::try_from(text).map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

name! {
    /// Who issued a token (`iss`, RFC 7519 section 4.1.1). Compared byte for byte; `internal` is as good as a URL.
    Issuer, 2048
}
name! {
    /// Whom a token is about (`sub`, RFC 7519 section 4.1.2): a user, or a service by its client id.
    Subject, 2048
}
name! {
    /// The service that a token is for (`aud`, RFC 7519 section 4.1.3).
    Audience, 2048
}
name! {
    /// The OAuth client that asked for a token (`client_id`, RFC 8693 section 4.3).
    ClientId, 512
}
name! {
    /// The name of a key (`kid`, RFC 7515 section 4.1.4).
    KeyId, 512
}
name! {
    /// The name of one token (`jti`, RFC 7519 section 4.1.7).
    TokenId, 512
}

/// The names of nobody: they stand in no token, and nothing can be asked of them.
pub(crate) fn of_nobody() -> (Issuer, Subject, Audience) {
    let name = || Arc::from("hallpass:nobody");
    (
        Issuer(name()),
        Subject(Arc::from("anonymousUser")),
        Audience(name()),
    )
}

/// A service that acts for itself: its tokens are about the client.
impl From<&ClientId> for Subject {
    fn from(client: &ClientId) -> Self {
        const { assert!(ClientId::MAX_BYTES <= Self::MAX_BYTES) };
        Self(Arc::clone(&client.0))
    }
}

impl Issuer {
    /// `internal`: the name of an issuer that was given none.
    #[must_use]
    pub fn internal() -> Self {
        Self(Arc::from("internal"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Audience, InvalidName, KeyId};

    #[test]
    fn refuses_what_is_no_name() {
        let long = "x".repeat(513);
        for text in ["", "a\nb", "a\0", "\u{85}", long.as_str()] {
            assert_eq!(
                KeyId::try_from(text),
                Err(InvalidName { limit: 512 }),
                "{text:?}"
            );
        }
        assert!(KeyId::try_from("x".repeat(512)).is_ok());
        assert_eq!("服务".parse::<Audience>().unwrap(), "服务");
    }

    #[test]
    fn travels_through_json_and_is_checked_on_the_way_in() {
        let audience: Audience = serde_json::from_str("\"service-system\"").unwrap();
        assert_eq!(
            serde_json::to_string(&audience).unwrap(),
            "\"service-system\""
        );
        assert!(serde_json::from_str::<Audience>("\"\"").is_err());
        assert!(serde_json::from_str::<Audience>("7").is_err());
    }
}
