//! What sources of revocations count, one label an issuer.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    issuer: Arc<str>,
    result: &'static str,
}

/// The metrics of all sources of a server. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct RevocationMetrics {
    requests: Family<ResultLabels, Counter>,
    last_success: Family<IssuerLabels, Gauge>,
    entries: Family<IssuerLabels, Gauge>,
    streaming: Family<IssuerLabels, Gauge>,
}

impl RevocationMetrics {
    /// Adds them to a registry, under names that begin with `hallpass_revocations_`.
    pub fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_revocations_requests",
            "Streams and whole lists asked for, by result",
            it.requests,
        );
        registry.register_with_unit(
            "hallpass_revocations_last_success_timestamp",
            "When the deny-list of the issuer was last known to be up to date",
            Unit::Seconds,
            it.last_success,
        );
        registry.register(
            "hallpass_revocations_entries",
            "Entries of the issuer's deny-list",
            it.entries,
        );
        registry.register(
            "hallpass_revocations_streaming",
            "1 while the deny-list is followed by a stream, 0 while it is asked for from time to time",
            it.streaming,
        );
    }

    /// The metrics of one issuer's list, under its configured name.
    pub fn of_issuer(&self, issuer: &str) -> IssuerRevocationMetrics {
        IssuerRevocationMetrics {
            issuer: issuer.into(),
            all: self.clone(),
        }
    }

    /// Drops the gauges of an issuer that is not trusted any more.
    pub fn forget(&self, issuer: &str) {
        let labels = IssuerLabels {
            issuer: issuer.into(),
        };
        self.last_success.remove(&labels);
        self.entries.remove(&labels);
        self.streaming.remove(&labels);
    }
}

/// The metrics of one issuer's list.
#[derive(Debug)]
pub struct IssuerRevocationMetrics {
    issuer: Arc<str>,
    all: RevocationMetrics,
}

impl IssuerRevocationMetrics {
    pub(super) fn confirmed(&self, now: SystemTime, entries: usize) {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (issuer, all) = (self.labels(), &self.all);
        all.last_success.get_or_create(&issuer).set(number(seconds));
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        all.entries.get_or_create(&issuer).set(number(entries));
    }

    /// Nothing has come yet of what should: its age counts from 1970 on, so that who watches it is told.
    pub(super) fn never_confirmed(&self) {
        let _zero = self.all.last_success.get_or_create(&self.labels());
    }

    pub(super) fn count(&self, result: &'static str) {
        let issuer = Arc::clone(&self.issuer);
        let labels = ResultLabels { issuer, result };
        self.all.requests.get_or_create(&labels).inc();
    }

    pub(super) fn streams(&self, is_streaming: bool) {
        let streaming = self.all.streaming.get_or_create(&self.labels());
        streaming.set(i64::from(is_streaming));
    }

    fn labels(&self) -> IssuerLabels {
        IssuerLabels {
            issuer: Arc::clone(&self.issuer),
        }
    }
}
