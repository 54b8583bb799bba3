//! Which instance an attempt goes to.

use std::sync::Arc;
use std::time::Duration;

use super::Upstream;
use super::candidate::{Candidate, better};
use super::chosen::Chosen;
use super::fleet::{Fleet, Group, Tier};
use super::in_flight::InFlight;
use super::instance_state::Standing;
use super::pick;
use super::sieve::{Round, Sieve};
use super::wish::Wish;
use crate::discovery::Instance;
use crate::outcome::Refusal;

impl Upstream {
    /// Chooses an instance for an attempt of a call that wishes for nothing: see [`choose_for`](Self::choose_for).
    ///
    /// # Errors
    /// [`Refusal::NoInstance`] or [`Refusal::BreakerOpen`].
    pub async fn choose(&self, avoid: &[Instance]) -> Result<Chosen, Refusal> {
        self.choose_for(avoid, Wish::default()).await
    }

    /// Chooses an instance for an attempt: of two picked by chance in proportion to their weights the one that will probably
    /// answer first, by the calls under way to it and, where one is clearly slower, by how long it takes. Those whose breaker
    /// lets no call in and those that were ejected are left out, at most [`EjectSettings::max`](crate::EjectSettings::max) of
    /// them, and never all that were ejected. One whose time is over gets one call at a time until a good response has come. One
    /// to which as many calls as allowed are under way is chosen only when no other is well. Those in `avoid`, where attempts have failed, are
    /// chosen only when there is no other, and the last of them only when there is nothing else.
    ///
    /// Instances in the own zone or cluster come first, as [`BalanceSettings`](crate::BalanceSettings) say; after an attempt that
    /// failed there, others do.
    ///
    /// Where [`Place::gray`](crate::Place::gray) names a tag, a call that wishes for a value of it goes to an instance with that
    /// value, and to one without the tag when none with it can take it. All other calls go to instances without the tag,
    /// well or not, as long as discovery knows one: what is tried with some calls is no reserve for all.
    ///
    /// # Errors
    /// [`Refusal::NoInstance`] or [`Refusal::BreakerOpen`].
    pub async fn choose_for(&self, avoid: &[Instance], wish: Wish<'_>) -> Result<Chosen, Refusal> {
        self.choose_at(avoid, wish, None).await
    }

    /// The same, for who has just looked at the upstream's clock: it is `now`.
    ///
    /// # Errors
    /// As there.
    pub async fn choose_at(
        &self,
        avoid: &[Instance],
        wish: Wish<'_>,
        now: Option<Duration>,
    ) -> Result<Chosen, Refusal> {
        let (fleet, now) = self.fleet(now).await.map_err(Refusal::NoInstance)?;
        let wished = wish.tag.and_then(|tag| fleet.marked(tag));
        let round = self.round(avoid, now);
        let first = wished.unwrap_or(&fleet.unmarked);
        let tier = self.tier(first, round.now);
        let chosen = match self.choose_among_all(first, tier, round) {
            Some(chosen) => chosen,
            None => self.choose_among_fit(&fleet, (wished, tier), round)?,
        };
        if fleet.has_marks && wish.tag.is_some() {
            let instance = chosen.instance();
            let mut wished = wished.into_iter().flat_map(|group| group.all());
            let was_met = wished.any(|it| it.state.instance == *instance);
            self.common.observer.wish_met(was_met);
        }
        Ok(chosen)
    }

    /// For the first attempt the one to [begin with](Self::begin_with); after that another one, as ever.
    pub(crate) async fn choose_in_turn(&self, tried: &[Instance]) -> Result<Chosen, Refusal> {
        if tried.is_empty() {
            let (fleet, now) = self.fleet(None).await.map_err(Refusal::NoInstance)?;
            let first = self.known().begin_with.clone();
            let mut all = fleet.all();
            let first = all.find(|candidate| Some(&candidate.state.instance) == first.as_ref());
            if let Some(state) = first.map(|candidate| &candidate.state)
                && let Ok(call) = InFlight::admit(state, now)
            {
                return Ok(Chosen::new(call));
            }
        }
        self.choose(tried).await
    }

    /// The next [walk](Self::ask_in_turn) begins with `instance`, which has answered.
    pub(crate) fn begin_with(&self, instance: Instance) {
        self.known().begin_with = Some(instance);
    }

    /// The next walk does not begin with `instance`, which has failed.
    pub(crate) fn begin_elsewhere(&self, instance: &Instance) {
        let mut known = self.known();
        if known.begin_with.as_ref() == Some(instance) {
            known.begin_with = None;
        }
    }

    /// How many instances there are that an attempt after those in `tried` may go to, among those that were known at the last
    /// choice and are for every call: well or to be tried again, and with a place for it.
    #[must_use]
    pub fn others_than(&self, tried: &[Instance]) -> usize {
        let fleet = Arc::clone(&self.known().fleet);
        let now = self.common.clock.monotonic();
        let mut sieve = Sieve::default();
        sieve.add(&fleet.unmarked, Tier::All, self.round(tried, now));
        sieve.untried()
    }

    fn round<'a>(&self, avoid: &'a [Instance], now: Duration) -> Round<'a> {
        Round {
            avoid,
            max_out: self.common.eject.max,
            now,
        }
    }

    fn tier(&self, group: &Group, now: Duration) -> Tier {
        match self.common.balance.zone_preference {
            true => group.tier(self.common.balance.zone_spill, now),
            false => Tier::All,
        }
    }

    /// The usual case, without looking at every instance: two are picked among all, and both are fit. When one is not,
    /// the choice is made anew among those that are, so that each fit pair stays as likely as it should be. One on trial that
    /// was picked first is tried: of many instances it would hardly ever be picked again.
    fn choose_among_all(&self, group: &Group, tier: Tier, round: Round<'_>) -> Option<Chosen> {
        let sees_all = match tier {
            Tier::All => true,
            Tier::Own => round.avoid.is_empty(),
            // Nobody else finds out whether the zone that was left is well.
            Tier::Others => round.avoid.is_empty() && !group.awaits_a_trial(round.now),
        };
        if !sees_all {
            return None;
        }
        let (candidates, now) = (group.of(tier), round.now);
        let weights = candidates.iter().map(|candidate| candidate.weight_at(now));
        let (one, other) = pick::two(weights)?;
        let (one, other) = (candidates.get(one)?, candidates.get(other)?);
        let is_fit = |candidate: &Candidate| {
            !round.avoid.contains(&candidate.state.instance) && candidate.state.is_fit(now)
        };
        let call = match (is_fit(one), is_fit(other)) {
            (true, true) => {
                // Where there is one instance only, there is nothing to compare.
                let candidate = match std::ptr::eq(one, other) {
                    true => one,
                    false => better(one, other, now),
                };
                InFlight::admit(&candidate.state, now)
            }
            (true, false) => return None,
            (false, _) => try_out(one, round)?,
        };
        Some(self.chosen(call.ok()?, tier == Tier::Others))
    }

    /// Looks at every instance: those that were wished for, with the tier that comes first among them, before all others.
    fn choose_among_fit(
        &self,
        fleet: &Fleet,
        (wished, tier): (Option<&Group>, Tier),
        round: Round<'_>,
    ) -> Result<Chosen, Refusal> {
        let mut sieve = Sieve::default();
        match wished {
            None => sieve.add(&fleet.unmarked, tier, round),
            Some(wished) => {
                sieve.add(wished, tier, round);
                let tier = self.tier(&fleet.unmarked, round.now);
                sieve.add(&fleet.unmarked, tier, round);
            }
        }
        while let Some(taken) = sieve.take(round.now) {
            let state = &taken.candidate.state;
            // Between the look and this, another call may have taken the last permit.
            let call = match taken.is_early {
                true => InFlight::admit_early(state, round.now),
                false => InFlight::admit(state, round.now),
            };
            match call {
                Ok(call) => return Ok(self.chosen(call, taken.is_spilled)),
                Err(wait) => sieve.refused(wait),
            }
        }
        Err(Refusal::BreakerOpen {
            service: Arc::clone(self.name()),
            retry_after: sieve.retry_after.unwrap_or_default(),
        })
    }

    fn chosen(&self, call: InFlight, is_spilled: bool) -> Chosen {
        if is_spilled {
            self.common.observer.call_spilled();
        }
        Chosen::new(call)
    }
}

/// Asks the breaker of one that is on trial, has no call under way, and has not failed this call.
fn try_out(candidate: &Candidate, round: Round<'_>) -> Option<Result<InFlight, Duration>> {
    let state = &candidate.state;
    let Standing::OnTrial { is_early } = state.standing(round.now) else {
        return None;
    };
    let may_try = state.in_flight() == 0 && !round.avoid.contains(&state.instance);
    may_try.then(|| match is_early {
        true => InFlight::admit_early(state, round.now),
        false => InFlight::admit(state, round.now),
    })
}
