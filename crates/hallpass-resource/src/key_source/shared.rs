//! The state behind a key source, and the fetch that replaces it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use hallpass_clock::Clock;
use hallpass_config::files::{self, FileError};
use hallpass_token::KeyId;
use hallpass_upstream::Reminders;
use tokio::time::timeout;

use super::fetch::{Fetched, HttpKeys, parse};
use super::flight::Flight;
use super::freshness::Freshness;
use super::limits::{KeyLimits, MAX_KEY_SET_BYTES};
use super::metrics::IssuerKeyMetrics;
use super::snapshot::KeySnapshot;
use crate::error::KeysError;

/// What all clones of a source share.
pub(super) struct Shared {
    pub(super) origin: Origin,
    pub(super) limits: KeyLimits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: ArcSwapOption<KeySnapshot>,
    pub(super) flight: Mutex<Flight>,
    pub(super) metrics: OnceLock<IssuerKeyMetrics>,
    /// Failures that go on.
    pub(super) said: Reminders,
}

/// Where the keys are.
pub(super) enum Origin {
    Http(Box<HttpKeys>),
    File(PathBuf),
    Fixed,
}

impl Shared {
    /// One fetch from begin to end: the new snapshot is in place when it returns.
    pub(super) async fn fetch_and_swap(&self) -> Result<(), KeysError> {
        let started = self.clock.monotonic();
        let previous = self.current.load_full();
        let limit = self.limits.fetch_timeout;
        let fetched = match timeout(limit, self.fetch(previous.as_deref())).await {
            Ok(fetched) => fetched,
            Err(_) => Err(KeysError::Timeout { limit }),
        };
        let now = self.clock.monotonic();
        let outcome = fetched.map(|fetched| {
            let freshness = Freshness::new(&self.limits, now, fetched.max_age);
            self.current.store(Some(Arc::new(fetched.into_snapshot(
                &self.origin,
                previous.as_deref(),
                freshness,
            ))));
        });
        if let Some(metrics) = self.metrics.get() {
            let keys = self
                .current
                .load()
                .as_ref()
                .map_or(0, |it| it.keys.keys().len());
            metrics.fetched(
                outcome.as_ref().err(),
                now.saturating_sub(started),
                self.clock.now(),
                keys,
            );
        }
        outcome
    }

    async fn fetch(&self, previous: Option<&KeySnapshot>) -> Result<Fetched, KeysError> {
        match &self.origin {
            Origin::Http(keys) => {
                let etag = previous.and_then(|it| it.etag.as_ref());
                keys.fetch(etag, self.limits.fetch_timeout).await
            }
            Origin::File(path) => read_file(path.clone()).await,
            Origin::Fixed => Ok(Fetched::unchanged(None)),
        }
    }

    /// Lets the next fetch start: at once, or after a while if this one failed or did not bring the key that it was made for.
    pub(super) fn finish(&self, outcome: &Result<(), KeysError>, kid: Option<&KeyId>) {
        let now = self.clock.monotonic();
        let current = self.current.load();
        let have_keys = current.is_some();
        let missed = kid.filter(|kid| !current.as_ref().is_some_and(|it| it.keys.contains(kid)));
        let origin = &self.origin;
        match outcome {
            Ok(()) if self.said.over() => tracing::info!(%origin, "keys could be fetched again"),
            Ok(()) => tracing::debug!(%origin, "keys fetched"),
            Err(error) => {
                let code = error.code();
                if let Some(times) = self.said.times(code) {
                    tracing::warn!(%origin, code, %error, have_keys, times, "keys could not be fetched");
                }
            }
        }
        let mut flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        flight.finish(outcome, now, missed);
    }

    pub(super) fn count(&self, what: fn(&IssuerKeyMetrics)) {
        if let Some(metrics) = self.metrics.get() {
            what(metrics);
        }
    }
}

impl Origin {
    /// Whether a fetch could bring anything new.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::Fixed)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(keys) => write!(f, "{}", keys.url()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Fixed => f.write_str("fixed keys"),
        }
    }
}

/// Reads the file as it is now.
///
/// It is read whole each time instead of asking for its time of change: it is small, and a clock with coarse ticks
/// cannot hide a change then. Together with key and secret reload elsewhere this is the only file read after start.
async fn read_file(path: PathBuf) -> Result<Fetched, KeysError> {
    match tokio::task::spawn_blocking(move || read_file_blocking(&path)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(KeysError::Cancelled),
    }
}

fn read_file_blocking(path: &Path) -> Result<Fetched, KeysError> {
    let text = files::read(path, MAX_KEY_SET_BYTES).map_err(|error| match error {
        FileError::TooLarge { max_bytes } => KeysError::TooLarge { limit: max_bytes },
        other => KeysError::File(other.to_string()),
    })?;
    Ok(Fetched::new(parse(&text, "none, a file")?))
}
