//! What the certificate authority counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use hallpass_token::UnixTime;

use super::record::AuthorityState;

/// Certificates that were asked for, and the ends of authorities.
#[derive(Debug, Default)]
pub(crate) struct AuthorityMetrics {
    certificates: Family<ResultLabel, Counter>,
    not_after: Family<StateLabel, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

impl AuthorityMetrics {
    /// Counts one request: `issued`, `renewed`, or the stable name of why not.
    pub(super) fn asked(&self, result: &'static str) {
        self.certificates
            .get_or_create(&ResultLabel { result })
            .inc();
    }

    /// Shows the first end of the authorities of each state.
    pub(super) fn show(&self, ends: &[(AuthorityState, UnixTime)]) {
        for state in AuthorityState::ALL {
            let of_state = ends.iter().filter(|(it, _)| *it == state);
            let label = StateLabel {
                state: state.as_str(),
            };
            match of_state.map(|(_, end)| end.as_secs()).min() {
                None => {
                    self.not_after.remove(&label);
                }
                Some(end) => {
                    let end = i64::try_from(end).unwrap_or(i64::MAX);
                    self.not_after.get_or_create(&label).set(end);
                }
            }
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "ca_certificates",
            "Certificates asked for at the authority of the issuer: issued, renewed, or refused and why",
            self.certificates.clone(),
        );
        registry.register(
            "ca_not_after_timestamp_seconds",
            "When the first certificate authority of each state ends, in seconds since 1970",
            self.not_after.clone(),
        );
    }
}
