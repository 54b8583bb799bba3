//! A public key as JSON (RFC 7517), parsed once and ready to verify with.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::Thumbprint;
use crate::name::KeyId;

mod ed25519;
mod error;

pub use error::JwkError;

/// The smallest RSA key that is taken, in bits (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;

/// The largest RSA key that is taken, in bits; each doubling makes a check four times as dear.
const MAX_RSA_BITS: usize = 8192;

/// A public key that signatures can be verified with. Cheap to clone.
///
/// Private members of a JWK (`d` and so on) are never read, kept or written.
#[derive(Clone)]
pub struct Jwk(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    key_id: Option<KeyId>,
    material: Material,
    key: ParsedPublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Jwk {
    /// Reads one JWK.
    ///
    /// `use` must be `sig` (or `jwt-svid`) and `key_ops` must have `verify`, where they are present; `alg` must fit the
    /// key, where it is present. Unknown members are ignored, `x5c` included: certificates are not looked at.
    ///
    /// # Errors
    /// [`JwkError`] says why the key cannot be used to verify.
    pub fn from_value(jwk: &Value) -> Result<Self, JwkError> {
        let jwk = jwk.as_object().ok_or(JwkError::NotAnObject)?;
        let key_id = key_id(jwk)?;
        may(jwk, "verify")?;
        Self::from_material(Material::from_members(jwk)?, key_id)
    }

    /// A key of checked size whose point lies on its curve.
    pub(crate) fn from_material(
        material: Material,
        key_id: Option<KeyId>,
    ) -> Result<Self, JwkError> {
        let key = material.parse()?;
        Ok(Self(Arc::new(Inner {
            algorithm: material.algorithm(),
            key_id,
            material,
            key,
        })))
    }

    /// The same key under another name.
    pub(crate) fn named(&self, key_id: KeyId) -> Self {
        let Inner {
            algorithm,
            ref material,
            ref key,
            ..
        } = *self.0;
        Self(Arc::new(Inner {
            algorithm,
            key_id: Some(key_id),
            material: material.clone(),
            key: key.clone(),
        }))
    }

    /// The one algorithm that the key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The name of the key (`kid`).
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.0.key_id.as_ref()
    }

    /// The thumbprint of the key (RFC 7638, RFC 8037 appendix A.3): its own digest, whatever it is called.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        // RFC 7638 section 3.3: the required members in lexicographic order, without white space.
        let text = match &self.0.material {
            Material::P256 { x, y } => {
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Material::Ed25519 { x } => format!(
                r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
                base64url::encode(x)
            ),
            Material::Rsa { n, e } => {
                format!(
                    r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                    base64url::encode(e),
                    base64url::encode(n)
                )
            }
        };
        let mut bytes = [0; 32];
        for (to, from) in bytes
            .iter_mut()
            .zip(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
        {
            *to = *from;
        }
        Thumbprint(bytes)
    }

    /// The key as JSON, with `use`, `alg` and `kid`, for a published set.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut jwk = match &self.0.material {
            Material::P256 { x, y } => {
                json!({"kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y)})
            }
            Material::Ed25519 { x } => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(x)})
            }
            Material::Rsa { n, e } => {
                json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)})
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".to_owned(), "sig".into());
            members.insert("alg".to_owned(), self.algorithm().as_str().into());
            if let Some(key_id) = self.key_id() {
                members.insert("kid".to_owned(), key_id.as_str().into());
            }
        }
        jwk
    }

    /// Whether `signature` is this key's signature of `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for Jwk {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_id == other.0.key_id && self.0.material == other.0.material
    }
}

impl Eq for Jwk {}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish()
    }
}

impl Material {
    /// Reads the public members, and holds `alg`, where there is one, against the kind of key.
    pub(crate) fn from_members(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let material = match text(jwk, "kty")? {
            "EC" => match text(jwk, "crv")? {
                "P-256" => Self::P256 {
                    x: array(jwk, "x")?,
                    y: array(jwk, "y")?,
                },
                _ => return Err(JwkError::UnsupportedCurve),
            },
            "OKP" => match text(jwk, "crv")? {
                "Ed25519" => Self::Ed25519 {
                    x: array(jwk, "x")?,
                },
                _ => return Err(JwkError::UnsupportedCurve),
            },
            "RSA" => Self::Rsa {
                n: unsigned(jwk, "n")?,
                e: unsigned(jwk, "e")?,
            },
            _ => return Err(JwkError::UnsupportedKeyType),
        };
        if let Some(alg) = optional_text(jwk, "alg")? {
            let algorithm: Algorithm = alg.parse().map_err(|_| JwkError::UnsupportedAlgorithm)?;
            if algorithm != material.algorithm() {
                return Err(JwkError::AlgorithmMismatch);
            }
        }
        Ok(material)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    fn parse(&self) -> Result<ParsedPublicKey, JwkError> {
        match self {
            Self::P256 { x, y } => {
                // SEC 1 uncompressed point; the library refuses one that is not on the curve.
                let point = [&[4][..], x, y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .map_err(|_| JwkError::NotOnCurve)
            }
            Self::Ed25519 { x } => {
                if ed25519::is_weak(x) {
                    return Err(JwkError::NotOnCurve);
                }
                ParsedPublicKey::new(&ED25519, x).map_err(|_| JwkError::NotOnCurve)
            }
            Self::Rsa { n, e } => {
                check_rsa(n, e)?;
                let parsed =
                    PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
                parsed.map_err(|_| JwkError::BadRsaKey)
            }
        }
    }
}

/// The library leaves the size to the moment of verification; a key that can never verify is told here.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), JwkError> {
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(JwkError::RsaSize { bits });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let small = e.len() > 4 || e == [1];
    if !odd(n) || !odd(e) || small {
        Err(JwkError::BadRsaKey)
    } else {
        Ok(())
    }
}

pub(crate) fn key_id(jwk: &Map<String, Value>) -> Result<Option<KeyId>, JwkError> {
    let name = optional_text(jwk, "kid")?.map(KeyId::try_from).transpose();
    name.map_err(|_| JwkError::BadMember { member: "kid" })
}

/// Whether the key may be used for `operation` (`verify` or `sign`, RFC 7517 sections 4.2 and 4.3).
pub(crate) fn may(jwk: &Map<String, Value>, operation: &str) -> Result<(), JwkError> {
    if let Some(purpose) = optional_text(jwk, "use")?
        && !matches!(purpose, "sig" | "jwt-svid")
    {
        return Err(JwkError::OtherUse);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().all(Value::is_string) => {
            if operations.iter().any(|listed| listed == operation) {
                Ok(())
            } else {
                Err(JwkError::OtherUse)
            }
        }
        Some(_) => Err(JwkError::BadMember { member: "key_ops" }),
    }
}

fn optional_text<'a>(
    jwk: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<&'a str>, JwkError> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::BadMember { member }),
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &'static str) -> Result<&'a str, JwkError> {
    optional_text(jwk, member)?.ok_or(JwkError::MissingMember { member })
}

/// A value of exactly `N` bytes: coordinates keep their leading zeros (RFC 7518 section 6.2.1.2).
pub(crate) fn array<const N: usize>(
    jwk: &Map<String, Value>,
    member: &'static str,
) -> Result<[u8; N], JwkError> {
    base64url::decode_array(text(jwk, member)?).map_err(|_| JwkError::BadMember { member })
}

/// A whole number without leading zeros (`Base64urlUInt`, RFC 7518 section 2).
pub(crate) fn unsigned(
    jwk: &Map<String, Value>,
    member: &'static str,
) -> Result<Vec<u8>, JwkError> {
    match base64url::decode(text(jwk, member)?) {
        Ok(bytes) if bytes.first().is_some_and(|first| *first != 0) => Ok(bytes),
        _ => Err(JwkError::BadMember { member }),
    }
}

#[cfg(test)]
mod tests;
