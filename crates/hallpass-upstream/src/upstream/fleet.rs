//! The instances of a service, in the groups that a choice looks at.

use std::sync::Arc;
use std::time::Duration;

use hallpass_config::Percent;

use super::candidate::Candidate;
use super::instance_state::Standing;
use crate::random::random_below;

/// All instances that may be chosen. Never changed, only replaced.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// Whether there is a tag that marks instances.
    pub(super) has_marks: bool,
    /// Those without a mark, for every call; all of them where every one has a mark.
    pub(super) unmarked: Group,
    marked: Box<[(Arc<str>, Group)]>,
}

/// Instances that are alike for a call, those of the own zone first.
#[derive(Debug, Default)]
pub(super) struct Group {
    candidates: Box<[Candidate]>,
    /// How many of them are in the own zone; 0 where that makes no difference.
    own: usize,
}

/// Where a call goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// To all instances alike.
    All,
    /// To the own zone.
    Own,
    /// To other zones, because too little of the own one is well.
    Others,
}

impl Fleet {
    /// Instances with the mark that each bears.
    pub(super) fn new(has_marks: bool, members: Vec<(Option<Arc<str>>, Candidate)>) -> Self {
        let mut unmarked = Vec::new();
        let mut marked: Vec<(Arc<str>, Vec<Candidate>)> = Vec::new();
        for (mark, candidate) in members {
            let Some(mark) = mark else {
                unmarked.push(candidate);
                continue;
            };
            match marked.iter_mut().find(|(known, _)| *known == mark) {
                Some((_, same)) => same.push(candidate),
                None => marked.push((mark, vec![candidate])),
            }
        }
        if unmarked.is_empty() {
            let all = marked.iter().flat_map(|(_, candidates)| candidates);
            unmarked = all.cloned().collect();
        }
        let marked = marked.into_iter();
        Self {
            has_marks,
            unmarked: Group::new(unmarked),
            marked: marked
                .map(|(mark, candidates)| (mark, Group::new(candidates)))
                .collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Candidate> {
        let marked = self.marked.iter().flat_map(|(_, group)| group.all());
        self.unmarked.all().iter().chain(marked)
    }

    /// Those with this mark, if there are any.
    pub(super) fn marked(&self, mark: &str) -> Option<&Group> {
        let (_, group) = self.marked.iter().find(|(known, _)| **known == *mark)?;
        Some(group)
    }
}

impl Group {
    fn new(mut candidates: Vec<Candidate>) -> Self {
        // A stable sort, with the own ones first.
        candidates.sort_by_key(|candidate| !candidate.is_own);
        let own = candidates.iter().take_while(|candidate| candidate.is_own);
        let (own, weight) = own.fold((0, 0), |(count, weight), it| {
            (count + 1, weight + whole(it))
        });
        // An own zone where nobody takes calls is none.
        let makes_a_difference = weight > 0 && own < candidates.len();
        Self {
            candidates: candidates.into(),
            own: if makes_a_difference { own } else { 0 },
        }
    }

    pub(super) fn all(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(super) fn of(&self, tier: Tier) -> &[Candidate] {
        let (own, others) = self
            .candidates
            .split_at_checked(self.own)
            .unwrap_or_default();
        match tier {
            Tier::All => &self.candidates,
            Tier::Own => own,
            Tier::Others => others,
        }
    }

    /// Whether somebody in the own zone waits for the call that says whether it is well.
    pub(super) fn awaits_a_trial(&self, now: Duration) -> bool {
        self.of(Tier::Own).iter().any(|candidate| {
            let standing = candidate.state.standing(now);
            matches!(standing, Standing::OnTrial { .. }) && candidate.state.in_flight() == 0
        })
    }

    /// The own zone while at least `spill` of it is well. Below that so much of the calls stays there that those that are well
    /// get no more of them than they would at this share.
    pub(super) fn tier(&self, spill: Percent, now: Duration) -> Tier {
        if self.own == 0 {
            return Tier::All;
        }
        let (mut total, mut well) = (0_u64, 0_u64);
        for candidate in self.of(Tier::Own) {
            total = total.saturating_add(whole(candidate));
            if candidate.state.is_fit(now) {
                // In hundredths: one that has just come back is not wholly there.
                well = well.saturating_add(candidate.weight_at(now));
            }
        }
        let least = total.saturating_mul(u64::from(spill.get()));
        match well >= least || random_below(least) < well {
            true => Tier::Own,
            false => Tier::Others,
        }
    }
}

fn whole(candidate: &Candidate) -> u64 {
    u64::from(candidate.weight)
}
