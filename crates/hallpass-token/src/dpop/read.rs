//! Reading header and claims of a proof: strictly, without believing them.

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::error::DpopError;
use crate::algorithm::{Algorithm, Algorithms};
use crate::base64url;
use crate::claims::Thumbprint;
use crate::json::{Notes, StrictValue};
use crate::jwk::Jwk;
use crate::name::TokenId;
use crate::time::UnixTime;

/// The value of `typ`.
pub(super) const PROOF_TYPE: &str = "dpop+jwt";
/// Longest nonce that is read, in bytes.
const MAX_NONCE_BYTES: usize = 512;
/// Members that only a private or a shared key has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A proof that was taken apart. Its signature is not checked.
pub(super) struct UnverifiedProof<'p> {
    /// Header and payload with the dot between: what is signed.
    signed: &'p str,
    algorithm: Algorithm,
    key: Jwk,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// What a proof says.
pub(super) struct ProofClaims {
    pub(super) id: TokenId,
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) issued_at: UnixTime,
    pub(super) access_token: Option<Thumbprint>,
    pub(super) nonce: Option<Box<str>>,
}

impl<'p> UnverifiedProof<'p> {
    /// Takes a proof apart: type and algorithm before anything else that it says.
    pub(super) fn parse(proof: &'p str, allowed: Algorithms) -> Result<Self, DpopError> {
        let (signed, signature) = proof.rsplit_once('.').ok_or(DpopError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(DpopError::Malformed)?;
        let header = object(header)?;
        if text(&header, "typ") != Some(PROOF_TYPE) {
            return Err(DpopError::Type);
        }
        // No extension is known, so none may be demanded (RFC 7515 section 4.1.11, RFC 7797 section 3).
        let is_encoded = header.get("b64").is_none_or(|value| *value == true);
        if header.contains_key("crit") || !is_encoded {
            return Err(DpopError::Malformed);
        }
        let algorithm = text(&header, "alg").and_then(|name| name.parse().ok());
        let algorithm = algorithm
            .filter(|it| allowed.contains(*it))
            .ok_or(DpopError::Algorithm)?;
        let key = header.get("jwk").ok_or(DpopError::Key)?;
        let has = |name| key.get(name).is_some();
        if PRIVATE_MEMBERS.into_iter().any(has) {
            return Err(DpopError::PrivateKey);
        }
        let key = Jwk::from_value(key).map_err(|_| DpopError::Key)?;
        if !key.is_for(algorithm) {
            return Err(DpopError::Algorithm);
        }
        let decode = |part| base64url::decode(part).map_err(|_| DpopError::Malformed);
        Ok(Self {
            signed,
            algorithm,
            key,
            signature: decode(signature)?,
            payload: decode(payload)?,
        })
    }

    /// The claims, and the thumbprint of the key that has signed them.
    pub(super) fn verify(self) -> Result<(ProofClaims, Thumbprint), DpopError> {
        let message = self.signed.as_bytes();
        if !self.key.verifies(self.algorithm, message, &self.signature) {
            return Err(DpopError::Signature);
        }
        Ok((ProofClaims::read(&self.payload)?, self.key.thumbprint()))
    }
}

impl ProofClaims {
    fn read(payload: &[u8]) -> Result<Self, DpopError> {
        let claims = strict_object(payload)?;
        let needed = |name| text(&claims, name).ok_or(DpopError::Malformed);
        let issued_at = claims.get("iat").and_then(seconds);
        let access_token = optional_text(&claims, "ath")?
            .map(|text| Thumbprint::parse(text).ok_or(DpopError::AccessToken));
        let nonce = optional_text(&claims, "nonce")?;
        if nonce.is_some_and(|nonce| nonce.len() > MAX_NONCE_BYTES) {
            return Err(DpopError::Malformed);
        }
        Ok(Self {
            id: TokenId::try_from(needed("jti")?).map_err(|_| DpopError::Malformed)?,
            method: needed("htm")?.to_owned(),
            uri: needed("htu")?.to_owned(),
            issued_at: issued_at.ok_or(DpopError::Malformed)?,
            access_token: access_token.transpose()?,
            nonce: nonce.map(Box::from),
        })
    }
}

/// A moment: whole seconds, also where some libraries write a fraction, which is cut off.
fn seconds(value: &Value) -> Option<UnixTime> {
    if let Some(seconds) = value.as_u64() {
        return Some(UnixTime::from_secs(seconds));
    }
    let seconds = std::time::Duration::try_from_secs_f64(value.as_f64()?).ok()?;
    Some(UnixTime::from_secs(seconds.as_secs()))
}

fn object(part: &str) -> Result<Map<String, Value>, DpopError> {
    let json = base64url::decode(part).map_err(|_| DpopError::Malformed)?;
    strict_object(&json)
}

fn strict_object(json: &[u8]) -> Result<Map<String, Value>, DpopError> {
    let notes = Notes::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = StrictValue::new(&notes, 1).deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) if !notes.duplicate.get() && !notes.too_deep.get() => {
            Ok(members)
        }
        _ => Err(DpopError::Malformed),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn optional_text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, DpopError> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(DpopError::Malformed),
    }
}
