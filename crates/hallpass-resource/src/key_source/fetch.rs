//! One conditional GET of a JWK set (RFC 7517 section 5).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hallpass_config::files;
use hallpass_token::{JwkSet, KeyId};
use hallpass_upstream::{
    AskedUrl, Body, CollectError, EndpointUrl, Network, WalkError, asked_wait, shortened,
    with_causes,
};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::ServiceExt;

use super::described::{Described, MAX_DOCUMENT_BYTES};
use super::freshness::{Freshness, max_age};
use super::limits::MAX_KEY_SET_BYTES;
use super::snapshot::KeySnapshot;
use crate::error::KeysError;

/// The header that tells an issuer of ours who asks.
const VERIFIER: HeaderName = HeaderName::from_static("hallpass-verifier");

/// What one fetch brought.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The keys, or none when the issuer says that they have not changed.
    keys: Option<JwkSet>,
    etag: Option<HeaderValue>,
    pub(super) max_age: Option<Duration>,
}

impl Fetched {
    pub(super) fn new(keys: JwkSet) -> Self {
        Self {
            keys: Some(keys),
            etag: None,
            max_age: None,
        }
    }

    pub(super) fn unchanged(max_age: Option<Duration>) -> Self {
        Self {
            keys: None,
            etag: None,
            max_age,
        }
    }

    /// The next snapshot. Equal keys keep their allocation and their epoch. The log calls `origin` where they come from.
    pub(super) fn into_snapshot(
        self,
        origin: &dyn fmt::Display,
        previous: Option<&KeySnapshot>,
        freshness: Freshness,
    ) -> KeySnapshot {
        self.log_change(origin, previous);
        let Some(previous) = previous else {
            let keys = self.keys.unwrap_or_else(|| JwkSet::new([]));
            return KeySnapshot {
                keys: Arc::new(keys),
                etag: self.etag,
                freshness,
                epoch: 0,
            };
        };
        let Some(keys) = self.keys else {
            let (keys, etag) = (Arc::clone(&previous.keys), previous.etag.clone());
            return KeySnapshot {
                keys,
                etag,
                freshness,
                epoch: previous.epoch,
            };
        };
        let all_stay = previous
            .keys
            .keys()
            .iter()
            .all(|old| keys.keys().iter().any(|new| new == old));
        let epoch = if all_stay {
            previous.epoch
        } else {
            previous.epoch + 1
        };
        KeySnapshot {
            keys: Arc::new(keys),
            etag: self.etag,
            freshness,
            epoch,
        }
    }

    /// Says which keys there are now, once per change.
    fn log_change(&self, origin: &dyn fmt::Display, previous: Option<&KeySnapshot>) {
        let Some(keys) = self
            .keys
            .as_ref()
            .filter(|new| previous.is_none_or(|old| *old.keys != **new))
        else {
            return;
        };
        let kids: Vec<_> = keys
            .keys()
            .iter()
            .map(|key| key.key_id().map_or("(without a name)", KeyId::as_str))
            .collect();
        tracing::info!(%origin, ?kids, "there are new public keys");
        for skipped in keys.skipped() {
            tracing::warn!(%origin, kid = ?skipped.kid, reason = %skipped.reason, "a key of the set cannot be used");
        }
    }
}

/// Keys at a URL.
pub(super) struct HttpKeys {
    place: AskedUrl,
    /// The issuer whose document, at this URL, says where the keys are.
    described: Option<Described>,
    /// Who asks, for an issuer of ours.
    verifier: OnceLock<HeaderValue>,
    /// The file of the bearer token that is sent along.
    bearer: OnceLock<PathBuf>,
}

impl HttpKeys {
    pub(super) fn new(url: EndpointUrl, network: &Network) -> Self {
        Self {
            place: AskedUrl::new(url, network),
            described: None,
            verifier: OnceLock::new(),
            bearer: OnceLock::new(),
        }
    }

    pub(super) fn described(described: Described, network: &Network) -> Self {
        let keys = Self::new(described.document().clone(), network);
        Self {
            described: Some(described),
            ..keys
        }
    }

    pub(super) fn introduce_as(&self, name: HeaderValue) {
        // Two servers that share a source are one verifier.
        let _ = self.verifier.set(name);
    }

    pub(super) fn authorize_by(&self, file: PathBuf) {
        let _ = self.bearer.set(file);
    }

    pub(super) const fn url(&self) -> &EndpointUrl {
        self.place.url()
    }

    /// Asks the issuer; behind `lb://`, up to three instances, which share the time `limit`.
    pub(super) async fn fetch(
        &self,
        etag: Option<&HeaderValue>,
        limit: Duration,
    ) -> Result<Fetched, KeysError> {
        if let Some(described) = &self.described {
            let document = self.get(&self.url().to_string(), None, true).await?;
            let document = collect(document.into_body(), MAX_DOCUMENT_BYTES).await?;
            let keys = described.key_set(&document)?;
            // Whom the document names may have no business with what the issuer is shown.
            let is_its_own = is_of_one_origin(self.url(), &keys);
            return self.fetch_from(&keys.to_string(), etag, is_its_own).await;
        }
        let ask = |address: String| async move { self.fetch_from(&address, etag, true).await };
        let fetched = self.place.ask(limit, ask).await;
        fetched.map_err(|error| match error {
            WalkError::Failed(error) => error,
            WalkError::TooLong => KeysError::Timeout { limit },
            WalkError::Refused(refusal) => KeysError::Discovery(refusal.to_string()),
        })
    }

    async fn fetch_from(
        &self,
        address: &str,
        etag: Option<&HeaderValue>,
        is_configured: bool,
    ) -> Result<Fetched, KeysError> {
        let response = self.get(address, etag, is_configured).await?;
        let (parts, body) = response.into_parts();
        let max_age = max_age(&parts.headers);
        if parts.status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::unchanged(max_age));
        }
        let text = collect(body, MAX_KEY_SET_BYTES).await?;
        let keys = parse(&text, &content_type(&parts.headers))?;
        Ok(Fetched {
            keys: Some(keys),
            etag: parts.headers.get(ETAG).cloned(),
            max_age,
        })
    }

    /// A response with 200, or with 304 when there is an `etag`. Only where the configuration leads (`is_configured`) is the
    /// bearer token shown.
    async fn get(
        &self,
        address: &str,
        etag: Option<&HeaderValue>,
        is_configured: bool,
    ) -> Result<Response<Body>, KeysError> {
        let mut request =
            Request::get(address).header(ACCEPT, "application/jwk-set+json, application/json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(verifier) = self.verifier.get() {
            request = request.header(VERIFIER, verifier);
        }
        if let Some(file) = self.bearer.get().filter(|_| is_configured) {
            request = request.header(AUTHORIZATION, bearer(file.clone()).await?);
        }
        let request = request
            .body(Body::empty())
            .map_err(|error| transport_error(&error))?;
        let sent = self.place.transport().oneshot(request).await;
        let response = sent.map_err(|error| transport_error(&error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(response),
            status => Err(KeysError::Status {
                status: status.as_u16(),
                retry_after: asked_wait(status, response.headers()),
            }),
        }
    }
}

/// Scheme, host and port are the same.
fn is_of_one_origin(one: &EndpointUrl, other: &EndpointUrl) -> bool {
    match (one, other) {
        (EndpointUrl::Https(one), EndpointUrl::Https(other))
        | (EndpointUrl::LoopbackHttp(one), EndpointUrl::LoopbackHttp(other)) => {
            one.origin() == other.origin()
        }
        _ => false,
    }
}

/// The header with what stands in `file` now.
async fn bearer(file: PathBuf) -> Result<HeaderValue, KeysError> {
    let problem = |what: String| KeysError::File(format!("of the bearer token: {what}"));
    let read = tokio::task::spawn_blocking(move || files::read_secret(&file)).await;
    let secret = read.map_err(|_| KeysError::Cancelled)?;
    let secret = secret.map_err(|error| problem(error.to_string()))?;
    let header = HeaderValue::try_from(format!("Bearer {}", secret.expose()));
    let mut header = header.map_err(|_| problem("it is none".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

fn transport_error(error: &dyn std::error::Error) -> KeysError {
    KeysError::Transport(with_causes(error))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, KeysError> {
    let collected = body.collect_within(limit).await;
    collected.map_err(|error| match error {
        CollectError::TooLarge { limit } => KeysError::TooLarge { limit },
        other => transport_error(&other),
    })
}

/// Reads a JWK set and refuses one that nothing could be verified with: better the last good keys than none.
pub(super) fn parse(text: &[u8], content_type: &str) -> Result<JwkSet, KeysError> {
    let keys = JwkSet::parse(text).map_err(|error| KeysError::NotAKeySet {
        content_type: content_type.to_owned(),
        reason: shortened(&error.to_string()),
    })?;
    if keys.keys().is_empty() {
        return Err(KeysError::NoUsableKey {
            skipped: keys.skipped().len(),
        });
    }
    Ok(keys)
}

fn content_type(headers: &HeaderMap) -> String {
    let said = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    shortened(said.unwrap_or("not given"))
}

impl fmt::Debug for HttpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpKeys")
            .field("url", self.url())
            .finish_non_exhaustive()
    }
}
