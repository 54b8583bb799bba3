//! How the instances of a service are doing, for people.

use std::time::Duration;

use super::Upstream;
use super::instance_state::Standing;
use crate::discovery::Instance;

/// How one instance of a service is doing at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceReport {
    /// Which one.
    pub instance: Instance,
    /// Its weight.
    pub weight: u32,
    /// Whether it is in the zone or cluster of this process.
    pub is_own_zone: bool,
    /// Calls under way to it.
    pub in_flight: usize,
    /// How long its responses take, as far as the choice knows.
    pub latency: Duration,
    /// Whether it may be chosen.
    pub standing: InstanceStanding,
}

/// Whether an instance may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceStanding {
    /// It may.
    Fit,
    /// As many calls as allowed are under way to it.
    Full,
    /// It was left out, and one call at a time finds out whether it is well.
    OnTrial,
    /// It is left out, because it has failed again and again.
    Ejected,
    /// Its circuit breaker refuses calls.
    BreakerOpen,
}

impl InstanceStanding {
    /// As pages for people have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Full => "full",
            Self::OnTrial => "on_trial",
            Self::Ejected => "ejected",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

impl Upstream {
    /// The instances that are known now, by what was asked of discovery last: asks nobody.
    #[must_use]
    pub fn report(&self) -> Vec<InstanceReport> {
        let now = self.common.clock.monotonic();
        let fleet = std::sync::Arc::clone(&self.known().fleet);
        let mut reports: Vec<InstanceReport> = Vec::new();
        for candidate in fleet.all() {
            let state = &candidate.state;
            // One with a mark may stand among those without one too.
            if reports.iter().any(|it| it.instance == state.instance) {
                continue;
            }
            reports.push(InstanceReport {
                instance: state.instance.clone(),
                weight: candidate.weight,
                is_own_zone: candidate.is_own,
                in_flight: state.in_flight(),
                latency: Duration::from_nanos(state.latency(now)),
                standing: match state.standing(now) {
                    Standing::Fit => InstanceStanding::Fit,
                    Standing::Full => InstanceStanding::Full,
                    Standing::OnTrial { .. } => InstanceStanding::OnTrial,
                    Standing::Ejected { .. } => InstanceStanding::Ejected,
                    Standing::Refused { .. } => InstanceStanding::BreakerOpen,
                },
            });
        }
        reports
    }
}
