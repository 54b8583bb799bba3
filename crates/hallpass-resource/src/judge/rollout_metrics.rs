//! How far each route is rolled out, for metrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hallpass_token::UnixTime;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::policy::Policy;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RatioLabels {
    route: Arc<str>,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinceLabels {
    route: Arc<str>,
}

/// The mode of each route and since when. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct RolloutMetrics {
    ratio: Family<RatioLabels, Gauge<f64, AtomicU64>>,
    since: Family<SinceLabels, Gauge>,
}

impl RolloutMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_rollout_ratio",
            "For which part of the callers a route is enforced",
            self.ratio.clone(),
        );
        registry.register(
            "hallpass_rollout_since_timestamp_seconds",
            "Since when a route is rolled out as far as it is",
            self.since.clone(),
        );
    }

    /// Shows what holds from now on; what has not changed keeps its time.
    pub(super) fn show(&self, policy: &Policy, previous: Option<&Policy>, now: UnixTime) {
        let before = previous.map(Policy::rollouts).unwrap_or_default();
        let current = policy.rollouts();
        for (route, rollout) in &before {
            if current.get(route) != Some(rollout) {
                let (route, mode) = (Arc::clone(route), rollout.mode().name());
                self.ratio.remove(&RatioLabels { route, mode });
            }
        }
        for route in before.keys().filter(|route| !current.contains_key(*route)) {
            let route = Arc::clone(route);
            self.since.remove(&SinceLabels { route });
        }
        for (route, rollout) in &current {
            if before.get(route) == Some(rollout) {
                continue;
            }
            let mode = rollout.mode().name();
            let labels = RatioLabels {
                route: Arc::clone(route),
                mode,
            };
            let ratio = self.ratio.get_or_create(&labels);
            ratio.set(rollout.enforced_ratio());
            let route = Arc::clone(route);
            let since = self.since.get_or_create(&SinceLabels { route });
            since.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        }
    }
}
