//! Reading claims: strict about types (RFC 8725 section 3.11, and every advisory about a lenient reader), borrowed
//! where it can be, one pass.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::numeric_date::Round;
use super::reader::Reader;
use super::values::{ActorAt, Audiences, Bound, Words};
use super::{Actor, Confirmation, TokenClaims};
use crate::error::{Part, VerifyError};
use crate::json::{StrictValue, Text};
use crate::name::{Audience, ClientId, Issuer, Subject, TokenId};
use crate::scope::Scope;
use crate::time::UnixTime;

/// Reads the decoded claims set. `iss`, `sub`, `aud` and `exp` must be there; nothing is compared with anything.
pub(crate) fn parse(json: &[u8]) -> Result<TokenClaims, VerifyError> {
    parse_naming(json, &[], None).map(|read| read.claims)
}

/// A claims set that was read.
#[derive(Debug)]
pub(crate) struct ReadClaims {
    pub(crate) claims: TokenClaims,
    /// Whether the subject stands in `sub`.
    pub(crate) states_subject: bool,
}

/// As [`parse`]; where `sub` is absent, the first of `subject_claims` that is there is the subject. `issuer` stands in the place of
/// `iss`, whether that is there or not.
pub(crate) fn parse_naming(
    json: &[u8],
    subject_claims: &[Box<str>],
    issuer: Option<&Issuer>,
) -> Result<ReadClaims, VerifyError> {
    let text = std::str::from_utf8(json).map_err(|_| VerifyError::Malformed(Part::Claims))?;
    let reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let claims = deserializer
        .deserialize_map(Whole {
            reader: &reader,
            subject_claims,
            issuer,
        })
        .and_then(|claims| deserializer.end().map(|()| claims));
    if reader.notes.duplicate.get() {
        return Err(VerifyError::DuplicateMember);
    }
    if reader.notes.too_deep.get() {
        return Err(VerifyError::Malformed(Part::Nesting));
    }
    claims.map_err(|error| match (reader.fault.get(), reader.claim.get()) {
        (Some(fault), _) => fault,
        (None, Some(claim)) if error.is_data() => VerifyError::ClaimType { claim },
        _ => VerifyError::Malformed(Part::Claims),
    })
}

/// Reads `iss` alone, to choose the issuer whose keys verify the rest. Of several, the last; [`parse`] refuses them.
pub(crate) fn parse_issuer(json: &[u8]) -> Option<String> {
    struct IssuerOnly;

    impl<'de> Visitor<'de> for IssuerOnly {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("claims")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Option<String>, A::Error> {
            let mut issuer = None;
            while let Some(name) = members.next_key_seed(Text)? {
                if name == "iss" {
                    issuer = Some(members.next_value_seed(Text)?.into_owned());
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(issuer)
        }
    }

    serde_json::Deserializer::from_slice(json)
        .deserialize_map(IssuerOnly)
        .ok()?
}

/// Reads `aud` alone, to choose among the policies of one issuer. Of several, the last; [`parse`] refuses them.
pub(crate) fn parse_audiences(json: &[u8]) -> Vec<Audience> {
    struct AudiencesOnly;

    impl<'de> Visitor<'de> for AudiencesOnly {
        type Value = Vec<Audience>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("claims")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let (reader, mut audiences) = (Reader::default(), Vec::new());
            while let Some(name) = members.next_key_seed(Text)? {
                if name == "aud" {
                    audiences = members.next_value_seed(Audiences(&reader))?;
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(audiences)
        }
    }

    serde_json::Deserializer::from_slice(json)
        .deserialize_map(AudiencesOnly)
        .unwrap_or_default()
}

/// Whether `aud` is an array, and not one name. Of several, the last; [`parse`] refuses them.
pub(crate) fn has_audience_list(json: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct AudienceOnly<'j> {
        #[serde(borrow)]
        aud: &'j serde_json::value::RawValue,
    }
    let read = serde_json::from_slice::<AudienceOnly<'_>>(json);
    read.is_ok_and(|claims| claims.aud.get().starts_with('['))
}

/// The claims as far as they have been read.
#[derive(Default)]
struct Partial {
    issuer: Option<Issuer>,
    subject: Option<Subject>,
    audience: Option<Vec<Audience>>,
    client_id: Option<ClientId>,
    scope: Option<Scope>,
    issued_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    expires_at: Option<UnixTime>,
    token_id: Option<TokenId>,
    actor: Option<Actor>,
    confirmation: Option<Confirmation>,
    extra: Map<String, Value>,
}

/// The claims set as a whole.
struct Whole<'r> {
    reader: &'r Reader,
    subject_claims: &'r [Box<str>],
    issuer: Option<&'r Issuer>,
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ReadClaims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ReadClaims, A::Error> {
        let own = self.reader;
        let mut claims = Partial::default();
        while let Some(name) = members.next_key_seed(Text)? {
            let from = &mut members;
            match &*name {
                "iss" => own.once("iss", &mut claims.issuer, |reader| reader.name(from))?,
                "sub" => own.once("sub", &mut claims.subject, |reader| reader.name(from))?,
                "aud" => own.once("aud", &mut claims.audience, |reader| {
                    from.next_value_seed(Audiences(reader))
                })?,
                "client_id" => own.once("client_id", &mut claims.client_id, |reader| {
                    reader.name(from)
                })?,
                "scope" => own.once("scope", &mut claims.scope, |reader| {
                    from.next_value_seed(Words(reader))
                })?,
                "iat" => own.once("iat", &mut claims.issued_at, |reader| {
                    reader.time(from, Round::Up)
                })?,
                "nbf" => own.once("nbf", &mut claims.not_before, |reader| {
                    reader.time(from, Round::Up)
                })?,
                "exp" => own.once("exp", &mut claims.expires_at, |reader| {
                    reader.time(from, Round::Down)
                })?,
                "jti" => own.once("jti", &mut claims.token_id, |reader| reader.name(from))?,
                "act" => own.once("act", &mut claims.actor, |reader| {
                    from.next_value_seed(ActorAt { reader, depth: 1 })
                })?,
                "cnf" => own.once("cnf", &mut claims.confirmation, |reader| {
                    from.next_value_seed(Bound(reader))
                })?,
                _ => {
                    own.claim.set(None);
                    let strict = StrictValue::new(&own.notes, 2);
                    let value = from.next_value_seed(strict)?;
                    strict.insert(&mut claims.extra, name.into_owned(), value);
                }
            }
        }
        self.finish(claims)
    }
}

impl Whole<'_> {
    fn finish<E: Error>(&self, mut claims: Partial) -> Result<ReadClaims, E> {
        let missing = |claim| self.reader.fail::<E>(VerifyError::MissingClaim { claim });
        if claims.scope.is_none()
            && let Some(scp) = claims.extra.remove("scp")
        {
            self.reader.claim.set(Some("scp"));
            claims.scope = Some(self.scope_of(&scp)?);
        }
        let states_subject = claims.subject.is_some();
        if !states_subject {
            self.reader.claim.set(Some("sub"));
            claims.subject = self.subject_of(&claims)?;
        }
        let issuer = self.issuer.cloned().or(claims.issuer);
        let claims = TokenClaims {
            issuer: issuer.ok_or_else(|| missing("iss"))?,
            subject: claims.subject.ok_or_else(|| missing("sub"))?,
            audience: claims.audience.ok_or_else(|| missing("aud"))?,
            client_id: claims.client_id,
            scope: claims.scope.unwrap_or_default(),
            issued_at: claims.issued_at,
            not_before: claims.not_before,
            expires_at: claims.expires_at.ok_or_else(|| missing("exp"))?,
            token_id: claims.token_id,
            actor: claims.actor,
            confirmation: claims.confirmation,
            extra: claims.extra,
        };
        Ok(ReadClaims {
            claims,
            states_subject,
        })
    }

    /// The subject of a token without `sub`.
    fn subject_of<E: Error>(&self, claims: &Partial) -> Result<Option<Subject>, E> {
        let text = |name: &str| match name {
            "client_id" => claims.client_id.as_ref().map(ClientId::as_str),
            _ => claims.extra.get(name).and_then(Value::as_str),
        };
        let named = self.subject_claims.iter().find_map(|name| text(name));
        named
            .map(|name| Subject::try_from(name).map_err(|_| self.reader.bad_value()))
            .transpose()
    }

    /// The scope in a claim of a foreign issuer (`scp`): a text or an array of words.
    fn scope_of<E: Error>(&self, value: &Value) -> Result<Scope, E> {
        let wrong_type = || self.reader.fail(VerifyError::ClaimType { claim: "scp" });
        let scope = match value {
            Value::String(text) => text.parse(),
            Value::Array(words) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                Scope::from_words(words.ok_or_else(wrong_type)?)
            }
            _ => return Err(wrong_type()),
        };
        scope.map_err(|_| self.reader.bad_value())
    }
}
