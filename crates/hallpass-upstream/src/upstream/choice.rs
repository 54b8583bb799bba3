//! Which instance an attempt goes to.

use std::sync::Arc;
use std::time::Duration;

use super::Upstream;
use super::candidate::{Candidate, less_busy, take_less_busy};
use super::chosen::Chosen;
use super::pick;
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

    /// Chooses an instance for an attempt: the less busy one of two picked by chance in proportion to their weights,
    /// among those whose breaker lets a call in. Those in `avoid`, where attempts have failed, are chosen only when there
    /// is no other, and the last of them only when there is nothing else at all.
    ///
    /// Where [`Place::gray`](crate::Place::gray) names a tag, a call that wishes for a value of it goes to an instance with that
    /// value, and to one without the tag when none with it can take it. All other calls go to instances without the tag,
    /// well or not, as long as discovery knows one: what is tried with some calls is no reserve for all.
    ///
    /// # Errors
    /// [`Refusal::NoInstance`] or [`Refusal::BreakerOpen`].
    pub async fn choose_for(&self, avoid: &[Instance], wish: Wish<'_>) -> Result<Chosen, Refusal> {
        let fleet = self.fleet().await.map_err(Refusal::NoInstance)?;
        let wished = wish.tag.map(|tag| fleet.marked(tag)).unwrap_or_default();
        let groups = [wished, fleet.unmarked()];
        let first = if wished.is_empty() {
            fleet.unmarked()
        } else {
            wished
        };
        let now = self.clock.monotonic();
        match self.choose_among_all(first, avoid, now) {
            Some(chosen) => Ok(chosen),
            None => self.choose_among_open(groups, avoid, now),
        }
    }

    /// For the first attempt the one to [begin with](Self::begin_with); after that another one, as ever.
    pub(crate) async fn choose_in_turn(&self, tried: &[Instance]) -> Result<Chosen, Refusal> {
        if tried.is_empty() {
            let fleet = self.fleet().await.map_err(Refusal::NoInstance)?;
            let first = self.known().begin_with.clone();
            let mut all = fleet.all().iter();
            let first = all.find(|candidate| Some(&candidate.state.instance) == first.as_ref());
            if let Some(state) = first.map(|candidate| &candidate.state)
                && let Ok(permit) = state.breaker.admit(self.clock.monotonic())
            {
                return Ok(Chosen::new(self.name(), state, permit));
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

    /// How many instances there are for every call beside those in `tried`, among those that were known at the last choice.
    #[must_use]
    pub fn others_than(&self, tried: &[Instance]) -> usize {
        let fleet = Arc::clone(&self.known().fleet);
        let instances = fleet.unmarked().iter().map(|it| &it.state.instance);
        instances
            .filter(|instance| !tried.contains(instance))
            .count()
    }

    /// The usual case, without looking at every instance: two are picked among all, and both are fit. When one is not,
    /// the choice is made anew among those that are, so that each fit pair stays as likely as it should be.
    fn choose_among_all(
        &self,
        candidates: &[Candidate],
        avoid: &[Instance],
        now: Duration,
    ) -> Option<Chosen> {
        let (one, other) = pick::two(candidates.iter().map(|candidate| candidate.weight))?;
        let (one, other) = (candidates.get(one)?, candidates.get(other)?);
        let is_fit = |candidate: &Candidate| {
            !avoid.contains(&candidate.state.instance)
                && candidate.state.breaker.refuses(now).is_none()
        };
        if !is_fit(one) || !is_fit(other) {
            return None;
        }
        let state = &less_busy(one, other).state;
        let permit = state.breaker.admit(now).ok()?;
        Some(Chosen::new(self.name(), state, permit))
    }

    /// Looks at every instance: those of the first group before those of the second.
    fn choose_among_open(
        &self,
        groups: [&[Candidate]; 2],
        avoid: &[Instance],
        now: Duration,
    ) -> Result<Chosen, Refusal> {
        let mut retry_after: Option<Duration> = None;
        let mut refused = |wait: Duration| {
            retry_after = Some(retry_after.map_or(wait, |shortest| shortest.min(wait)));
        };
        let [mut first, mut fit, mut tried, mut just_tried] = [const { Vec::new() }; 4];
        let [wished, unmarked] = groups;
        let wished = wished.iter().map(|candidate| (candidate, true));
        let unmarked = unmarked.iter().map(|candidate| (candidate, false));
        for (candidate, is_wished) in wished.chain(unmarked) {
            let instance = &candidate.state.instance;
            match candidate.state.breaker.refuses(now) {
                Some(wait) => refused(wait),
                None if avoid.last() == Some(instance) => just_tried.push(candidate),
                None if avoid.contains(instance) => tried.push(candidate),
                None if is_wished => first.push(candidate),
                None => fit.push(candidate),
            }
        }
        while let Some(candidate) = take_less_busy(&mut first)
            .or_else(|| take_less_busy(&mut fit))
            .or_else(|| take_less_busy(&mut tried))
            .or_else(|| take_less_busy(&mut just_tried))
        {
            let state = &candidate.state;
            // Between the look above and this, another call may have taken the last permit.
            match state.breaker.admit(now) {
                Ok(permit) => return Ok(Chosen::new(self.name(), state, permit)),
                Err(wait) => refused(wait),
            }
        }
        Err(Refusal::BreakerOpen {
            service: Arc::clone(self.name()),
            retry_after: retry_after.unwrap_or_default(),
        })
    }
}
