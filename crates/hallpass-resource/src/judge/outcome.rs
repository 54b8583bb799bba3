//! How a verdict was reached, and how often.

use std::sync::Arc;

use hallpass_token::UnixTime;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::rollout_metrics::RolloutMetrics;
use super::verifier_info::VerifierInfo;
use super::would_deny::WouldDeny;
use crate::error::Denial;
use crate::policy::Policy;
use crate::trusted_issuer::Issuers;

/// How the verdict was reached, in the words of metrics and audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Allow,
    Deny,
    WouldDeny,
    Bypass,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::WouldDeny => "would_deny",
            Self::Bypass => "bypass",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    result: &'static str,
    reason: &'static str,
    mode: &'static str,
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExtractorLabels {
    result: &'static str,
    reason: &'static str,
    route: Arc<str>,
}

/// What was decided, and whether the decision counts. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecisionMetrics {
    decisions: Family<DecisionLabels, Counter>,
    extractors: Family<ExtractorLabels, Counter>,
    dev_bypass: Gauge,
    pub(super) would_deny: WouldDeny,
    rollout: RolloutMetrics,
    info: VerifierInfo,
}

impl DecisionMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_verify",
            "Decisions about incoming calls",
            it.decisions,
        );
        registry.register(
            "hallpass_extractor_refusals",
            "Calls that the rules let pass and an extractor of the handler refused, or would have",
            it.extractors,
        );
        registry.register(
            "hallpass_dev_bypass_enabled",
            "1 while permit-all is on",
            it.dev_bypass,
        );
        it.would_deny.register(registry);
        it.rollout.register(registry);
        it.info.register(registry);
    }

    /// Shows what holds from now on; `before` as in [`RolloutMetrics::show`].
    pub(super) fn show(
        &self,
        (policy, before): (&Policy, Option<(&Policy, bool)>),
        issuers: &Issuers,
        permit_all: bool,
        now: UnixTime,
    ) {
        self.rollout.show(policy, before, now);
        self.info.show(issuers);
        self.dev_bypass.set(i64::from(permit_all));
    }

    /// An extractor has refused a call, or given it a placeholder instead.
    pub(crate) fn refused_by_extractor(&self, denial: &Denial, is_lenient: bool, route: &Arc<str>) {
        let outcome = if is_lenient {
            Outcome::WouldDeny
        } else {
            Outcome::Deny
        };
        let labels = ExtractorLabels {
            result: outcome.as_str(),
            reason: denial.reason(),
            route: Arc::clone(route),
        };
        self.extractors.get_or_create(&labels).inc();
    }

    pub(super) fn count(
        &self,
        result: &'static str,
        reason: &'static str,
        mode: &'static str,
        route: &Arc<str>,
    ) {
        let labels = DecisionLabels {
            result,
            reason,
            mode,
            route: Arc::clone(route),
        };
        self.decisions.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_a_closed_set_that_the_documents_have() {
        let document = include_str!("../../../../docs/policy.md");
        for outcome in [
            Outcome::Allow,
            Outcome::Deny,
            Outcome::WouldDeny,
            Outcome::Bypass,
        ] {
            // A new one does not compile before it stands here.
            let name = match outcome {
                Outcome::Allow => "allow",
                Outcome::Deny => "deny",
                Outcome::WouldDeny => "would_deny",
                Outcome::Bypass => "bypass",
            };
            assert_eq!(outcome.as_str(), name);
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
    }
}
