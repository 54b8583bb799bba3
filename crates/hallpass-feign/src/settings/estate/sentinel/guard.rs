//! What a rule is here.

use hallpass_upstream::{BreakerSettings, BulkheadSettings, GuardSettings, RateSettings};

use super::super::topic::Topic;

/// What a rule is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Breaker(BreakerSettings),
    Bulkhead(BulkheadSettings),
    Rate(RateSettings),
}

impl Guard {
    /// What it is about.
    pub(super) const fn topic(&self) -> Topic {
        match self {
            Self::Breaker(_) => Topic::Breaker,
            Self::Bulkhead(_) => Topic::Bulkhead,
            Self::Rate(_) => Topic::Rate,
        }
    }

    /// Several breakers and rates stand one after the other; of bulkheads the smallest counts.
    pub(super) fn add_to(self, guards: &mut GuardSettings) {
        match self {
            Self::Breaker(breaker) => guards.breakers.push(breaker),
            Self::Rate(rate) => guards.rates.push(rate),
            Self::Bulkhead(bulkhead) => {
                let is_smaller =
                    |known: &BulkheadSettings| bulkhead.max_concurrent < known.max_concurrent;
                if guards.bulkhead.as_ref().is_none_or(is_smaller) {
                    guards.bulkhead = Some(bulkhead);
                }
            }
        }
    }
}
