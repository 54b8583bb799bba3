//! Imports existing keys, so that an issuer can be replaced without breaking a verifier.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::{Algorithm, Jwk, KeyId, SigningKey, UnixTime};
use serde_json::Value;

use crate::error::Error;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use crate::keys::room::check_room;

/// The largest text that is read, in bytes.
const MAX_IMPORT_BYTES: usize = 1024 * 1024;

/// What [`import_keys`](crate::import_keys) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Keys that sign as soon as the issuer has them, one per algorithm: the store had no key before.
    pub signing: Vec<ImportedKey>,
    /// Keys that the issuer publishes first and signs with when verifiers know them (setting `key-announce-seconds`), one
    /// per algorithm.
    pub announced: Vec<ImportedKey>,
    /// Keys that are published only: further private keys of an algorithm, and public ones.
    pub published: Vec<ImportedKey>,
    /// Keys of the set that were left out, and why.
    pub skipped: Vec<SkippedKey>,
    /// The algorithm that the issuer signs with (setting `algorithm`). When no key in `signing` or `announced` has it,
    /// tokens are not signed by an imported key until the setting is changed.
    pub issuer_algorithm: Option<Algorithm>,
}

/// One imported key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedKey {
    /// Its name; kept when the file gave it one, else its RFC 7638 thumbprint.
    pub key_id: KeyId,
    /// What it signs with.
    pub algorithm: Algorithm,
}

/// One key that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its `kid`, when it has one.
    pub key_id: Option<String>,
    /// Why it was left out.
    pub reason: String,
}

/// The keys of a text, ready to be stored.
pub(crate) struct Found {
    keys: Vec<KeyRecord>,
    skipped: Vec<SkippedKey>,
}

impl Found {
    /// Compares with the keys that the store knows already, and leaves out public ones that it has. Beside keys that
    /// verifiers know, a key is announced before it signs; one that signs already goes on.
    ///
    /// # Errors
    /// [`Error::KeyIdTaken`] when two different keys have one name.
    pub(crate) fn reconcile(&mut self, known: &[KeyRecord]) -> Result<(), Error> {
        self.keys
            .retain(|key| key.private.is_some() || !known.iter().any(|old| old.kid == key.kid));
        let taken = self.keys.iter().find(|key| {
            let mut same_name = known.iter().filter(|old| old.kid == key.kid);
            same_name.any(|old| !same_key(old, key))
        });
        if let Some(key) = taken {
            let kid = key.kid.clone();
            return Err(Error::KeyIdTaken { kid });
        }
        for key in &mut self.keys {
            let before = known.iter().find(|old| old.kid == key.kid);
            match before.map(|old| old.state) {
                Some(KeyState::Tainted) => {
                    let problem = format!("key {:?} was tainted: make another one", key.kid);
                    return Err(import_error(problem));
                }
                Some(KeyState::Signing) if key.state == KeyState::Signing => {}
                _ if key.state == KeyState::Signing && !known.is_empty() => {
                    key.state = KeyState::Announced;
                }
                _ => {}
            }
            let same = before.filter(|old| old.state == key.state);
            key.since = same.and_then(|old| old.since);
        }
        Ok(())
    }

    /// Whether the issuer can still publish all keys of the store, and make one more of each algorithm.
    ///
    /// # Errors
    /// [`Error::Import`].
    pub(crate) fn check_room(&self, known: &[KeyRecord]) -> Result<(), Error> {
        check_room(known, &self.keys).map_err(import_error)
    }

    pub(crate) fn keys(&self) -> &[KeyRecord] {
        &self.keys
    }

    /// # Errors
    /// [`Error::Import`] when a name cannot be a key id.
    pub(crate) fn report(self, issuer_algorithm: Algorithm) -> Result<Imported, Error> {
        let mut imported = Imported {
            skipped: self.skipped,
            issuer_algorithm: Some(issuer_algorithm),
            ..Imported::default()
        };
        for key in self.keys {
            let key_id = key
                .kid
                .parse()
                .map_err(|_| import_error("a key id cannot be used"))?;
            let key_and_algorithm = ImportedKey {
                key_id,
                algorithm: key.algorithm,
            };
            match key.state {
                KeyState::Announced => imported.announced.push(key_and_algorithm),
                KeyState::Signing => imported.signing.push(key_and_algorithm),
                KeyState::Retired | KeyState::Published | KeyState::Tainted => {
                    imported.published.push(key_and_algorithm);
                }
            }
        }
        Ok(imported)
    }
}

/// Reads a private key in PEM, a private JWK, or a JWK set.
///
/// # Errors
/// [`Error::Import`] when `text` holds no usable private key.
pub(crate) fn parse(text: &str, now: UnixTime) -> Result<Found, Error> {
    if text.len() > MAX_IMPORT_BYTES {
        return Err(import_error("the file is larger than 1 MiB"));
    }
    let found = if text.trim_start().starts_with('{') {
        parse_json(text, now)?
    } else {
        parse_pem(text, now)?
    };
    if !found.keys.iter().any(|key| key.private.is_some()) {
        return Err(import_error("there is no usable private key in it"));
    }
    let names: BTreeSet<&str> = found.keys.iter().map(|key| key.kid.as_str()).collect();
    if names.len() != found.keys.len() {
        return Err(import_error("two keys have the same kid"));
    }
    Ok(found)
}

fn parse_pem(text: &str, now: UnixTime) -> Result<Found, Error> {
    let key = SigningKey::from_pem(text).map_err(|error| import_error(error.to_string()))?;
    let key = KeyRecord::of(&key, KeyState::Signing, KeyOrigin::Imported, now)?;
    Ok(Found {
        keys: vec![key],
        skipped: Vec::new(),
    })
}

fn parse_json(text: &str, now: UnixTime) -> Result<Found, Error> {
    // The library's own message could quote a part of the key.
    let json: Value = serde_json::from_str(text).map_err(|error| {
        import_error(format!(
            "line {} column {} is not valid JSON",
            error.line(),
            error.column()
        ))
    })?;
    let jwks = match json.get("keys") {
        Some(keys) => keys
            .as_array()
            .ok_or_else(|| import_error("keys is not an array"))?
            .clone(),
        None => vec![json],
    };
    let mut found = Found {
        keys: Vec::new(),
        skipped: Vec::new(),
    };
    for jwk in &jwks {
        let signing = found
            .keys
            .iter()
            .filter(|key| key.state == KeyState::Signing)
            .map(|key| key.algorithm)
            .collect();
        match parse_jwk(jwk, &signing, now) {
            Ok(key) => found.keys.push(key),
            Err(reason) => {
                let key_id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                found.skipped.push(SkippedKey { key_id, reason });
            }
        }
    }
    Ok(found)
}

/// One JWK of a set; `signing` are the algorithms that have their signing key already.
fn parse_jwk(
    jwk: &Value,
    signing: &BTreeSet<Algorithm>,
    now: UnixTime,
) -> Result<KeyRecord, String> {
    if jwk.get("d").is_none() {
        return parse_public_jwk(jwk, now);
    }
    let key = SigningKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    let state = if signing.contains(&key.algorithm()) {
        KeyState::Published
    } else {
        KeyState::Signing
    };
    KeyRecord::of(&key, state, KeyOrigin::Imported, now).map_err(|error| error.to_string())
}

fn parse_public_jwk(jwk: &Value, now: UnixTime) -> Result<KeyRecord, String> {
    let public = Jwk::from_value(jwk).map_err(|error| error.to_string())?;
    if Algorithm::VERIFY_ONLY.contains(&public.algorithm()) {
        return Err("it is of an algorithm that no token of this issuer has".to_owned());
    }
    let mut json = public.to_json();
    let kid = public.key_id().map_or_else(
        || BASE64URL.encode(public.thumbprint().0),
        ToString::to_string,
    );
    if let Some(members) = json.as_object_mut() {
        members.insert("kid".to_owned(), Value::from(kid.as_str()));
    }
    Ok(KeyRecord {
        algorithm: public.algorithm(),
        state: KeyState::Published,
        origin: KeyOrigin::Imported,
        public_jwk: json.to_string(),
        private: None,
        created_at: now.as_secs(),
        since: None,
        awaits_adoption: false,
        kid,
    })
}

fn same_key(one: &KeyRecord, other: &KeyRecord) -> bool {
    let thumbprint = |key: &KeyRecord| {
        let json: Value = serde_json::from_str(&key.public_jwk).ok()?;
        Some(Jwk::from_value(&json).ok()?.thumbprint())
    };
    one.algorithm == other.algorithm && thumbprint(one) == thumbprint(other)
}

fn import_error(problem: impl Into<String>) -> Error {
    Error::Import {
        problem: problem.into(),
    }
}
