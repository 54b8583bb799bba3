//! Private keys. Only the issuer and test benches may name this module's type.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::header::TokenType;
use crate::jwk::Jwk;
use crate::name::KeyId;

mod import;
mod pair;

pub use pair::KeyError;
use pair::KeyPair;

/// A private key, parsed once and kept ready to sign. Cheap to clone; `Debug` shows no part of the private key.
///
/// Its name is the RFC 7638 thumbprint of its public half unless a JWK brought another or
/// [`with_key_id`](Self::with_key_id) gave it one.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    public: Jwk,
    key_id: KeyId,
    /// The headers of the tokens of this key, encoded: with `typ: at+jwt`, and with `typ: JWT`.
    headers: Arc<[String; 2]>,
}

impl SigningKey {
    /// Makes a new key; RSA with 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the operating system gives no random numbers, [`KeyError::Refused`] for an algorithm
    /// of [`Algorithm::VERIFY_ONLY`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(KeyPair::Es256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(KeyPair::EdDsa),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(KeyPair::Rs256),
            Algorithm::Es384 | Algorithm::Ps256 => return Err(KeyError::Refused),
        };
        Self::from_pair(pair.map_err(|_| KeyError::Generation)?, None)
    }

    /// Reads a key as [`to_pkcs8`](Self::to_pkcs8) wrote it (PKCS#8 in DER, not encrypted).
    ///
    /// # Errors
    /// [`KeyError::Refused`] when it is not a valid key of this algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(KeyPair::Es256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(KeyPair::EdDsa),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(KeyPair::Rs256),
            Algorithm::Es384 | Algorithm::Ps256 => return Err(KeyError::Refused),
        };
        Self::from_pair(pair.map_err(|_| KeyError::Refused)?, None)
    }

    /// Reads the one private key of a PEM text: `PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC 1) or `RSA PRIVATE KEY`
    /// (PKCS#1). Other blocks are passed over. The kind of key decides the algorithm.
    ///
    /// # Errors
    /// [`KeyError`], among them for an encrypted key and for more than one.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_pair(import::from_pem(pem)?, None)
    }

    /// Reads a private JWK (RFC 7517, RFC 7518 section 6, RFC 8037). `kid` is kept; RSA needs all of `p q dp dq qi`.
    ///
    /// # Errors
    /// [`KeyError::Jwk`] for what is wrong with a member, [`KeyError::Refused`] for parts that do not fit together.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let (pair, key_id) = import::from_jwk(jwk)?;
        Self::from_pair(pair, key_id)
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_key_id(self, key_id: KeyId) -> Self {
        Self::assemble(self.pair, self.public.named(key_id.clone()), key_id)
    }

    /// The key in PKCS#8 (DER), to be sealed and stored. The buffer is wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the library cannot write it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = match &*self.pair {
            KeyPair::Es256(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            KeyPair::EdDsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            KeyPair::Rs256(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
        };
        bytes.map(Zeroizing::new).map_err(|_| KeyError::Generation)
    }

    /// The name of the key.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// What the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half, under the same name.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        self.public.clone()
    }

    /// Signs `message`. For tokens use [`sign`](crate::sign()), which looks at what it signs.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        // The library's own signature type has room for the largest there is, 4 KiB: it is not handed around.
        match &*self.pair {
            KeyPair::Es256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            KeyPair::EdDsa(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            KeyPair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )?;
                Ok(signature)
            }
        }
    }

    /// The length of a signature in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match &*self.pair {
            KeyPair::Es256(_) | KeyPair::EdDsa(_) => 64,
            KeyPair::Rs256(pair) => pair.public_modulus_len(),
        }
    }

    pub(crate) fn encoded_header(&self, token_type: TokenType) -> &str {
        let [access_token, jwt] = &*self.headers;
        match token_type {
            TokenType::AccessToken => access_token,
            TokenType::Jwt => jwt,
        }
    }

    fn from_pair(pair: KeyPair, key_id: Option<KeyId>) -> Result<Self, KeyError> {
        let material = pair.public_material().ok_or(KeyError::Refused)?;
        let public = Jwk::from_material(material, None).map_err(|_| KeyError::Refused)?;
        let key_id = match key_id {
            Some(key_id) => key_id,
            None => {
                let thumbprint = base64url::encode(&public.thumbprint().0);
                KeyId::try_from(thumbprint).map_err(|_| KeyError::Generation)?
            }
        };
        Ok(Self::assemble(
            Arc::new(pair),
            public.named(key_id.clone()),
            key_id,
        ))
    }

    fn assemble(pair: Arc<KeyPair>, public: Jwk, key_id: KeyId) -> Self {
        let algorithm = public.algorithm();
        let header = |token_type: TokenType| {
            let header = json!({"typ": token_type.as_str(), "alg": algorithm.as_str(), "kid": key_id.as_str()});
            base64url::encode(header.to_string().as_bytes())
        };
        let headers = Arc::new([header(TokenType::AccessToken), header(TokenType::Jwt)]);
        Self {
            pair,
            public,
            key_id,
            headers,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
