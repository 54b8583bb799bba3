//! The client's side: a private key that can sign nothing but such assertions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use serde_json::json;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::jwk::Jwk;
use crate::name::{ClientId, KeyId};
use crate::sign::SignError;
use crate::signing_key::{KeyError, SigningKey};
use crate::time::UnixTime;

/// The explicit type of such a JWT (draft-ietf-oauth-rfc7523bis), so that nobody can take it for another kind.
const TYPE: &str = "client-authentication+jwt";

/// What servers take that do not know the explicit type yet.
const PLAIN_TYPE: &str = "JWT";

/// Random bytes of a `jti`.
const TOKEN_ID_BYTES: usize = 16;

/// The private key by which a client proves who it is (`private_key_jwt`). It signs client assertions of one type and
/// nothing else, so a client that holds it cannot make access tokens. Cheap to clone; `Debug` shows no private part.
#[derive(Clone)]
pub struct AssertionSigner {
    key: SigningKey,
    typ: &'static str,
    header: Arc<str>,
}

/// A signed assertion: who has it may act as the client until it ends or was used. `Debug` does not show it, and it is
/// wiped when dropped.
pub struct ClientAssertion(Zeroizing<String>);

impl AssertionSigner {
    /// Makes a new key; RSA with 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the operating system gives no random numbers, [`KeyError::Refused`] for an
    /// algorithm that we do not sign with.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Ok(Self::new(SigningKey::generate(algorithm)?, TYPE))
    }

    /// Reads the one private key of a PEM text, not encrypted; its kind decides the algorithm. Its name in the header
    /// (`kid`) is its RFC 7638 thumbprint, unless [`with_key_id`](Self::with_key_id) gives it another.
    ///
    /// # Errors
    /// [`KeyError`], among them for an encrypted key and for more than one.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Ok(Self::new(SigningKey::from_pem(pem)?, TYPE))
    }

    /// The same key under the name by which the issuer knows it.
    #[must_use]
    pub fn with_key_id(self, key_id: KeyId) -> Self {
        Self::new(self.key.with_key_id(key_id), self.typ)
    }

    /// The same key, whose assertions say `typ: JWT` in place of `client-authentication+jwt`: for servers that refuse the latter, such as
    /// Spring Authorization Server.
    #[must_use]
    pub fn with_plain_type(self) -> Self {
        Self::new(self.key, PLAIN_TYPE)
    }

    fn new(key: SigningKey, typ: &'static str) -> Self {
        let algorithm = key.algorithm().as_str();
        let header = json!({"typ": typ, "alg": algorithm, "kid": key.key_id().as_str()});
        let header = base64url::encode(header.to_string().as_bytes());
        Self {
            key,
            typ,
            header: header.into(),
        }
    }

    /// What the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The public half, which the issuer has to know.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        self.key.public_jwk()
    }

    /// The key as PEM (PKCS#8), not encrypted, to be stored where only the client reads it.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the library cannot write it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        use base64::Engine as _;
        let der = self.key.to_pkcs8()?;
        let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*der));
        let mut pem = Zeroizing::new(String::with_capacity(text.len() + 128));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// A secret that only who has the key can derive, another one for each `purpose`: for sealing what the client keeps.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the library cannot write the key.
    pub fn derive_secret(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let der = self.key.to_pkcs8()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &der);
        let tag = hmac::sign(&key, purpose.as_bytes());
        let bytes = tag.as_ref().try_into().map_err(|_| KeyError::Generation)?;
        Ok(Zeroizing::new(bytes))
    }

    /// An assertion of `client_id` for `audience`, the issuer identifier of the authorization server, that lives from `now`
    /// on for `life`. Each has a `jti` of its own, so each request needs a new one.
    ///
    /// # Errors
    /// [`SignError::Signing`] when the library cannot sign or the operating system gives no random numbers.
    pub fn sign(
        &self,
        client_id: &ClientId,
        audience: &str,
        now: UnixTime,
        life: Duration,
    ) -> Result<ClientAssertion, SignError> {
        let mut token_id = [0; TOKEN_ID_BYTES];
        rand::fill(&mut token_id).map_err(|_| SignError::Signing)?;
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": base64url::encode(&token_id),
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(life),
        });
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str(&self.header);
        text.push('.');
        base64url::encode_onto(claims.to_string().as_bytes(), &mut text);
        let signature = self.key.sign(text.as_bytes());
        let signature = signature.map_err(|_| SignError::Signing)?;
        text.push('.');
        base64url::encode_onto(&signature, &mut text);
        Ok(ClientAssertion(text))
    }
}

impl ClientAssertion {
    /// The assertion, to be sent to the issuer and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AssertionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionSigner")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key.key_id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(***)")
    }
}
