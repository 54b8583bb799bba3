//! Private keys from elsewhere: PEM and JWK.

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::pair::{KeyError, KeyPair};
use crate::jwk::{self, JwkError, Material};
use crate::name::KeyId;

/// The largest text that is looked at for a key, in bytes. RSA with 8192 bits needs 7 KiB.
const MAX_KEY_TEXT_BYTES: usize = 64 * 1024;

pub(super) fn from_pem(pem: &str) -> Result<KeyPair, KeyError> {
    if pem.len() > MAX_KEY_TEXT_BYTES {
        return Err(KeyError::TooLarge);
    }
    let mut found = None;
    let mut rest = pem;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or(KeyError::Malformed)?;
        let (body, after) = after
            .split_once(&*format!("-----END {label}-----"))
            .ok_or(KeyError::Malformed)?;
        if label.ends_with("PRIVATE KEY") && found.replace((label, body)).is_some() {
            return Err(KeyError::SeveralKeys);
        }
        rest = after;
    }
    let (label, body) = found.ok_or(KeyError::NoPrivateKey)?;
    // RFC 1421 headers (`Proc-Type: 4,ENCRYPTED`) are how the older forms say it.
    if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let text: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = Zeroizing::new(
        STANDARD
            .decode(text.as_bytes())
            .map_err(|_| KeyError::Malformed)?,
    );
    let ec = |der| {
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(KeyPair::Es256)
    };
    let pair = match label {
        "PRIVATE KEY" => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map(KeyPair::Es256)
            .or_else(|_| Ed25519KeyPair::from_pkcs8(&der).map(KeyPair::EdDsa))
            .or_else(|_| RsaKeyPair::from_pkcs8(&der).map(KeyPair::Rs256)),
        "EC PRIVATE KEY" => ec(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map(KeyPair::Rs256),
        _ => return Err(KeyError::NoPrivateKey),
    };
    pair.map_err(|_| KeyError::Refused)
}

/// The pair and the name that the JWK gives it.
pub(super) fn from_jwk(jwk: &Value) -> Result<(KeyPair, Option<KeyId>), KeyError> {
    let members = jwk
        .as_object()
        .ok_or(KeyError::Jwk(JwkError::NotAnObject))?;
    let key_id = jwk::key_id(members).map_err(KeyError::Jwk)?;
    jwk::may(members, "sign").map_err(KeyError::Jwk)?;
    let material = Material::from_members(members).map_err(KeyError::Jwk)?;
    let stated = jwk::stated_algorithm(members, &material).map_err(KeyError::Jwk)?;
    if stated.is_some_and(|algorithm| algorithm != material.usual_algorithm()) {
        return Err(KeyError::Refused);
    }
    let pair = match &material {
        Material::P384 { .. } => return Err(KeyError::Refused),
        Material::P256 { x, y } => {
            let d: Zeroizing<[u8; 32]> =
                Zeroizing::new(jwk::array(members, "d").map_err(KeyError::Jwk)?);
            let point = [&[4][..], x, y].concat();
            EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &*d,
                &point,
            )
            .map(KeyPair::Es256)
        }
        Material::Ed25519 { x } => {
            let d: Zeroizing<[u8; 32]> =
                Zeroizing::new(jwk::array(members, "d").map_err(KeyError::Jwk)?);
            Ed25519KeyPair::from_seed_and_public_key(&*d, x).map(KeyPair::EdDsa)
        }
        Material::Rsa { n, e } => rsa(members, n, e)?,
    };
    Ok((pair.map_err(|_| KeyError::Refused)?, key_id))
}

type Imported = Result<KeyPair, aws_lc_rs::error::KeyRejected>;

fn rsa(members: &Map<String, Value>, n: &[u8], e: &[u8]) -> Result<Imported, KeyError> {
    if members.contains_key("oth") {
        return Err(KeyError::Refused); // more than two primes (RFC 7518 section 6.3.2.7)
    }
    let part = |name| {
        jwk::unsigned(members, name)
            .map(Zeroizing::new)
            .map_err(KeyError::Jwk)
    };
    let (d, p, q) = (part("d")?, part("p")?, part("q")?);
    let (dp, dq, qi) = (part("dp")?, part("dq")?, part("qi")?);
    let public_key = PublicKeyComponents { n, e };
    let private = KeyPairComponents {
        public_key,
        d: d.as_slice(),
        p: p.as_slice(),
        q: q.as_slice(),
        dP: dp.as_slice(),
        dQ: dq.as_slice(),
        qInv: qi.as_slice(),
    };
    Ok(RsaKeyPair::from_components(&private).map(KeyPair::Rs256))
}
