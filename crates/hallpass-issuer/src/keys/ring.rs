//! The keys of the issuer in memory: which one signs, and the key set that verifiers fetch.
//!
//! Private keys are parsed once, when a snapshot is built; the JWK set is rendered once, with its ETag.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use hallpass_token::{Algorithm, JwkSet, KeyId, SigningKey, UnixTime};
use http::HeaderValue;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::store::{KeyOrigin, KeyState, Store, StoredKey};

/// An immutable snapshot of the keys.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// Signs every token.
    signing: SigningKey,
    /// Algorithms of the published keys, without repetition, the signing one first.
    algorithms: Vec<Algorithm>,
    /// The key set as it is served.
    jwks: Bytes,
    etag: HeaderValue,
}

impl KeyRing {
    /// Reads the keys from `store`, creating and storing a signing key for `algorithm` when there is none.
    ///
    /// # Errors
    /// From the store, or [`Error::StoreDamaged`] when a key can not be read back.
    pub(crate) async fn load(
        store: &Store,
        algorithm: Algorithm,
        now: UnixTime,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let mut keys = store.keys().await?;
        if !keys.iter().any(|key| signs(key, algorithm)) {
            let created = generate(algorithm, now).await?;
            tracing::info!(kid = %created.kid, algorithm = algorithm.as_str(), "created a signing key");
            store.add_keys(std::slice::from_ref(&created)).await?;
            keys.push(created);
        }
        // The key that signs comes first: a verifier that looks at one key only looks at this one.
        keys.sort_by_key(|key| !signs(key, algorithm));
        metrics.set_keys(keys.iter().map(|key| {
            (
                key.kid.as_str(),
                key.algorithm.as_str(),
                key.state.as_str(),
                key.created_at,
            )
        }));
        Self::from_keys(&keys).map_err(|problem| store.damaged(problem))
    }

    fn from_keys(keys: &[StoredKey]) -> Result<Self, String> {
        let signing = keys
            .first()
            .ok_or("there is no signing key")?
            .signing_key()?;
        let rendered: Vec<&str> = keys.iter().map(|key| key.public_jwk.as_str()).collect();
        let jwks = format!("{{\"keys\":[{}]}}", rendered.join(","));
        // Read it as a verifier does: an unusable key in the set is noticed here and not out there.
        let parsed = JwkSet::parse(jwks.as_bytes())
            .map_err(|error| format!("the key set is unusable: {error}"))?;
        if let Some(skipped) = parsed.skipped().first() {
            return Err(format!("a published key is unusable: {skipped:?}"));
        }
        let mut algorithms = Vec::new();
        for key in parsed.keys() {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        let etag = etag(jwks.as_bytes()).ok_or("the key set has no ETag")?;
        Ok(Self {
            signing,
            algorithms,
            jwks: jwks.into(),
            etag,
        })
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The JWK set as JSON (RFC 7517 section 5).
    pub(crate) const fn jwks(&self) -> &Bytes {
        &self.jwks
    }

    pub(crate) const fn etag(&self) -> &HeaderValue {
        &self.etag
    }
}

impl StoredKey {
    /// A key to be stored: its private half as PKCS #8, its public half as JSON.
    pub(crate) fn from_signing_key(
        key: &SigningKey,
        state: KeyState,
        origin: KeyOrigin,
        now: UnixTime,
    ) -> Result<Self, Error> {
        Ok(Self {
            kid: key.key_id().to_string(),
            algorithm: key.algorithm(),
            state,
            origin,
            public_jwk: key.public_jwk().to_json().to_string(),
            private: Some(key.to_pkcs8().map_err(|_| Error::Internal {
                operation: "writing a private key",
            })?),
            created_at: now.as_secs(),
        })
    }

    fn signing_key(&self) -> Result<SigningKey, String> {
        let unusable = |why: &dyn std::fmt::Display| format!("signing key {:?}: {why}", self.kid);
        let private = self
            .private
            .as_ref()
            .ok_or_else(|| unusable(&"its private half is missing"))?;
        let kid: KeyId = self.kid.parse().map_err(|error| unusable(&error))?;
        let key =
            SigningKey::from_pkcs8(self.algorithm, private).map_err(|error| unusable(&error))?;
        Ok(key.with_key_id(kid))
    }
}

fn signs(key: &StoredKey, algorithm: Algorithm) -> bool {
    key.state == KeyState::Signing && key.algorithm == algorithm
}

/// A new key. RSA takes long enough to find its primes that it must not hold an async thread.
async fn generate(algorithm: Algorithm, now: UnixTime) -> Result<StoredKey, Error> {
    let crypto = Error::Internal {
        operation: "creating a signing key",
    };
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let Ok(Ok(key)) = made else {
        return Err(crypto);
    };
    StoredKey::from_signing_key(&key, KeyState::Signing, KeyOrigin::Generated, now)
}

/// A strong validator (RFC 9110 section 8.8.3): half of the SHA-256 of the document.
pub(crate) fn etag(document: &[u8]) -> Option<HeaderValue> {
    let digest = digest::digest(&digest::SHA256, document);
    let (half, _) = digest.as_ref().split_at_checked(16)?;
    HeaderValue::try_from(format!("\"{}\"", BASE64URL.encode(half))).ok()
}
