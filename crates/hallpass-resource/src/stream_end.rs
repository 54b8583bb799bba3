//! Streams end when the token ends that they were begun with, or is taken back.
//!
//! A request is judged when it begins. What goes on for longer than its token (a response or a request that streams, a WebSocket) is
//! looked at again while it lasts, with a grace after the token's own end.

mod body;
mod connection;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::FromRequestParts;
use hallpass_token::UnixTime;
use http::request::Parts;
use tokio::time::sleep;

pub use self::body::EndingBody;
pub use self::connection::StreamUpgrade;
use crate::audit::StreamJudged;
use crate::cache::{CacheEntry, Ground};
use crate::judge::Judge;
use crate::server::ResourceServer;

/// How often a stream is looked at while it lasts. A token that is taken back ends it so late.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Shortest wait between two looks: a clock that is read in whole seconds says "not yet" for up to one of them.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// Why a stream was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StreamEnd {
    /// The token has ended, leeway and grace included.
    #[error("the token that this stream was begun with has ended")]
    Expired,
    /// The token was taken back: by its issuer, by the settings of this service, with its key, or with all of its issuer.
    #[error("the token that this stream was begun with was taken back")]
    Revoked,
}

impl StreamEnd {
    /// Its name in metrics and in the audit event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Tells when the identity of a request ends: the layer puts one into the extensions of each request that it lets pass, and takes it as an
/// extractor of axum. Cheap to clone.
///
/// Bodies are ended by the layer itself. What outlives the request otherwise, such as a WebSocket or another connection that was upgraded,
/// ends with it by [`until`](Self::until):
///
/// ```
/// use hallpass_resource::TokenEnd;
///
/// # async fn talk() {}
/// async fn on_upgrade(end: TokenEnd) {
///     // Dropping the work drops the connection that it has.
///     match end.until(talk()).await {
///         Ok(()) => {}
///         Err(why) => tracing::info!(%why, "a WebSocket was ended"),
///     }
/// }
/// ```
///
/// A request without a verified identity never ends so, nor does one that passes for its mode (`report`, `off`) or with `permit-all`: it
/// would have passed without the token.
#[derive(Clone, Default)]
pub struct TokenEnd(Option<Arc<Watched>>);

struct Watched {
    server: ResourceServer,
    entry: Arc<CacheEntry>,
    route: Arc<str>,
    /// It is told, and not ended.
    is_lenient: bool,
    is_told: AtomicBool,
    /// Why the body of the request was ended before its time.
    has_cut_upload: OnceLock<StreamEnd>,
}

impl TokenEnd {
    /// Of a request that passed `server` with a token that was verified as `entry`.
    pub(crate) fn new(
        server: &ResourceServer,
        entry: Arc<CacheEntry>,
        (route, is_lenient): (&Arc<str>, bool),
    ) -> Self {
        Self(Some(Arc::new(Watched {
            server: server.clone(),
            entry,
            route: Arc::clone(route),
            is_lenient,
            is_told: AtomicBool::new(false),
            has_cut_upload: OnceLock::new(),
        })))
    }

    /// Waits until the token has ended, with the grace of the settings, or was taken back, and says which. It never ends for a request that
    /// no token is behind, or while the settings say that streams go on (`streams-end-with-token`).
    ///
    /// The settings are those of the moment, not those that the request began with.
    pub async fn ended(&self) -> StreamEnd {
        let Some(watched) = &self.0 else {
            return pending().await;
        };
        let mut entry = Arc::clone(&watched.entry);
        loop {
            let judge = watched.server.judge();
            let mut wait = LOOK_EVERY;
            if judge.streams.ends {
                let end = match entry.withdrawn.has_begun() {
                    true => Some(StreamEnd::Revoked),
                    false => look(&judge, &mut entry).await,
                };
                if let Some(end) = end {
                    watched.tell(end);
                    if !watched.is_lenient {
                        return end;
                    }
                }
                let left = end_of(&judge, &entry).duration_since(judge.verifier.now());
                wait = wait.min(left.max(SHORTEST_WAIT));
            }
            drop(judge);
            sleep(wait).await;
        }
    }

    /// Does `work` as long as the token has not [`ended`](Self::ended).
    ///
    /// # Errors
    /// [`StreamEnd`]; `work` is dropped then, wherever it was.
    pub async fn until<F: Future>(&self, work: F) -> Result<F::Output, StreamEnd> {
        tokio::select! {
            biased;
            end = self.ended() => Err(end),
            output = work => Ok(output),
        }
    }

    /// The token that is watched.
    pub(crate) fn entry(&self) -> Option<&CacheEntry> {
        self.0.as_ref().map(|watched| &*watched.entry)
    }

    /// Whether there is anything to wait for.
    pub(crate) const fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// The body of the request was ended before its time.
    fn cut_upload(&self, end: StreamEnd) {
        if let Some(watched) = &self.0 {
            let _ = watched.has_cut_upload.set(end);
        }
    }

    pub(crate) fn has_cut_upload(&self) -> Option<StreamEnd> {
        self.0.as_ref()?.has_cut_upload.get().copied()
    }
}

/// Whether the token is to end a stream now. `entry` becomes what was found out of it last.
async fn look(judge: &Judge, entry: &mut Arc<CacheEntry>) -> Option<StreamEnd> {
    match judge.verifier.look_again(entry, &judge.issuers).await {
        Ok(found) => *entry = found,
        Err(_taken_back) => return Some(StreamEnd::Revoked),
    }
    (judge.verifier.now() >= end_of(judge, entry)).then_some(StreamEnd::Expired)
}

/// When a stream with this token ends by itself.
fn end_of(judge: &Judge, entry: &CacheEntry) -> UnixTime {
    let claims = entry.context.claims();
    let leeway = match entry.ground {
        Ground::Signature { .. } => claims.leeway().unwrap_or_default(),
        Ground::Answer { .. } => Duration::ZERO,
    };
    let end = claims.expires_at.saturating_add(leeway);
    end.saturating_add(judge.streams.grace)
}

impl Watched {
    /// Once for each request, however much of it streams.
    fn tell(&self, end: StreamEnd) {
        if self.is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let result = match self.is_lenient {
            true => "would_end",
            false => "end",
        };
        self.server.metrics().streams.ended(end.as_str(), result);
        let judge = self.server.judge();
        let judged = StreamJudged {
            result,
            reason: end.as_str(),
            route: &self.route,
            context: &self.entry.context,
            issuer_name: &self.entry.trust.name,
        };
        judge.audit.record_stream(&judged, judge.verifier.now());
    }
}

impl fmt::Debug for TokenEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenEnd").field(&self.is_watched()).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for TokenEnd {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
