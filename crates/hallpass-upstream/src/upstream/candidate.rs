//! An instance that may be chosen, and which of two is.

use std::sync::Arc;
use std::time::Duration;

use super::instance_state::InstanceState;
use super::latency::are_alike;
use super::refusals::CALL;

/// An instance that may be chosen.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) state: Arc<InstanceState>,
    pub(super) weight: u32,
    /// Whether it is in the zone or cluster of this process.
    pub(super) is_own: bool,
}

impl Candidate {
    /// Its weight, in hundredths, by the share that it gets now.
    pub(super) fn weight_at(&self, now: Duration) -> u64 {
        let share = match self.weight {
            0 => 0,
            _ => self.state.share(now),
        };
        u64::from(self.weight).saturating_mul(u64::from(share))
    }
}

/// The one that will probably answer first; the first when they are alike.
///
/// While one takes about as long as the other, or both take little, it is the one with fewer calls under way for its weight. When one is clearly
/// slower, what counts is how long a further call would take: its latency, once more for each call under way.
pub(super) fn better<'a>(one: &'a Candidate, other: &'a Candidate, now: Duration) -> &'a Candidate {
    let [first, second] = [one, other].map(|it| Load {
        latency: it.state.latency(now),
        under_way: it.state.load(now),
        // Weight 0 is only compared with weight 0.
        weight: it.weight_at(now).max(1),
    });
    match first.is_worse_than(&second) {
        true => other,
        false => one,
    }
}

struct Load {
    latency: u64,
    /// In thousandths of a call.
    under_way: u64,
    weight: u64,
}

impl Load {
    fn is_worse_than(&self, other: &Self) -> bool {
        // As products: a/b < c/d without fractions.
        let product = |factors: [u64; 3]| {
            let factors = factors.map(u128::from);
            factors.into_iter().fold(1_u128, u128::saturating_mul)
        };
        if are_alike(self.latency, other.latency) {
            let own = product([self.under_way, other.weight, 1]);
            return own > product([other.under_way, self.weight, 1]);
        }
        // What one call more would meet, where a call under way weighs as much as its instance is light.
        let middle = self.weight.saturating_add(other.weight) / 2;
        let cost = |it: &Self, others_weight: u64| {
            let queued = it.under_way.saturating_mul(middle);
            let own = it.weight.saturating_mul(CALL);
            product([it.latency, own.saturating_add(queued), others_weight])
        };
        cost(self, other.weight) > cost(other, self.weight)
    }
}
