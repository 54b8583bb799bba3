//! The keys of the issuer in memory: which one signs when, and the key set that verifiers fetch.
//!
//! Private keys are parsed once, when a snapshot is built; the JWK set is rendered once a stage, with its ETag. A snapshot
//! knows the moments at which announced keys begin to sign, so that no task has to wake up for them.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bytes::Bytes;
use hallpass_token::{Algorithm, Algorithms, Audience, JwkSet, SigningKey, UnixTime};
use http::HeaderValue;

use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::rotation::{first_announced, signer, signs_from};
use crate::token_shapes::{TokenShape, TokenShapes};

/// An immutable snapshot of the keys.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// What holds now.
    first: Stage,
    /// What holds later, each from its moment on, in the order of time.
    later: Vec<(UnixTime, Stage)>,
    shapes: TokenShapes,
}

/// What holds until the next key begins to sign.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Signs tokens for services that demand no algorithm.
    signing: SigningKey,
    /// One for each further algorithm, the issuer's own first.
    others: Vec<SigningKey>,
    /// Algorithms of the published keys, without repetition, the signing one first.
    algorithms: Vec<Algorithm>,
    /// The key set as it is served.
    jwks: Bytes,
    etag: HeaderValue,
    /// The same for the issuer itself, to verify its own tokens with.
    published: JwkSet,
    /// The names of its keys.
    kids: Arc<[Box<str>]>,
}

impl KeyRing {
    /// A ring of `records`, of which one signs with `algorithm` when no service demands another one.
    ///
    /// # Errors
    /// What is wrong with the records: none signs, or one cannot be read back.
    pub(crate) fn new(
        records: &[KeyRecord],
        algorithm: Algorithm,
        announce: Duration,
        shapes: TokenShapes,
    ) -> Result<Self, String> {
        let mut moments: Vec<UnixTime> = records
            .iter()
            .filter_map(|record| signs_from(record, announce))
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let later: Result<_, String> = moments
            .into_iter()
            .map(|moment| Ok((moment, Stage::at(records, algorithm, moment, announce)?)))
            .collect();
        Ok(Self {
            first: Stage::at(records, algorithm, UnixTime::from_secs(0), announce)?,
            later: later?,
            shapes,
        })
    }

    /// What holds at `now`.
    pub(crate) fn at(&self, now: UnixTime) -> &Stage {
        let begun = self.later.iter().rev().find(|(from, _)| *from <= now);
        begun.map_or(&self.first, |(_, stage)| stage)
    }

    /// What the tokens for a service look like.
    pub(crate) fn shape_for(&self, audience: &Audience) -> &TokenShape {
        self.shapes.of(audience)
    }

    /// Algorithms of the published keys, without repetition.
    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.first.algorithms
    }
}

impl Stage {
    fn at(
        records: &[KeyRecord],
        algorithm: Algorithm,
        moment: UnixTime,
        announce: Duration,
    ) -> Result<Self, String> {
        let usual =
            usual_signer(records, algorithm, moment, announce).ok_or("there is no signing key")?;
        // A service that demands an algorithm has no use for a token of another one: the first key of that algorithm
        // signs for it before its time. That of the issuer's own algorithm comes first.
        let further = Algorithm::EVERY.into_iter().filter(|it| *it != algorithm);
        let others: Vec<&KeyRecord> = std::iter::once(algorithm)
            .chain(further)
            .filter_map(|algorithm| {
                signer(records, algorithm, moment, announce)
                    .or_else(|| first_announced(records, algorithm))
            })
            .filter(|record| record.kid != usual.kid)
            .collect();
        let mut set: Vec<&KeyRecord> = records.iter().filter(|key| key.is_published()).collect();
        // The key that signs comes first: a verifier that looks at one key only looks at this one.
        set.sort_by_key(|record| {
            let is_other = others.iter().any(|other| other.kid == record.kid);
            (record.kid != usual.kid, !is_other)
        });
        Self::of(usual, &others, &set)
    }

    fn of(usual: &KeyRecord, others: &[&KeyRecord], set: &[&KeyRecord]) -> Result<Self, String> {
        let rendered: Vec<&str> = set
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
        let kids = set.iter().map(|record| Box::from(record.kid.as_str()));
        let others: Result<_, String> = others.iter().map(|record| record.signing_key()).collect();
        Ok(Self {
            signing: usual.signing_key()?,
            others: others?,
            algorithms,
            jwks: jwks.into(),
            etag,
            published: parsed,
            kids: kids.collect(),
        })
    }

    /// The key for a service that demands `algorithm`, or demands none.
    pub(crate) fn signing(&self, algorithm: Option<Algorithm>) -> &SigningKey {
        let demanded = algorithm.filter(|algorithm| *algorithm != self.signing.algorithm());
        let of_another = demanded.and_then(|algorithm| {
            let mut others = self.others.iter();
            others.find(|key| key.algorithm() == algorithm)
        });
        // Each algorithm that a service demands has a key: they were made when the snapshot was.
        of_another.unwrap_or(&self.signing)
    }

    /// The same, where no other than `allowed` may sign, if that is given: while the issuer's algorithm changes, the key of the one before
    /// signs on for all others. `None` when no key is for one of them.
    pub(crate) fn signing_among(
        &self,
        allowed: Option<Algorithms>,
        algorithm: Option<Algorithm>,
    ) -> Option<&SigningKey> {
        let usual = self.signing(algorithm);
        let Some(allowed) = allowed else {
            return Some(usual);
        };
        let mut keys = std::iter::once(usual)
            .chain(std::iter::once(&self.signing))
            .chain(&self.others);
        let key = keys.find(|key| allowed.contains(key.algorithm()));
        if key.is_none() {
            tracing::error!("there is no key that may sign for a client with a profile");
        }
        key
    }

    /// The JWK set as JSON (RFC 7517 section 5).
    pub(crate) const fn jwks(&self) -> &Bytes {
        &self.jwks
    }

    pub(crate) const fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// What verifies the issuer's own tokens: a key that is not published, such as a tainted one, verifies none.
    pub(crate) const fn published(&self) -> &JwkSet {
        &self.published
    }

    /// The names of the keys in the set.
    pub(crate) const fn kids(&self) -> &Arc<[Box<str>]> {
        &self.kids
    }
}

/// The key of the issuer's own algorithm; while that is only announced, the newest key that signed before goes on.
fn usual_signer(
    records: &[KeyRecord],
    algorithm: Algorithm,
    moment: UnixTime,
    announce: Duration,
) -> Option<&KeyRecord> {
    signer(records, algorithm, moment, announce)
        .or_else(|| {
            let before = records.iter().filter(|key| key.state == KeyState::Signing);
            before.max_by_key(|key| key.created_at)
        })
        .or_else(|| first_announced(records, algorithm))
}

/// A strong validator (RFC 9110 section 8.8.3): half of the SHA-256 of the document.
fn etag(document: &[u8]) -> Option<HeaderValue> {
    let digest = digest::digest(&digest::SHA256, document);
    let (half, _) = digest.as_ref().split_at_checked(16)?;
    HeaderValue::try_from(format!("\"{}\"", BASE64URL.encode(half))).ok()
}
