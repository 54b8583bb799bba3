//! What the agent counts.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Renewals, fetches of the bundle, and when the certificate ends. Cheap to clone; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct CertificateMetrics {
    renewals: Family<ResultLabel, Counter>,
    bundles: Family<ResultLabel, Counter>,
    not_after: Gauge,
    last_renewal: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl CertificateMetrics {
    /// Registers `certificates_renewals`, `certificates_bundle_fetches`, `certificates_not_after_timestamp_seconds` and
    /// `certificates_last_renewal_timestamp_seconds` in `registry`, which should have the prefix `hallpass_`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "certificates_renewals",
            "Certificates asked for at the issuer's authority: by_certificate, by_credential, or why there is none",
            self.renewals.clone(),
        );
        registry.register(
            "certificates_bundle_fetches",
            "Fetches of the bundle of authorities: changed, unchanged, or why there is none",
            self.bundles.clone(),
        );
        registry.register(
            "certificates_not_after_timestamp_seconds",
            "When the certificate that is held ends, in Unix time, by the clock of the issuer",
            self.not_after.clone(),
        );
        registry.register(
            "certificates_last_renewal_timestamp_seconds",
            "When the certificate that is held came, in Unix time",
            self.last_renewal.clone(),
        );
    }

    pub(crate) fn asked(&self, result: &'static str) {
        self.renewals.get_or_create(&ResultLabel { result }).inc();
    }

    pub(crate) fn fetched(&self, result: &'static str) {
        self.bundles.get_or_create(&ResultLabel { result }).inc();
    }

    /// The one that is held ends then, and came now where it is new.
    pub(crate) fn holds(&self, not_after: u64, came: Option<SystemTime>) {
        self.not_after
            .set(i64::try_from(not_after).unwrap_or(i64::MAX));
        if let Some(came) = came {
            let seconds = came.duration_since(UNIX_EPOCH).unwrap_or_default();
            let seconds = i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX);
            self.last_renewal.set(seconds);
        }
    }
}
