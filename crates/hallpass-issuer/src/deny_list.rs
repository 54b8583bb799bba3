//! What is revoked, as tokens are held against it and as verifiers follow it.
//!
//! It has what the store says, and the tainted keys by themselves. An entry ends by its time; nothing is ever taken back earlier.

pub(crate) mod log;
mod places;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use axum::body::Body;
use hallpass_token::{Revocation, RevocationDigest, RevocationKind, RevocationList, UnixTime};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use self::log::Log;
use self::places::Places;
use crate::clients::registry::{Client, MAX_TOKEN_LIFE};
use crate::error::Error;
use crate::keys::record::{KeyRecord, KeyState};

/// How much longer than any token an entry lasts: clocks differ, and verifiers allow for that.
const AFTER_THE_LAST_TOKEN: Duration = Duration::from_secs(300);
/// Entries that clients may bring the list to: the rest is for operators.
pub(crate) const MOST_BY_CLIENTS: usize = RevocationList::MAX_ENTRIES / 2;

/// When every token has ended that was issued until `moment`, whatever lives were configured then.
pub(crate) const fn end_of_all_until(moment: UnixTime) -> UnixTime {
    end_of(moment.saturating_add(MAX_TOKEN_LIFE))
}

/// When an entry can end that is about a token which ends at `moment`.
pub(crate) const fn end_of(moment: UnixTime) -> UnixTime {
    moment.saturating_add(AFTER_THE_LAST_TOKEN)
}

/// What was signed with these keys counts no more. Without those of which no token can be alive: their records stay for longer.
pub(crate) fn tainted(keys: &[KeyRecord], now: UnixTime) -> impl Iterator<Item = Revocation> {
    let tainted = keys.iter().filter(|key| key.state == KeyState::Tainted);
    let entries = tainted.filter_map(|key| {
        Some(Revocation {
            kind: RevocationKind::Key,
            digest: RevocationDigest::new(RevocationKind::Key, &key.kid),
            issued_before: None,
            ends_at: end_of_all_until(key.since()?),
        })
    });
    entries.filter(move |entry| now < entry.ends_at)
}

/// The deny-list of an issuer that runs.
#[derive(Debug)]
pub(crate) struct DenyList {
    list: ArcSwap<RevocationList>,
    log: watch::Sender<Arc<Log>>,
    is_stopping: watch::Sender<bool>,
    places: Places,
    metrics: DenyListMetrics,
}

impl DenyList {
    /// An empty one.
    ///
    /// # Errors
    /// [`Error::Internal`] without random numbers: this process tells its list from that of another one.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut epoch = [0; 8];
        aws_lc_rs::rand::fill(&mut epoch).map_err(|_| Error::Internal {
            operation: "drawing random bytes",
        })?;
        Ok(Self {
            list: ArcSwap::default(),
            log: watch::Sender::new(Arc::new(Log::new(u64::from_ne_bytes(epoch)))),
            is_stopping: watch::Sender::new(false),
            places: Places::default(),
            metrics: DenyListMetrics::default(),
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Takes what `entries` deny beyond what is denied already. One caller at a time, here and below.
    ///
    /// Also what has ended as the clock says now: a clock that is ahead for a moment must not take anything from the list.
    pub(crate) fn take(&self, entries: impl Iterator<Item = Revocation>) {
        let current = self.list.load_full();
        let is_new = |entry: &Revocation| !current.covers(entry);
        let new: Vec<Revocation> = entries.filter(is_new).collect();
        if !new.is_empty() {
            let mut list = RevocationList::clone(&current);
            new.iter().for_each(|entry| {
                list.put(entry);
            });
            let log = Log::with(&self.log.borrow(), &new, &list);
            self.list.store(Arc::new(list));
            self.log.send_replace(Arc::new(log));
            tracing::info!(entries = new.len(), "revocations count from now on");
        }
        self.count();
    }

    /// Forgets the entries that have ended.
    pub(crate) fn forget_ended(&self, now: UnixTime) {
        let mut list = RevocationList::clone(&self.list.load());
        list.forget_ended(now);
        self.list.store(Arc::new(list));
        self.count();
    }

    fn count(&self) {
        let entries = self.list.load().len();
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.metrics.entries.set(entries);
    }

    /// What is denied.
    pub(crate) fn current(&self) -> Guard<Arc<RevocationList>> {
        self.list.load()
    }

    /// Whether this client gets no token: all of its own are denied, also those that are still to come.
    pub(crate) fn keeps_out(&self, client: &Client, now: UnixTime) -> bool {
        let list = self.list.load();
        let denies = |kind, name| list.denies_all(&RevocationDigest::new(kind, name), now);
        !list.is_empty()
            && (denies(RevocationKind::Client, client.id.as_str())
                || denies(RevocationKind::Subject, client.subject.as_str()))
    }

    /// What is served.
    pub(crate) fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log.borrow())
    }

    /// A stream of events: all entries, or those after the event `known`, and then each new one. `None` when there are too
    /// many already, of all or of who comes from `source` or calls itself `verifier`, or the issuer stops.
    pub(crate) fn follow(
        &self,
        known: Option<&str>,
        source: Option<IpAddr>,
        verifier: Option<&str>,
    ) -> Option<Body> {
        if *self.is_stopping.borrow() {
            self.metrics.refused("stopping");
            return None;
        }
        let place = match self.places.take(source, verifier) {
            Ok(place) => place,
            Err(full) => {
                self.metrics.refused(full.as_str());
                return None;
            }
        };
        let streams = stream::Counted::new(&self.metrics.streams, place);
        let stopping = self.is_stopping.subscribe();
        let body = stream::events(self.log.subscribe(), stopping, known, streams);
        Some(Body::new(body))
    }

    /// What is new from now on.
    pub(crate) fn follow_new(&self) -> NewRevocations {
        let mut logs = self.log.subscribe();
        let known = logs.borrow_and_update().last();
        NewRevocations { logs, known }
    }

    /// Ends all streams, so that verifiers look elsewhere and no stop waits for them.
    pub(crate) fn end_streams(&self) {
        self.is_stopping.send_replace(true);
    }
}

/// What an issuer revokes, as it comes: for those who tell others of it over a way of their own.
#[derive(Debug)]
pub struct NewRevocations {
    logs: watch::Receiver<Arc<Log>>,
    /// The number of the last entry that was given.
    known: u64,
}

impl NewRevocations {
    /// Most entries that are given at once.
    const MOST: usize = 256;

    /// The next entries, at most 256; of more that came at once the last ones. `None` when the issuer has ended.
    ///
    /// They count already, and are on the list that is served.
    pub async fn next(&mut self) -> Option<Vec<Revocation>> {
        loop {
            self.logs.changed().await.ok()?;
            let log = Arc::clone(&self.logs.borrow_and_update());
            let new = log.newest(self.known, Self::MOST);
            self.known = log.last();
            if !new.is_empty() {
                return Some(new);
            }
        }
    }
}

#[derive(Debug, Default)]
struct DenyListMetrics {
    entries: Gauge,
    streams: Gauge,
    refused: Family<ReasonLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl DenyListMetrics {
    fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "revocations",
            "Entries of the deny-list, those included that ended a short while ago",
            self.entries.clone(),
        );
        registry.register(
            "revocation_streams",
            "Verifiers that follow the deny-list by a stream",
            self.streams.clone(),
        );
        registry.register(
            "revocation_streams_refused",
            "Streams refused because there were too many, of all, of the address or of the verifier there, or the issuer stopped",
            self.refused.clone(),
        );
    }
}
