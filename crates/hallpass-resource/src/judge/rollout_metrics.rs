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
struct RouteLabels {
    route: Arc<str>,
}

/// The mode of each route and since when. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct RolloutMetrics {
    ratio: Family<RatioLabels, Gauge<f64, AtomicU64>>,
    since: Family<RouteLabels, Gauge>,
    follows: Family<RouteLabels, Gauge>,
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
            "Since when a route is rolled out as far as it is, by the same rules",
            self.since.clone(),
        );
        registry.register(
            "hallpass_rollout_follows_service",
            "1 where the step of the service decides about calls of a route",
            self.follows.clone(),
        );
    }

    /// Shows what holds from now on; what has not changed keeps its time. `before` is what was shown before, and whether it asks the same of
    /// the same callers, whatever its steps: what was watched by other rules says nothing of these.
    pub(super) fn show(&self, policy: &Policy, before: Option<(&Policy, bool)>, now: UnixTime) {
        let keeps_time = before.is_some_and(|(_, is_same)| is_same);
        let previous = before.map(|(policy, _)| policy);
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
            let labels = RouteLabels { route };
            self.since.remove(&labels);
            self.follows.remove(&labels);
        }
        let of_service = policy.routes_of_service();
        for (route, rollout) in &current {
            let labels = RouteLabels {
                route: Arc::clone(route),
            };
            let follows = self.follows.get_or_create(&labels);
            follows.set(i64::from(of_service.contains(route)));
            drop(follows);
            if keeps_time && before.get(route) == Some(rollout) {
                continue;
            }
            let since = self.since.get_or_create(&labels);
            since.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
            let ratio = RatioLabels {
                route: Arc::clone(route),
                mode: rollout.mode().name(),
            };
            let ratio = self.ratio.get_or_create(&ratio);
            ratio.set(rollout.enforced_ratio());
        }
    }
}
