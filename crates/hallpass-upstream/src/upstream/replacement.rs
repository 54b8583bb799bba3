//! From one list of instances to the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::candidate::Candidate;
use super::fleet::Fleet;
use super::instance_state::InstanceState;
use super::{Address, Known, Upstream};
use crate::discovery::{Instances, Member, Place};

impl Upstream {
    /// Takes over a new list: instances that stay keep their state, those that left are forgotten.
    pub(super) fn replace(&self, known: &mut Known, instances: Instances) {
        let place = match &self.address {
            Address::LoadBalanced(_) => self.discovery.place(),
            Address::Fixed(_) => Place::default(),
        };
        let kept = |member: &Member| {
            let mut before = known.fleet.all().map(|candidate| &candidate.state);
            before.find(|state| state.instance == member.instance)
        };
        let begins_slowly = match known.instances.is_empty() {
            // What is known from the start has been there for long, as far as anybody knows.
            true => [false; 2],
            false => {
                let now = self.common.clock.monotonic();
                let members = instances.members();
                let warm = members.map(|member| {
                    let kept = kept(member);
                    let is_warm = kept.is_some_and(|state| !state.is_on_the_way(now));
                    (place.holds(member), is_warm)
                });
                few_are_cold(warm)
            }
        };
        let members = instances.members().map(|member| {
            let is_own = place.holds(member);
            let state = kept(member).map_or_else(
                || {
                    let [own, others] = begins_slowly;
                    let slowly = if is_own { own } else { others };
                    let new = InstanceState::new(&member.instance, &self.common, slowly);
                    Arc::new(new)
                },
                Arc::clone,
            );
            let mark = place.mark(member);
            let candidate = Candidate {
                state,
                weight: member.weight,
                is_own,
            };
            (mark.map(Arc::from), candidate)
        });
        let fleet = Arc::new(Fleet::new(place.gray.is_some(), members.collect()));
        for gone in known.instances.iter() {
            if !instances.iter().any(|instance| instance == gone) {
                self.common.observer.instance_left(gone);
            }
        }
        let is_alone = instances.len() <= 1;
        self.common.is_alone.store(is_alone, Ordering::Relaxed);
        known.instances = instances;
        known.fleet = fleet;
    }
}

/// Whether those that come to the own zone, and to others, begin slowly, by whether each instance is in the own zone and gets its
/// whole share. Where most do not, the few that do would have to carry the load of all.
fn few_are_cold(instances: impl Iterator<Item = (bool, bool)>) -> [bool; 2] {
    let (mut own, mut others) = ([0_usize; 2], [0_usize; 2]);
    for (is_own, is_warm) in instances {
        let [all, warm] = if is_own { &mut own } else { &mut others };
        *all += 1;
        *warm += usize::from(is_warm);
    }
    [own, others].map(|[all, warm]| warm * 2 >= all)
}
