//! A set of public keys (RFC 7517 section 5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::algorithm::Algorithm;
use crate::claims::Thumbprint;
use crate::error::VerifyError;
use crate::json::{Notes, StrictValue, Text};
use crate::jwk::{Jwk, JwkError};
use crate::name::KeyId;

/// The largest JWK set that is read, in bytes. Sets with certificates in them stay far below.
pub const MAX_JWK_SET_BYTES: usize = 512 * 1024;

/// How many keys a set may have, unusable ones included.
const MAX_KEYS: usize = 256;

/// Public keys, parsed once and ready to verify with.
///
/// A key that cannot be used (unknown type, wrong use, damaged) is left out and named in [`skipped`](Self::skipped);
/// the others stay. A second key of the same name and algorithm is left out too.
///
/// ```
/// use hallpass_token::JwkSet;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = JwkSet::parse(br#"{ "keys": [{ "kty": "oct", "kid": "old", "k": "c2VjcmV0" }] }"#)?;
/// assert!(set.keys().is_empty(), "symmetric keys are not used");
/// for skipped in set.skipped() {
///     println!("{:?}: {}", skipped.kid, skipped.reason);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    skipped: Vec<SkippedJwk>,
    certificates: Vec<Thumbprint>,
}

/// A key of a set that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedJwk {
    /// Its name, where it has one.
    pub kid: Option<KeyId>,
    /// Why it is not used.
    pub reason: JwkError,
}

/// Why a whole set cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Longer than [`MAX_JWK_SET_BYTES`]; nothing was parsed.
    #[error("the JWK set is larger than {MAX_JWK_SET_BYTES} bytes")]
    TooLarge,
    /// Not a JSON object with an array `keys`: for example an error page of a proxy.
    #[error("not a JWK set: not a JSON object with an array keys")]
    Malformed,
    /// The set itself has a member twice; which `keys` would be meant?
    #[error("the JWK set has a member twice")]
    DuplicateMember,
    /// More than 256 keys.
    #[error("the JWK set has more than {MAX_KEYS} keys")]
    TooManyKeys,
}

impl JwkSetError {
    /// The stable name of this reason, in snake case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "jwk_set_too_large",
            Self::Malformed => "jwk_set_malformed",
            Self::DuplicateMember => "jwk_set_duplicate_member",
            Self::TooManyKeys => "jwk_set_too_many_keys",
        }
    }
}

impl JwkSet {
    /// A set of these keys. Of several with one name and algorithm the first is used.
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.add(key);
        }
        set
    }

    /// Reads a set. An empty one is fine: it verifies nothing.
    ///
    /// # Errors
    /// [`JwkSetError`] when the document is not a set at all. Unusable keys are not an error.
    pub fn parse(json: &[u8]) -> Result<Self, JwkSetError> {
        if json.len() > MAX_JWK_SET_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let text = std::str::from_utf8(json).map_err(|_| JwkSetError::Malformed)?;
        let notes = Notes::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let entries = deserializer
            .deserialize_map(SetVisitor(&notes))
            .map_err(|_| JwkSetError::Malformed)?;
        deserializer.end().map_err(|_| JwkSetError::Malformed)?;
        if notes.duplicate.get() {
            return Err(JwkSetError::DuplicateMember);
        }
        let entries = entries.ok_or(JwkSetError::Malformed)?;
        if entries.len() > MAX_KEYS {
            return Err(JwkSetError::TooManyKeys);
        }
        let mut set = Self::default();
        for entry in entries {
            set.certificates.extend(entry.certificate());
            match entry.key() {
                Ok(key) => set.add(key),
                Err(reason) => set.skipped.push(SkippedJwk {
                    kid: entry.kid(),
                    reason,
                }),
            }
        }
        Ok(set)
    }

    fn add(&mut self, key: Jwk) {
        let twin = |own: &Jwk| own.algorithm() == key.algorithm() && own.key_id() == key.key_id();
        if key.key_id().is_some() && self.keys.iter().any(twin) {
            self.skipped.push(SkippedJwk {
                kid: key.key_id().cloned(),
                reason: JwkError::DuplicateKeyId,
            });
        } else {
            self.keys.push(key);
        }
    }

    /// The usable keys, in the order of the set.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys that are not used.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedJwk] {
        &self.skipped
    }

    /// The certificates that the keys of the set say they have (`x5c`, the first one, or `x5t#S256`; RFC 7517 sections 4.7 and 4.9),
    /// those of keys that are not used included. **Not checked**: whether key and certificate belong together, and all that a
    /// certificate says.
    #[must_use]
    pub fn certificates(&self) -> &[Thumbprint] {
        &self.certificates
    }

    /// Whether there is a usable key of this name.
    #[must_use]
    pub fn contains(&self, key_id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.key_id() == Some(key_id))
    }

    /// The key for a token. Without a name there must be exactly one key of the algorithm.
    ///
    /// # Errors
    /// [`VerifyError::UnknownKey`] when there is none, [`VerifyError::AlgorithmMismatch`] when the named one is for
    /// another algorithm.
    pub fn find(&self, key_id: Option<&KeyId>, algorithm: Algorithm) -> Result<&Jwk, VerifyError> {
        let mut fitting = self.keys.iter().filter(|key| key.is_for(algorithm));
        let Some(key_id) = key_id else {
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(key),
                _ => Err(VerifyError::UnknownKey),
            };
        };
        fitting
            .find(|key| key.key_id() == Some(key_id))
            .ok_or_else(|| {
                if self.contains(key_id) {
                    VerifyError::AlgorithmMismatch
                } else {
                    VerifyError::UnknownKey
                }
            })
    }

    /// The set as JSON, usable keys only, without any private part.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"keys": self.keys.iter().map(Jwk::to_json).collect::<Vec<_>>()})
    }
}

/// One member of `keys`, with what is wrong with it as JSON.
struct Entry {
    /// `None` when it is JSON by its form alone.
    value: Option<Value>,
    notes: Notes,
}

impl Entry {
    /// Each key is read for itself, so that none can spoil the others.
    fn read(json: &RawValue) -> Self {
        let notes = Notes::default();
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        let value = StrictValue::new(&notes, 1).deserialize(&mut deserializer);
        Self {
            value: value.ok(),
            notes,
        }
    }

    fn key(&self) -> Result<Jwk, JwkError> {
        if self.notes.duplicate.get() {
            return Err(JwkError::DuplicateMember);
        }
        if self.notes.too_deep.get() {
            return Err(JwkError::TooDeep);
        }
        Jwk::from_value(self.value.as_ref().ok_or(JwkError::Unreadable)?)
    }

    /// Its certificate; `None` without one, and where two members speak of different ones.
    fn certificate(&self) -> Option<Thumbprint> {
        let key = self.value.as_ref()?;
        if self.notes.duplicate.get() || self.notes.too_deep.get() {
            return None;
        }
        let own = key.get("x5c").map(|chain| {
            // RFC 7517 section 4.7: base64, not base64url.
            let der = STANDARD.decode(chain.get(0)?.as_str()?).ok()?;
            Some(Thumbprint::of_certificate(&der))
        });
        let said = key
            .get("x5t#S256")
            .map(|said| Thumbprint::parse(said.as_str()?));
        match (own, said) {
            (Some(own), Some(said)) => own.filter(|own| said.as_ref() == Some(own)),
            (own, said) => own.or(said)?,
        }
    }

    fn kid(&self) -> Option<KeyId> {
        KeyId::try_from(self.value.as_ref()?.get("kid")?.as_str()?).ok()
    }
}

struct SetVisitor<'n>(&'n Notes);

impl<'de> Visitor<'de> for SetVisitor<'_> {
    type Value = Option<Vec<Entry>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWK set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut keys = None;
        let mut others = serde_json::Map::new();
        while let Some(name) = members.next_key_seed(Text)? {
            if name == "keys" {
                if keys.replace(members.next_value_seed(Entries)?).is_some() {
                    self.0.duplicate.set(true);
                }
            } else {
                let strict = StrictValue::new(self.0, 2);
                let value = members.next_value_seed(strict)?;
                strict.insert(&mut others, name.into_owned(), value);
            }
        }
        Ok(keys)
    }
}

struct Entries;

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(json) = items.next_element::<&RawValue>()? {
            entries.push(Entry::read(json));
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests;
