//! The key of a sender, which signs proofs and nothing else.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;
use serde_json::{Value, json};

use super::access_token_hash;
use super::read::PROOF_TYPE;
use super::uri::DpopUri;
use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::Thumbprint;
use crate::sign::SignError;
use crate::signing_key::{KeyError, SigningKey};
use crate::time::UnixTime;

/// Random bytes of a `jti`.
const ID_BYTES: usize = 16;

/// The private key by which a sender proves that a token is its own (RFC 9449). Cheap to clone; `Debug` shows no part of
/// the private key.
///
/// It signs proofs alone: nothing takes it, or gives it away, that could sign a token with it, and no verifier takes a proof
/// (`typ: dpop+jwt`) for a token. So it may be held by those who must not sign tokens.
#[derive(Clone)]
pub struct DpopKey {
    key: SigningKey,
    thumbprint: Thumbprint,
    /// The header of its proofs, encoded.
    header: Arc<str>,
}

/// The request that a proof is made for.
#[derive(Debug, Clone, Copy)]
pub struct DpopRequest<'a> {
    /// Its method (`htm`).
    pub method: &'a str,
    /// Its address (`htu`).
    pub uri: &'a DpopUri,
    /// The token that is sent with it (`ath`); without one at a token endpoint.
    pub access_token: Option<&'a str>,
    /// What the server has given to be repeated (`nonce`).
    pub nonce: Option<&'a str>,
}

impl DpopKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the operating system gives no random numbers.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        SigningKey::generate(algorithm).map(Self::of)
    }

    /// Reads the one private key of a PEM text, as [`SigningKey::from_pem`] does.
    ///
    /// # Errors
    /// As there.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pem(pem).map(Self::of)
    }

    fn of(key: SigningKey) -> Self {
        let public = key.public_jwk();
        let mut jwk = public.to_json();
        if let Some(members) = jwk.as_object_mut() {
            // What a verifier needs of the key and no more: each request carries it.
            members.retain(|name, _| !matches!(name.as_str(), "use" | "alg" | "kid"));
        }
        let algorithm = public.algorithm().as_str();
        let header = json!({"typ": PROOF_TYPE, "alg": algorithm, "jwk": jwk});
        Self {
            header: base64url::encode(header.to_string().as_bytes()).into(),
            thumbprint: public.thumbprint(),
            key,
        }
    }

    /// What a token that is bound to the key says in `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Makes a proof for one request: the value of the header `DPoP`. Each has a name of its own, so it serves for one request.
    ///
    /// # Errors
    /// [`SignError::Signing`] when the library cannot sign or has no random numbers.
    pub fn prove(&self, request: &DpopRequest<'_>, now: UnixTime) -> Result<String, SignError> {
        let mut id = [0; ID_BYTES];
        rand::fill(&mut id).map_err(|_| SignError::Signing)?;
        let mut claims = json!({
            "jti": base64url::encode(&id),
            "htm": request.method,
            "htu": request.uri.as_str(),
            "iat": now.as_secs(),
        });
        if let Some(members) = claims.as_object_mut() {
            let ath = request.access_token.map(access_token_hash);
            let ath = ath.map(|hash| Value::from(base64url::encode(&hash.0)));
            let nonce = request.nonce.map(Value::from);
            members.extend(ath.map(|ath| ("ath".to_owned(), ath)));
            members.extend(nonce.map(|nonce| ("nonce".to_owned(), nonce)));
        }
        let mut proof = self.header.to_string();
        proof.push('.');
        base64url::encode_onto(claims.to_string().as_bytes(), &mut proof);
        let signature = self.key.sign(proof.as_bytes());
        let signature = signature.map_err(|_| SignError::Signing)?;
        proof.push('.');
        base64url::encode_onto(&signature, &mut proof);
        Ok(proof)
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("algorithm", &self.key.algorithm())
            .finish_non_exhaustive()
    }
}

/// Whoever proves by the same key proves the same.
impl PartialEq for DpopKey {
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for DpopKey {}
