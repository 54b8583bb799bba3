//! The JOSE header (RFC 7515 section 4), read strictly.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::algorithm::Algorithm;
use crate::error::{Part, VerifyError};
use crate::json::{Notes, StrictValue, Text};
use crate::name::KeyId;

/// What of the header counts. All else (`jwk`, `jku`, `x5c`, `x5u` ...) is read over: keys come from configuration
/// alone, never from a token.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) typ: Typ,
}

/// The `typ` header parameter, as far as we tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    /// `at+jwt` or `application/at+jwt`, in any case (RFC 9068 section 4).
    AccessToken,
    /// `JWT`, in any case.
    Jwt,
    /// `client-authentication+jwt` (draft-ietf-oauth-rfc7523bis), likewise.
    ClientAuthentication,
    Absent,
    Other,
}

/// The `typ` header that a token is written with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// `at+jwt` (RFC 9068 section 2.1): a verifier cannot take an ID token for it.
    #[default]
    AccessToken,
    /// `JWT` (RFC 7519 section 5.1), for verifiers that refuse `at+jwt`, such as a stock Spring Security resource server.
    Jwt,
}

impl TokenType {
    /// The value of `typ`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

impl Typ {
    fn parse(text: &str) -> Self {
        let text = match text.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
            _ => text,
        };
        if text.eq_ignore_ascii_case("at+jwt") {
            Self::AccessToken
        } else if text.eq_ignore_ascii_case("jwt") {
            Self::Jwt
        } else if text.eq_ignore_ascii_case("client-authentication+jwt") {
            Self::ClientAuthentication
        } else {
            Self::Other
        }
    }
}

impl Header {
    /// Reads the decoded header.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        let text = std::str::from_utf8(json).map_err(|_| VerifyError::Malformed(Part::Header))?;
        let reader = Reader::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let header = deserializer
            .deserialize_map(&reader)
            .and_then(|header| deserializer.end().map(|()| header));
        if reader.notes.duplicate.get() {
            return Err(VerifyError::DuplicateMember);
        }
        if reader.notes.too_deep.get() {
            return Err(VerifyError::Malformed(Part::Nesting));
        }
        header.map_err(|_| {
            reader
                .fault
                .get()
                .unwrap_or(VerifyError::Malformed(Part::Header))
        })
    }
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    /// The reason of an error that this reader, not serde, has made.
    fault: Cell<Option<VerifyError>>,
}

impl Reader {
    fn fail<E: Error>(&self, fault: VerifyError) -> E {
        self.fault.set(Some(fault));
        E::custom(fault)
    }
}

impl<'de> Visitor<'de> for &Reader {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        let (mut algorithm, mut key_id, mut typ) = (None, None, None);
        let mut others: BTreeSet<Cow<'de, str>> = BTreeSet::new();
        let mut extension = false;
        while let Some(name) = members.next_key_seed(Text)? {
            let twice = match &*name {
                "alg" => algorithm.replace(members.next_value_seed(Text)?).is_some(),
                "kid" => key_id.replace(members.next_value_seed(Text)?).is_some(),
                "typ" => typ
                    .replace(Typ::parse(&members.next_value_seed(Text)?))
                    .is_some(),
                _ => {
                    let value = members.next_value_seed(StrictValue::new(&self.notes, 2))?;
                    extension |= name == "crit" || (name == "b64" && value != true);
                    !others.insert(name)
                }
            };
            if twice {
                self.notes.duplicate.set(true);
            }
        }
        if extension {
            return Err(self.fail(VerifyError::CriticalHeader));
        }
        let algorithm = algorithm.ok_or_else(|| self.fail(VerifyError::Malformed(Part::Header)))?;
        let algorithm = algorithm
            .parse()
            .map_err(|_| self.fail(VerifyError::AlgorithmUnsupported))?;
        let key_id = key_id.map(|name| KeyId::try_from(&*name)).transpose();
        let key_id = key_id.map_err(|_| self.fail(VerifyError::Malformed(Part::Header)))?;
        Ok(Header {
            algorithm,
            key_id,
            typ: typ.unwrap_or(Typ::Absent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Typ};
    use crate::error::{Part, VerifyError};

    #[test]
    fn typ_compares_without_case_and_with_an_optional_prefix() {
        for text in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/At+Jwt",
        ] {
            assert_eq!(Typ::parse(text), Typ::AccessToken, "{text}");
        }
        for text in ["jwt", "JWT", "application/jwt"] {
            assert_eq!(Typ::parse(text), Typ::Jwt, "{text}");
        }
        for text in [
            "",
            "at+jwt ",
            "at",
            "dpop+jwt",
            "JOSE",
            "application/application/jwt",
            "äpplication/jwt",
        ] {
            assert_eq!(Typ::parse(text), Typ::Other, "{text}");
        }
    }

    #[test]
    fn every_fault_has_its_own_reason() {
        let malformed = VerifyError::Malformed(Part::Header);
        let deep = format!(
            r#"{{"alg":"ES256","x":{}{}}}"#,
            "[".repeat(17),
            "]".repeat(17)
        );
        let rows = [
            ("", malformed),
            ("[]", malformed),
            ("{}", malformed),
            (r#"{"alg":"ES256"} x"#, malformed),
            (r#"{"alg":["ES256"]}"#, malformed),
            (r#"{"alg":null}"#, malformed),
            (r#"{"alg":"ES256","kid":7}"#, malformed),
            (r#"{"alg":"ES256","kid":""}"#, malformed),
            (r#"{"alg":"ES256","typ":7}"#, malformed),
            ("{\"alg\":\"ES256\",\"kid\":\"\\ud800\"}", malformed),
            (r#"{"alg":"none"}"#, VerifyError::AlgorithmUnsupported),
            (r#"{"alg":"HS256"}"#, VerifyError::AlgorithmUnsupported),
            (
                r#"{"alg":"ES256","crit":["exp"]}"#,
                VerifyError::CriticalHeader,
            ),
            (r#"{"alg":"ES256","crit":[]}"#, VerifyError::CriticalHeader),
            (
                r#"{"alg":"ES256","b64":false}"#,
                VerifyError::CriticalHeader,
            ),
            (
                r#"{"alg":"ES256","b64":"true"}"#,
                VerifyError::CriticalHeader,
            ),
            (
                r#"{"alg":"none","alg":"ES256"}"#,
                VerifyError::DuplicateMember,
            ),
            (
                r#"{"alg":"ES256","a\u006cg":"ES256"}"#,
                VerifyError::DuplicateMember,
            ),
            (
                r#"{"alg":"ES256","x":1,"x":1}"#,
                VerifyError::DuplicateMember,
            ),
            (
                r#"{"alg":"ES256","jwk":{"x":1,"x":1}}"#,
                VerifyError::DuplicateMember,
            ),
            (deep.as_str(), VerifyError::Malformed(Part::Nesting)),
        ];
        for (text, expected) in rows {
            assert_eq!(
                Header::parse(text.as_bytes()).map(|_| ()),
                Err(expected),
                "{text}"
            );
        }
        assert_eq!(
            Header::parse(b"{\"alg\":\"ES256\xff\"}").map(|_| ()),
            Err(malformed)
        );
    }
}
