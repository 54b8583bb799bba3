//! An instance that may be chosen, and which of two is.

use std::sync::Arc;

use super::instance_state::InstanceState;
use super::pick;

/// An instance that may be chosen.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) state: Arc<InstanceState>,
    pub(super) weight: u32,
}

/// Takes the less busy one of two candidates picked by chance out of the list.
pub(super) fn take_less_busy<'a>(candidates: &mut Vec<&'a Candidate>) -> Option<&'a Candidate> {
    let (one, other) = pick::two(candidates.iter().map(|candidate| candidate.weight))?;
    let chosen = less_busy(candidates.get(one)?, candidates.get(other)?);
    let place = if std::ptr::eq(chosen, *candidates.get(one)?) {
        one
    } else {
        other
    };
    Some(candidates.swap_remove(place))
}

/// The one with fewer calls under way for its weight; the first when they are alike.
pub(super) fn less_busy<'a>(one: &'a Candidate, other: &'a Candidate) -> &'a Candidate {
    // As products: a/b < c/d without fractions. Weight 0 is only compared with weight 0.
    let load = |candidate: &Candidate, weight: u32| {
        (candidate.state.in_flight() as u64).saturating_mul(u64::from(weight.max(1)))
    };
    if load(other, one.weight) < load(one, other.weight) {
        other
    } else {
        one
    }
}
