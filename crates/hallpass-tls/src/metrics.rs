//! What is counted of certificates.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// When certificates end, and how often changed files were taken. A clone shares the counts.
///
/// ```
/// use hallpass_tls::TlsMetrics;
/// use prometheus_client::registry::Registry;
///
/// let mut registry = Registry::with_prefix("hallpass");
/// TlsMetrics::default().register(&mut registry);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsMetrics {
    expiry: Family<Use, Gauge>,
    reloads: Family<Reload, Counter>,
}

/// `server`, `client_authority`, `client` or `server_authority`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Use {
    used_for: &'static str,
}

/// `server` or `client`; `taken` or `refused`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    used_for: &'static str,
    result: &'static str,
}

/// When the certificates of one use end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) used_for: &'static str,
    pub(crate) at: SystemTime,
}

impl Expiry {
    /// The one that comes first.
    pub(crate) fn sooner(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        [one, other]
            .into_iter()
            .flatten()
            .min_by_key(|expiry| expiry.at)
    }
}

impl TlsMetrics {
    /// Adds `tls_certificate_expiry_timestamp_seconds` and `tls_reloads` to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_certificate_expiry_timestamp_seconds",
            "When the first of the certificates in use ends, in Unix time",
            self.expiry.clone(),
        );
        registry.register(
            "tls_reloads",
            "Changed certificates, keys or authorities that were taken or refused",
            self.reloads.clone(),
        );
    }

    /// Replaces what is shown for the uses `all` by `expiries`.
    pub(crate) fn show(&self, all: &[&'static str], expiries: &[Expiry]) {
        for used_for in all {
            self.expiry.remove(&Use { used_for });
        }
        for Expiry { used_for, at } in expiries {
            let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            self.expiry.get_or_create(&Use { used_for }).set(seconds);
        }
    }

    pub(crate) fn reloaded(&self, used_for: &'static str, result: &'static str) {
        self.reloads
            .get_or_create(&Reload { used_for, result })
            .inc();
    }
}
