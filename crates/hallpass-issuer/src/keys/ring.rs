//! The keys of the issuer in memory: which one signs, and the key set that verifiers fetch.
//!
//! Private keys are parsed once, when a snapshot is built; the JWK set is rendered once, with its ETag.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use hallpass_token::{Algorithm, JwkSet, SigningKey};
use http::HeaderValue;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::keys::record::KeyRecord;

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
    /// A ring of `records`, of which one signs with `algorithm`.
    ///
    /// # Errors
    /// What is wrong with the records: none signs, or one cannot be read back.
    pub(crate) fn new(mut records: Vec<KeyRecord>, algorithm: Algorithm) -> Result<Self, String> {
        // The key that signs comes first: a verifier that looks at one key only looks at this one.
        records.sort_by_key(|record| !record.signs(algorithm));
        Self::of(&records)
    }

    fn of(records: &[KeyRecord]) -> Result<Self, String> {
        let signing = records
            .first()
            .ok_or("there is no signing key")?
            .signing_key()?;
        let rendered: Vec<&str> = records
            .iter()
            .map(|record| record.public_jwk.as_str())
            .collect();
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

/// A strong validator (RFC 9110 section 8.8.3): half of the SHA-256 of the document.
fn etag(document: &[u8]) -> Option<HeaderValue> {
    let digest = digest::digest(&digest::SHA256, document);
    let (half, _) = digest.as_ref().split_at_checked(16)?;
    HeaderValue::try_from(format!("\"{}\"", BASE64URL.encode(half))).ok()
}

/// What is shown of the published keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyMetrics {
    created_at: Family<KeyLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    kid: String,
    algorithm: &'static str,
    state: &'static str,
}

impl KeyMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "signing_key_created_timestamp_seconds",
            "When each published key was created or imported",
            self.created_at.clone(),
        );
    }

    /// Replaces the gauges by those of `records`.
    pub(crate) fn set(&self, records: &[KeyRecord]) {
        self.created_at.clear();
        for record in records {
            let gauge = self.created_at.get_or_create_owned(&KeyLabels {
                kid: record.kid.clone(),
                algorithm: record.algorithm.as_str(),
                state: record.state.as_str(),
            });
            gauge.set(i64::try_from(record.created_at).unwrap_or(i64::MAX));
        }
    }
}
