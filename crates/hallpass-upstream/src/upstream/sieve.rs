//! The choice when not every instance is fit: each is looked at, and the best of what there is, is taken.

use std::cmp::Ordering;
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

/// One that was left out and has not been called for so long is a better second try than one that has just failed this call.
const SPARE_AFTER: Duration = Duration::from_secs(5);

/// In which order candidates are taken: all of one rank before any of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Fit and not tried: by the number of its group, and whether its zone is not the one that comes first.
    Fit(usize, bool),
    /// On trial, with no call under way.
    OnTrial,
    /// Left out, and called again because too many are, with no call under way.
    Recalled,
    /// Fit, without a place for another call.
    Full,
    /// Left out, and not called for long.
    Spare,
    /// Fit, and has failed this call.
    Tried,
    JustTried,
    /// On trial or called again, with a call under way: where that hangs, others would as well.
    Busy,
    /// Left out, with a breaker that would let a call in.
    Ejected,
}

/// A candidate with its rank.
#[derive(Clone, Copy, Debug)]
struct Ranked<'a> {
    candidate: &'a Candidate,
    rank: Rank,
    is_recalled: bool,
    /// Nobody knows how it is doing before it was called.
    is_unknown: bool,
    /// Its breaker is to let it in before its time.
    is_early: bool,
    is_spilled: bool,
}

impl Ranked<'_> {
    /// A hundredth of its weight for one that is called again before its time: enough to see whether it is well.
    fn weight(&self, now: Duration) -> u64 {
        match self.is_recalled {
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
    pub(super) is_early: bool,
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
        let is_own_first = own_comes_first(group, tier, round.avoid);
        for (candidate, standing) in standings {
            if let Standing::Refused { wait, .. } = standing {
                self.refused(wait);
            }
            let is_recalled = recalled.contains(&&candidate.state.instance);
            let is_second = is_own_first.is_some_and(|is_first| is_first != candidate.is_own);
            let fit = Rank::Fit(number, is_second);
            let Some(rank) = rank(candidate, (standing, is_recalled), fit, round) else {
                continue;
            };
            let is_on_trial = matches!(standing, Standing::OnTrial { .. });
            self.ranked.push(Ranked {
                candidate,
                rank,
                is_recalled,
                is_unknown: is_recalled || is_on_trial,
                is_early: matches!(
                    standing,
                    Standing::Refused { .. } | Standing::OnTrial { is_early: true }
                ),
                is_spilled: tier != Tier::All && !candidate.is_own,
            });
        }
        self.mix_in(number);
    }

    /// Those on trial get their small share beside the fit ones, whatever zone these are in: no other call would find out
    /// about a zone that was left. Those that are called again get theirs beside the fit ones of their zone.
    fn mix_in(&mut self, from: usize) {
        let Some(added) = self.ranked.get_mut(from..) else {
            return;
        };
        let fit = |it: &&Ranked<'_>| matches!(it.rank, Rank::Fit(..));
        let first = added.iter().filter(fit).map(|it| it.rank).min();
        let first = first.unwrap_or(Rank::Fit(from, false));
        for is_own in [true, false] {
            let mut same = added.iter().filter(|it| it.candidate.is_own == is_own);
            let Some(fit) = same.find(fit) else {
                continue;
            };
            let rank = fit.rank;
            let beside = added.iter_mut().filter(|it| it.candidate.is_own == is_own);
            for it in beside.filter(|it| it.rank == Rank::Recalled) {
                it.rank = rank;
            }
        }
        for it in added.iter_mut().filter(|it| it.rank == Rank::OnTrial) {
            it.rank = first;
        }
    }

    /// How many may take a call that has failed elsewhere: fit ones that it has not tried, and those that are to be called
    /// again.
    pub(super) fn untried(&self) -> usize {
        self.ranked.iter().filter(|it| it.rank < Rank::Full).count()
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
        let is_known = !one.1.is_unknown && !other.1.is_unknown;
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
            is_early: taken.is_early,
            is_spilled: taken.is_spilled,
        })
    }
}

/// Whether the instances of the own zone come before others: as `tier` says, and where attempts of this call have failed in one
/// of both more often, the other one, since nobody knows whether it is the instance that is dead or its zone. `None`: all zones
/// are alike.
fn own_comes_first(group: &Group, tier: Tier, avoid: &[Instance]) -> Option<bool> {
    if tier == Tier::All {
        return None;
    }
    let mut failed = [0_usize; 2];
    for candidate in group.all() {
        if avoid.contains(&candidate.state.instance) {
            let [own, others] = &mut failed;
            *(if candidate.is_own { own } else { others }) += 1;
        }
    }
    let [own, others] = failed;
    Some(match own.cmp(&others) {
        Ordering::Less => true,
        Ordering::Equal => tier == Tier::Own,
        Ordering::Greater => false,
    })
}

/// Its rank, which is `fit` for one that is well; `None` when it cannot be called.
fn rank(
    candidate: &Candidate,
    (standing, is_recalled): (Standing, bool),
    fit: Rank,
    round: Round<'_>,
) -> Option<Rank> {
    let instance = &candidate.state.instance;
    let was_tried = round.avoid.contains(instance);
    let one_at_a_time = |rank| match candidate.state.in_flight() {
        0 => rank,
        _ => Rank::Busy,
    };
    Some(match standing {
        Standing::Ejected { .. } | Standing::Refused { .. } if is_recalled && !was_tried => {
            one_at_a_time(Rank::Recalled)
        }
        Standing::Refused { .. } => return None,
        Standing::Ejected { since } => {
            let is_idle = candidate.state.in_flight() == 0;
            match round.now.saturating_sub(since) < SPARE_AFTER {
                false if is_idle && !was_tried => Rank::Spare,
                _ => Rank::Ejected,
            }
        }
        _ if round.avoid.last() == Some(instance) => Rank::JustTried,
        _ if was_tried => Rank::Tried,
        Standing::Fit => fit,
        Standing::Full => Rank::Full,
        Standing::OnTrial { .. } => one_at_a_time(Rank::OnTrial),
    })
}

/// Those that are called again although they should be left out: where more are out than the share allows, the ones that
/// were left out first. One at least may be out.
fn recalled<'a>(standings: &[(&'a Candidate, Standing)], max_out: Percent) -> Vec<&'a Instance> {
    let is_out = |(_, standing): &&(&Candidate, Standing)| {
        matches!(
            standing,
            Standing::Ejected { .. } | Standing::Refused { .. }
        )
    };
    let out = standings.iter().filter(is_out).count();
    let share = standings.len().saturating_mul(usize::from(max_out.get()));
    let excess = out.saturating_sub(share.div_ceil(100).max(1));
    if excess == 0 {
        return Vec::new();
    }
    let since = standings.iter().filter_map(|(candidate, standing)| {
        let since = match standing {
            Standing::Fit | Standing::Full | Standing::OnTrial { .. } => None,
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
