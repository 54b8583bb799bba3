//! A public key as JSON (RFC 7517), parsed once and ready to verify with.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
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
    /// The same RSA key for PS256, where nothing says which of the two it is for.
    pss: Option<ParsedPublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    P384 { x: [u8; 48], y: [u8; 48] },
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
        let material = Material::from_members(jwk)?;
        match stated_algorithm(jwk, &material)? {
            Some(algorithm) => Self::of(material, algorithm, None, key_id),
            None => {
                let pss = match material {
                    Material::Rsa { .. } => Some(material.parse(Algorithm::Ps256)?),
                    _ => None,
                };
                let algorithm = material.usual_algorithm();
                Self::of(material, algorithm, pss, key_id)
            }
        }
    }

    /// A key of checked size whose point lies on its curve, for the usual algorithm of its kind.
    pub(crate) fn from_material(
        material: Material,
        key_id: Option<KeyId>,
    ) -> Result<Self, JwkError> {
        let algorithm = material.usual_algorithm();
        Self::of(material, algorithm, None, key_id)
    }

    fn of(
        material: Material,
        algorithm: Algorithm,
        pss: Option<ParsedPublicKey>,
        key_id: Option<KeyId>,
    ) -> Result<Self, JwkError> {
        let key = material.parse(algorithm)?;
        Ok(Self(Arc::new(Inner {
            algorithm,
            key_id,
            material,
            key,
            pss,
        })))
    }

    /// The same key under another name.
    pub(crate) fn named(&self, key_id: KeyId) -> Self {
        let Inner {
            algorithm,
            ref material,
            ref key,
            ref pss,
            ..
        } = *self.0;
        Self(Arc::new(Inner {
            algorithm,
            key_id: Some(key_id),
            material: material.clone(),
            key: key.clone(),
            pss: pss.clone(),
        }))
    }

    /// The one algorithm that the key is for: what `alg` says, else the usual one of its kind.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Whether signatures of `algorithm` are verified with the key. One of RSA without `alg` is for PS256 too: then the
    /// policy of its issuer alone says which of the two counts.
    #[must_use]
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm() == algorithm || (algorithm == Algorithm::Ps256 && self.0.pss.is_some())
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
            Material::P384 { x, y } => {
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#)
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
        Thumbprint::of(text.as_bytes())
    }

    /// The key as JSON, with `use`, `alg` and `kid`, for a published set.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut jwk = match &self.0.material {
            Material::P256 { x, y } => {
                json!({"kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y)})
            }
            Material::P384 { x, y } => {
                json!({"kty": "EC", "crv": "P-384", "x": base64url::encode(x), "y": base64url::encode(y)})
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

    /// Whether `signature` is this key's signature of `message` by `algorithm`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let key = match algorithm == self.algorithm() {
            true => Some(&self.0.key),
            false => self.0.pss.as_ref().filter(|_| self.is_for(algorithm)),
        };
        key.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl PartialEq for Jwk {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_id == other.0.key_id
            && self.0.material == other.0.material
            && self.0.algorithm == other.0.algorithm
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
    /// Reads the public members.
    pub(crate) fn from_members(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        Ok(match text(jwk, "kty")? {
            "EC" => match text(jwk, "crv")? {
                "P-256" => Self::P256 {
                    x: array(jwk, "x")?,
                    y: array(jwk, "y")?,
                },
                "P-384" => Self::P384 {
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
        })
    }

    /// What a key of this kind is for unless it says otherwise.
    pub(crate) fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::P384 { .. } => Algorithm::Es384,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    fn can(&self, algorithm: Algorithm) -> bool {
        let is_rsa = matches!(self, Self::Rsa { .. });
        algorithm == self.usual_algorithm() || (is_rsa && algorithm == Algorithm::Ps256)
    }

    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, JwkError> {
        match self {
            Self::P256 { x, y } => {
                // SEC 1 uncompressed point; the library refuses one that is not on the curve.
                let point = [&[4][..], x, y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .map_err(|_| JwkError::NotOnCurve)
            }
            Self::P384 { x, y } => {
                let point = [&[4][..], x, y].concat();
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
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
                let padding = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                let parsed = PublicKeyComponents { n, e }.to_parsed_public_key(padding);
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

/// `alg`, where there is one, which must fit the kind of key.
pub(crate) fn stated_algorithm(
    jwk: &Map<String, Value>,
    material: &Material,
) -> Result<Option<Algorithm>, JwkError> {
    let Some(alg) = optional_text(jwk, "alg")? else {
        return Ok(None);
    };
    let algorithm: Algorithm = alg.parse().map_err(|_| JwkError::UnsupportedAlgorithm)?;
    match material.can(algorithm) {
        true => Ok(Some(algorithm)),
        false => Err(JwkError::AlgorithmMismatch),
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
