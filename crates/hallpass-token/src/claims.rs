//! What a token says.

use std::fmt;

use aws_lc_rs::digest;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base64url;
use crate::name::{Audience, ClientId, Issuer, Subject, TokenId};
use crate::scope::Scope;
use crate::time::UnixTime;

mod numeric_date;
pub(crate) mod read;
mod reader;
mod values;

/// How many actors may stand behind one another in `act` (RFC 8693 section 4.1).
pub(crate) const MAX_ACTOR_DEPTH: usize = 4;

/// How many audiences a token may name. Our own name exactly one.
const MAX_AUDIENCES: usize = 32;

/// What an access token says, or is to say (RFC 9068 section 2.2): [`sign`](crate::sign()) makes a token of it.
///
/// Anybody can make one, so it proves nothing; what [`verify`](crate::verify()) has checked is
/// [`VerifiedClaims`](crate::VerifiedClaims). `Serialize` gives the form on the wire: `aud` as a string when there is
/// one, absent claims left out.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenClaims {
    /// Who issued the token (`iss`).
    pub issuer: Issuer,
    /// Whom it is about (`sub`).
    pub subject: Subject,
    /// Which services it is for (`aud`).
    pub audience: Vec<Audience>,
    /// The client that asked for it (`client_id`). Foreign issuers may leave it out.
    pub client_id: Option<ClientId>,
    /// What it allows (`scope`; read from `scp` too when there is no `scope`, and from arrays of words).
    pub scope: Scope,
    /// When it was issued (`iat`; a fraction of a second is rounded up). Never compared with the clock.
    pub issued_at: Option<UnixTime>,
    /// From when on it is valid (`nbf`; a fraction of a second is rounded up).
    pub not_before: Option<UnixTime>,
    /// Until when it is valid, exclusively (`exp`; a fraction of a second is cut off).
    pub expires_at: UnixTime,
    /// Its own name (`jti`).
    pub token_id: Option<TokenId>,
    /// Who acts for the subject (`act`). Decisions may use the outermost actor only; the rest is history.
    pub actor: Option<Actor>,
    /// The key that the sender must prove to hold (`cnf`). **Not checked by this crate**: who accepts such a token
    /// without that proof treats it as a plain bearer token, which RFC 8705 and RFC 9449 forbid.
    pub confirmation: Option<Confirmation>,
    /// All other claims, such as `roles`, as they came.
    pub extra: Map<String, Value>,
}

impl TokenClaims {
    /// Claims with what every token needs and nothing else.
    #[must_use]
    pub fn new(issuer: Issuer, subject: Subject, audience: Audience, expires_at: UnixTime) -> Self {
        Self {
            issuer,
            subject,
            audience: vec![audience],
            client_id: None,
            scope: Scope::empty(),
            issued_at: None,
            not_before: None,
            expires_at,
            token_id: None,
            actor: None,
            confirmation: None,
            extra: Map::new(),
        }
    }

    /// Whether the token says of its subject that it is a service (`sub_profile`, draft-mora-oauth-entity-profiles). The
    /// Hallpass issuer says so when it exchanges a service's token: its client is then not its subject, and nothing else
    /// would tell it from a user's.
    #[must_use]
    pub fn is_about_service(&self) -> bool {
        let profile = self.extra.get("sub_profile");
        profile.is_some_and(|profile| profile == "service")
    }

    /// Whether `name` is a claim with a field of its own, which `extra` must not have.
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        matches!(
            name,
            "iss"
                | "sub"
                | "aud"
                | "client_id"
                | "scope"
                | "iat"
                | "nbf"
                | "exp"
                | "jti"
                | "act"
                | "cnf"
        )
    }
}

/// A party that acts for the subject (RFC 8693 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Who acts (`sub`).
    #[serde(rename = "sub")]
    pub subject: Subject,
    /// The issuer that the actor's name belongs to (`iss`), where it is another one than the token's.
    #[serde(rename = "iss", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// The actor's client (`client_id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Who acted before (`act`). For the record only.
    #[serde(rename = "act", skip_serializing_if = "Option::is_none")]
    pub actor: Option<Box<Self>>,
}

impl Actor {
    /// An actor that is known by its name alone.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            issuer: None,
            client_id: None,
            actor: None,
        }
    }

    /// How many actors there are, this one included.
    #[must_use]
    pub fn depth(&self) -> usize {
        std::iter::successors(Some(self), |actor| actor.actor.as_deref()).count()
    }
}

/// The key that a sender must prove to hold (RFC 7800).
///
/// A confirmation without any member that we know is kept: the token is bound to *something*.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// SHA-256 of the sender's certificate (`x5t#S256`, RFC 8705 section 3.1).
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<Thumbprint>,
    /// Thumbprint of the sender's proof key (`jkt`, RFC 9449 section 6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
    /// All other members, such as `jwk` or `kid`, as they came. What they demand is not known, so nobody can say that it was
    /// proven.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Confirmation {
    /// Whether all that it demands is a key (`jkt`), a certificate (`x5t#S256`), or both: who checks these has checked it whole. Not so
    /// where another member may demand anything, or where nothing is named at all.
    ///
    /// Keycloak writes `"kc-jkt-type": "DPoP"` beside `jkt`, which says what `jkt` says.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let says_the_same = |(name, value): (&String, &Value)| {
            name == "kc-jkt-type" && value == "DPoP" && self.jkt.is_some()
        };
        (self.jkt.is_some() || self.x5t_s256.is_some()) && self.others.iter().all(says_the_same)
    }
}

/// A SHA-256 digest that is written as base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// That of a certificate in DER (`x5t#S256`, RFC 8705 section 3.1).
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Self {
        Self::of(der)
    }

    /// The digest of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut sum = [0; 32];
        let digest = digest::digest(&digest::SHA256, bytes);
        for (to, from) in sum.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(sum)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        base64url::decode_array(text).ok().map(Self)
    }
}

/// As it is written in a token.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base64url::encode(&self.0))
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(&self.0))
    }
}

impl Serialize for TokenClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", &self.issuer)?;
        map.serialize_entry("sub", &self.subject)?;
        match self.audience.as_slice() {
            [one] => map.serialize_entry("aud", one)?,
            several => map.serialize_entry("aud", several)?,
        }
        optional(&mut map, "client_id", self.client_id.as_ref())?;
        // An empty scope is left out, unless a reader would then take `scp` for it.
        if !self.scope.is_empty() || self.extra.contains_key("scp") {
            map.serialize_entry("scope", &self.scope)?;
        }
        optional(&mut map, "iat", self.issued_at.as_ref())?;
        optional(&mut map, "nbf", self.not_before.as_ref())?;
        map.serialize_entry("exp", &self.expires_at)?;
        optional(&mut map, "jti", self.token_id.as_ref())?;
        optional(&mut map, "act", self.actor.as_ref())?;
        optional(&mut map, "cnf", self.confirmation.as_ref())?;
        for (name, value) in self
            .extra
            .iter()
            .filter(|(name, _)| !Self::is_reserved(name))
        {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(name, value),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
