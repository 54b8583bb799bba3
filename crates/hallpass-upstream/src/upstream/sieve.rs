//! The choice when not every instance is fit: each is looked at, and the best of what there is, is taken.

use std::time::Duration;

use hallpass_config::Percent;

use super::candidate::{Candidate, better};
use super::fleet::{Group, Tier};
use super::instance_state::Standing;
use super::pick;
use crate::discovery::Instance;

/// What a choice goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round<'a> {
    /// Where attempts of this call have failed, the last one last.
    pub(super) avoid: &'a [Instance],
    /// At most this share of a group is left out.
    pub(super) max_out: Percent,
    pub(super) now: Duration,
}

/// In which order candidates are taken: all of one rank before any of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Fit and not tried: by the number of its group, and whether its zone is not the one that comes first.
    Fit(usize, bool),
    /// Left out, and called again because too many are.
    Recalled,
    /// Fit, and has failed this call.
    Tried,
    JustTried,
    /// Left out, with a breaker that would let a call in.
    Ejected,
}

/// A candidate with its rank.
#[derive(Clone, Copy, Debug)]
struct Ranked<'a> {
    candidate: &'a Candidate,
    rank: Rank,
    is_recalled: bool,
    is_spilled: bool,
}

impl Ranked<'_> {
    /// A hundredth of its weight for one that is called again, and one call at a time: enough to see whether it is well.
    fn weight(&self, now: Duration) -> u64 {
        match self.is_recalled {
            true if self.candidate.state.in_flight() > 0 => 0,
            true => u64::from(self.candidate.weight),
            false => self.candidate.weight_at(now),
        }
    }
}

/// Candidates that may be taken, one after the other.
#[derive(Debug, Default)]
pub(super) struct Sieve<'a> {
    ranked: Vec<Ranked<'a>>,
    /// When the first breaker lets a call through again; `None` when none refuses.
    pub(super) retry_after: Option<Duration>,
}

/// A candidate that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) candidate: &'a Candidate,
    /// Whether its breaker is to let it in before its time.
    pub(super) is_recalled: bool,
    /// Whether it is in another zone, although there is somebody in the own one.
    pub(super) is_spilled: bool,
}

impl<'a> Sieve<'a> {
    /// Adds the next group, with the tier that comes first in it.
    pub(super) fn add(&mut self, group: &'a Group, tier: Tier, round: Round<'_>) {
        let number = self.ranked.len();
        let standings = group
            .all()
            .iter()
            .map(|it| (it, it.state.standing(round.now)));
        let standings: Vec<_> = standings.collect();
        let recalled = recalled(&standings, round.max_out);
        for (candidate, standing) in standings {
            if let Standing::Refused { wait, .. } = standing {
                self.refused(wait);
            }
            let instance = &candidate.state.instance;
            let is_recalled = recalled.contains(&instance);
            let was_tried = round.avoid.contains(instance);
            let is_second = match tier {
                Tier::All => false,
                Tier::Own => !candidate.is_own,
                Tier::Others => candidate.is_own,
            };
            let rank = match standing {
                Standing::Fit if round.avoid.last() == Some(instance) => Rank::JustTried,
                Standing::Fit if was_tried => Rank::Tried,
                Standing::Fit => Rank::Fit(number, is_second),
                _ if is_recalled && !was_tried => Rank::Recalled,
                Standing::Ejected { .. } => Rank::Ejected,
                Standing::Refused { .. } => continue,
            };
            self.ranked.push(Ranked {
                candidate,
                rank,
                is_recalled,
                is_spilled: tier != Tier::All && !candidate.is_own,
            });
        }
        self.mix_in(number);
    }

    /// Those that are called again get their small share beside the fit ones of their zone.
    fn mix_in(&mut self, from: usize) {
        let Some(added) = self.ranked.get_mut(from..) else {
            return;
        };
        for is_own in [true, false] {
            let mut same = added.iter().filter(|it| it.candidate.is_own == is_own);
            let Some(fit) = same.find(|it| matches!(it.rank, Rank::Fit(..))) else {
                continue;
            };
            let rank = fit.rank;
            let beside = added.iter_mut().filter(|it| it.candidate.is_own == is_own);
            for it in beside.filter(|it| it.rank == Rank::Recalled) {
                it.rank = rank;
            }
        }
    }

    /// A breaker refused, for so long.
    pub(super) fn refused(&mut self, wait: Duration) {
        let shortest = self.retry_after.map_or(wait, |before| before.min(wait));
        self.retry_after = Some(shortest);
    }

    /// Takes the better one of two of the first rank, picked by chance.
    pub(super) fn take(&mut self, now: Duration) -> Option<Taken<'a>> {
        let first = self.ranked.iter().map(|it| it.rank).min()?;
        let ranked = self.ranked.iter().enumerate();
        let places: Vec<_> = ranked.filter(|(_, it)| it.rank == first).collect();
        let (one, other) = pick::two(places.iter().map(|(_, it)| it.weight(now)))?;
        let (one, other) = (places.get(one)?, places.get(other)?);
        // How one that was left out is doing, nobody knows before it was called.
        let is_known = !one.1.is_recalled && !other.1.is_recalled;
        let better = match is_known {
            true => better(one.1.candidate, other.1.candidate, now),
            false => one.1.candidate,
        };
        let place = if std::ptr::eq(better, one.1.candidate) {
            one.0
        } else {
            other.0
        };
        let taken = self.ranked.swap_remove(place);
        Some(Taken {
            candidate: taken.candidate,
            is_recalled: taken.is_recalled,
            is_spilled: taken.is_spilled,
        })
    }
}

/// Those that are called again although they should be left out: where more are out than the share allows, the ones that
/// were left out first. One at least may be out.
fn recalled<'a>(standings: &[(&'a Candidate, Standing)], max_out: Percent) -> Vec<&'a Instance> {
    let is_out = |(_, standing): &&(&Candidate, Standing)| *standing != Standing::Fit;
    let out = standings.iter().filter(is_out).count();
    let share = standings.len().saturating_mul(usize::from(max_out.get()));
    let excess = out.saturating_sub(share.div_ceil(100).max(1));
    if excess == 0 {
        return Vec::new();
    }
    let since = standings.iter().filter_map(|(candidate, standing)| {
        let since = match standing {
            Standing::Fit => None,
            Standing::Ejected { since } => Some(*since),
            Standing::Refused { since, .. } => *since,
        };
        Some((since?, &candidate.state.instance))
    });
    let mut since: Vec<_> = since.collect();
    since.sort_by_key(|(since, _)| *since);
    let recalled = since.into_iter().take(excess);
    recalled.map(|(_, instance)| instance).collect()
}
