//! What a call has to pass before an instance is chosen: the limits of a whole service, or of one method.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;
use tokio::time::sleep;

use crate::breaker::{Breaker, BreakerState, OnBreakerChange, Permit};
use crate::bulkhead::{Bulkhead, Place};
use crate::outcome::Refusal;
use crate::rate::Rate;
use crate::settings::{BreakerSettings, GuardSettings};

/// Rate limits, circuit breakers and a bulkhead that all calls of a service, or of one method, share.
///
/// They judge calls, retries and all, and stand before the choice of an instance; the breakers and bulkheads of the instances,
/// which judge attempts, are those of an [`Upstream`](crate::Upstream).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use hallpass_clock::SystemClock;
/// use hallpass_upstream::{Guard, GuardSettings, RateSettings, Refusal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let settings = GuardSettings { rates: vec![RateSettings::new(1, Duration::from_secs(1))], ..GuardSettings::default() };
/// let guard = Guard::new("orders".into(), settings, Arc::new(SystemClock::new()), Box::new(|_| ()));
/// let pass = guard.enter().await.expect("the first call of this second");
/// pass.settle(Some(false), Duration::from_millis(3));
/// assert!(matches!(guard.enter().await, Err(Refusal::RateLimited { .. })));
/// # }
/// ```
pub struct Guard {
    name: Arc<str>,
    settings: GuardSettings,
    rates: Box<[Rate]>,
    breakers: Box<[Arc<Breaker>]>,
    bulkhead: Option<Arc<Bulkhead>>,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// What `settings` say, for the calls of the service `name`, which refusals name. `on_change` is told of the breaker; of
    /// several, the state of the strictest.
    #[must_use]
    pub fn new(
        name: Arc<str>,
        settings: GuardSettings,
        clock: Arc<dyn Clock>,
        on_change: OnBreakerChange,
    ) -> Self {
        Self {
            name,
            rates: settings.rates.iter().copied().map(Rate::new).collect(),
            breakers: breakers(&settings.breakers, on_change),
            bulkhead: settings.bulkhead.map(|it| Arc::new(Bulkhead::new(it))),
            settings,
            clock,
        }
    }

    /// Begins with what `before` knows, a guard of the same calls by other settings: each rate and each breaker that is set as it was
    /// there goes on with what it has counted, open if it is. What a rule is changed for is often an outage, and another rule of it must
    /// not be forgotten by that. Calls that are under way end there; places in a bulkhead are counted from now on.
    #[must_use]
    pub fn succeeding(self, before: &Self) -> Self {
        let (own, its) = (&self.settings, &before.settings);
        for (rate, settings) in self.rates.iter().zip(&own.rates) {
            let same = its.rates.iter().position(|known| known == settings);
            if let Some(same) = same.and_then(|place| before.rates.get(place)) {
                rate.begin_as(same);
            }
        }
        for (breaker, settings) in self.breakers.iter().zip(&own.breakers) {
            let same = its.breakers.iter().position(|known| known == settings);
            if let Some(same) = same.and_then(|place| before.breakers.get(place)) {
                breaker.begin_as(same);
            }
        }
        self
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &GuardSettings {
        &self.settings
    }

    /// The state of its breaker, of several that of the strictest; `None` without one.
    #[must_use]
    pub fn breaker_state(&self) -> Option<BreakerState> {
        let states = self.breakers.iter().map(|breaker| breaker.state());
        states.max_by_key(rank)
    }

    /// Calls that have a place in the bulkhead; none where there is no bulkhead.
    #[must_use]
    pub fn places_in_use(&self) -> usize {
        self.bulkhead.as_ref().map_or(0, |it| it.in_use())
    }

    /// Lets one call through, in this order: rate, breaker, bulkhead. What was taken goes back when a later one refuses, or
    /// when the call is dropped while it waits. A guard of nothing neither waits nor allocates.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`], [`Refusal::BreakerOpen`] or [`Refusal::BulkheadFull`].
    pub async fn enter(&self) -> Result<GuardPass, Refusal> {
        if self.settings.is_empty() {
            return Ok(GuardPass::default());
        }
        let mut turns = Turns {
            guard: self,
            taken: 0,
        };
        for rate in &self.rates {
            let wait = rate.take(self.clock.monotonic());
            let wait = wait.map_err(|retry_after| Refusal::RateLimited {
                service: Arc::clone(&self.name),
                retry_after,
            })?;
            turns.taken += 1;
            if !wait.is_zero() {
                sleep(wait).await;
            }
        }
        let mut pass = self.pass_breakers()?;
        if let Some(bulkhead) = &self.bulkhead {
            let place = Place::of(bulkhead).await;
            pass.place = Some(place.map_err(|_| Refusal::BulkheadFull {
                service: Arc::clone(&self.name),
            })?);
        }
        turns.taken = 0;
        Ok(pass)
    }

    /// Takes a call back that this guard has let through and that was not made after all, because another one refused it: its
    /// turn was not used.
    pub fn take_back(&self, pass: GuardPass) {
        drop(pass);
        let now = self.clock.monotonic();
        self.rates.iter().for_each(|rate| rate.give_back(now));
    }

    fn pass_breakers(&self) -> Result<GuardPass, Refusal> {
        let mut pass = GuardPass::default();
        let now = self.clock.monotonic();
        for breaker in &self.breakers {
            let permit = Permit::ask(breaker, now);
            let permit = permit.map_err(|retry_after| Refusal::BreakerOpen {
                service: Arc::clone(&self.name),
                retry_after,
            })?;
            match pass.permit {
                None => pass.permit = Some(permit),
                // Only where there are several does a call pay for more than one.
                Some(_) => pass.permits.push(permit),
            }
        }
        if pass.permit.is_some() {
            pass.clock = Some(Arc::clone(&self.clock));
        }
        Ok(pass)
    }
}

/// One circuit each. Whoever is told of changes is told of the strictest state.
fn breakers(settings: &[BreakerSettings], on_change: OnBreakerChange) -> Box<[Arc<Breaker>]> {
    if let [only] = settings {
        return [Arc::new(Breaker::new(*only, on_change))].into();
    }
    let states = vec![BreakerState::Closed; settings.len()];
    // Locked when a state changes, and never across an await.
    let told = Arc::new(Mutex::new((states, on_change)));
    let breakers = settings.iter().enumerate().map(|(place, settings)| {
        let told = Arc::clone(&told);
        let own: OnBreakerChange = Box::new(move |state| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let (states, on_change) = &mut *told;
            let strictest = |states: &[BreakerState]| states.iter().copied().max_by_key(rank);
            let before = strictest(states);
            if let Some(own) = states.get_mut(place) {
                *own = state;
            }
            match strictest(states) {
                Some(after) if before != Some(after) => on_change(after),
                _ => {}
            }
        });
        Arc::new(Breaker::new(*settings, own))
    });
    breakers.collect()
}

fn rank(state: &BreakerState) -> u8 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Turns of the first so many rates, given back when dropped.
struct Turns<'a> {
    guard: &'a Guard,
    taken: usize,
}

impl Drop for Turns<'_> {
    fn drop(&mut self) {
        if self.taken > 0 {
            let now = self.guard.clock.monotonic();
            let rates = self.guard.rates.iter().take(self.taken);
            rates.for_each(|rate| rate.give_back(now));
        }
    }
}

/// A call that was let through. Dropping it gives place and permits back without an outcome; its turn counts as used, unless
/// the guard [takes it back](Guard::take_back).
#[derive(Debug, Default)]
pub struct GuardPass {
    permit: Option<Permit>,
    permits: Vec<Permit>,
    place: Option<Place>,
    clock: Option<Arc<dyn Clock>>,
}

impl GuardPass {
    /// Ends the call with what it was worth to the breakers: whether it failed, and how long it took. `None`: it says
    /// nothing about the service, as one that had no token.
    pub fn settle(self, failed: Option<bool>, took: Duration) {
        if let (Some(failed), Some(clock)) = (failed, self.clock) {
            let now = clock.monotonic();
            for permit in self.permit.into_iter().chain(self.permits) {
                permit.settle(failed, took, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
