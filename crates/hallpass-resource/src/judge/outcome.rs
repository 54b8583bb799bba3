//! How a verdict was reached, and how often.

use std::sync::{Arc, OnceLock};

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
use crate::policy::{Mode, Policy};
use crate::trusted_issuer::Issuers;

/// The reason of a decision that there is nothing to say about.
pub(super) const NO_REASON: &str = "none";

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

    /// Counts a decision. That a call was allowed is looked for in the map of all decisions once a rule.
    pub(super) fn count(&self, counted: Counted<'_>) {
        let labels = || DecisionLabels {
            result: counted.outcome.as_str(),
            reason: counted.reason,
            mode: counted.mode.name(),
            route: Arc::clone(counted.route),
        };
        match counted.allowed.filter(|_| counted.is_usual()) {
            Some(allowed) => {
                let allowed = allowed.get_or_init(|| self.decisions.get_or_create_owned(&labels()));
                allowed.inc();
            }
            None => _ = self.decisions.get_or_create(&labels()).inc(),
        }
    }
}

/// A decision, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    pub(super) outcome: Outcome,
    pub(super) reason: &'static str,
    pub(super) mode: Mode,
    pub(super) route: &'a Arc<str>,
    /// For the calls that the rule allows, with nothing to say of them.
    pub(super) allowed: Option<&'a OnceLock<Counter>>,
}

impl Counted<'_> {
    fn is_usual(&self) -> bool {
        self.outcome == Outcome::Allow && self.reason == NO_REASON && self.mode == Mode::Enforce
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
