//! How one instance of a service is doing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_clock::Clock;

use super::ejection::{Change, Ejection, Exclusion};
use super::latency::{Latency, Usual, nanos};
use super::observer::InstanceObserver;
use super::ramp::Ramp;
use super::refusals::{CALL, Refusals};
use crate::breaker::{Breaker, BreakerState};
use crate::bulkhead::{Bulkhead, BulkheadSettings};
use crate::discovery::Instance;
use crate::outcome::Declined;
use crate::settings::{BalanceSettings, BreakerSettings, EjectSettings};

/// A failure counts like a response after the usual time at least. Where no number of failures leaves an instance out, each
/// one in a row counts like one after twice the time of the one before, so many times.
const MOST_DOUBLED: u32 = 6;

/// What all instances of a service have in common.
pub(super) struct Common {
    /// Of the service.
    pub(super) name: Arc<str>,
    pub(super) breaker: BreakerSettings,
    pub(super) bulkhead: BulkheadSettings,
    pub(super) balance: BalanceSettings,
    pub(super) eject: EjectSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn InstanceObserver>,
    pub(super) usual: Usual,
    /// Whether there is one instance only, which has nobody to leave its calls to.
    pub(super) is_alone: AtomicBool,
    /// When one came back last, in nanoseconds: what others were left out for before may be over as well.
    pub(super) all_clear: AtomicU64,
}

/// An instance with its breaker, its bulkhead, what is known of its answers, and the number of calls under way to it.
pub(super) struct InstanceState {
    pub(super) instance: Instance,
    pub(super) breaker: Breaker,
    pub(super) bulkhead: Bulkhead,
    latency: Latency,
    refusals: Refusals,
    pub(super) ejection: Ejection,
    ramp: Arc<Ramp>,
    pub(super) in_flight: AtomicUsize,
    /// Its breaker is not closed.
    is_suspect: Arc<AtomicBool>,
    pub(super) common: Arc<Common>,
}

/// Whether an instance may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may.
    Fit,
    /// As many calls as allowed are under way to it.
    Full,
    /// It was left out, and nobody knows yet whether it is well: one call at a time says so.
    OnTrial {
        /// Its breaker would not let it in by itself.
        is_early: bool,
    },
    /// It was ejected, and failed last at this time.
    Ejected { since: Duration },
    /// Its breaker refuses calls for this long; the call that opened it began at that time, or it is half-open or forced.
    Refused {
        wait: Duration,
        since: Option<Duration>,
    },
}

impl InstanceState {
    /// One that has just been found: calls go to it by and by where that is wished.
    pub(super) fn new(instance: &Instance, common: &Arc<Common>, begins_slowly: bool) -> Self {
        let ramp = Arc::new(Ramp::new(common.balance.slow_start));
        let is_suspect = Arc::new(AtomicBool::new(false));
        let told = common.observer.instance_joined(instance);
        let (own_ramp, suspect) = (Arc::clone(&ramp), Arc::clone(&is_suspect));
        let all = Arc::clone(common);
        let on_change = Box::new(move |state| {
            match state {
                BreakerState::Closed => {
                    let now = all.clock.monotonic();
                    own_ramp.begin(now);
                    all.clear(now);
                }
                // Until it is well it gets little, should it be called all the same.
                BreakerState::Open => own_ramp.hold(),
                BreakerState::HalfOpen => {}
            }
            suspect.store(state != BreakerState::Closed, Ordering::Relaxed);
            told(state);
        });
        if begins_slowly {
            ramp.begin(common.clock.monotonic());
        }
        Self {
            instance: instance.clone(),
            breaker: Breaker::new(common.breaker, on_change),
            bulkhead: Bulkhead::new(common.bulkhead),
            latency: Latency::default(),
            refusals: Refusals::default(),
            ejection: Ejection::new(common.eject),
            ramp,
            in_flight: AtomicUsize::new(0),
            is_suspect,
            common: Arc::clone(common),
        }
    }

    /// Goes on with what the state of the same instance knows that was there before, as far as the settings are the same.
    pub(super) fn begin_as(&self, before: &Self) {
        self.latency.begin_as(&before.latency);
        let (own, its) = (&self.common, &before.common);
        if own.eject == its.eject {
            self.ejection.begin_as(&before.ejection);
            if self.ejection.is_marked() {
                own.observer.instance_is_out(&self.instance);
            }
        }
        if own.breaker == its.breaker {
            self.breaker.begin_as(&before.breaker);
        }
        // After the breaker, which holds it when it is open.
        match before.is_marked() && !self.is_marked() {
            true => self.ramp.begin(own.clock.monotonic()),
            false => self.ramp.begin_as(&before.ramp),
        }
    }

    /// The name of its service.
    pub(super) fn service(&self) -> &Arc<str> {
        &self.common.name
    }

    /// Whether it is left out, or on trial, or was.
    fn is_marked(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed) || self.ejection.is_marked()
    }

    /// Calls under way, those that wait in the bulkhead included.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Calls under way and what counts as such, in thousandths.
    pub(super) fn load(&self, now: Duration) -> u64 {
        let refused = self.refusals.count(self.common.usual.get(), now);
        (self.in_flight() as u64)
            .saturating_mul(CALL)
            .saturating_add(refused)
    }

    /// How long it takes, in nanoseconds; 0: nothing is known.
    pub(super) fn latency(&self, now: Duration) -> u64 {
        match self.ejection.tolerated() {
            0 => self.latency.capped_at(now, self.common.usual.most()),
            _ => self.latency.at(now),
        }
    }

    /// The share of its calls that it gets now, in percent.
    pub(super) fn share(&self, now: Duration) -> u32 {
        self.ramp.share(now)
    }

    /// Whether it may be chosen. The usual answer takes no lock.
    pub(super) fn is_fit(&self, now: Duration) -> bool {
        match self.is_marked() {
            true => self.standing(now) == Standing::Fit,
            false => self.bulkhead.has_room(),
        }
    }

    pub(super) fn standing(&self, now: Duration) -> Standing {
        let all_clear = Duration::from_nanos(self.common.all_clear.load(Ordering::Relaxed));
        if let Some(wait) = self.breaker.refuses(now) {
            let since = self.breaker.opened_at();
            // One that waits for its calls is on trial already.
            let is_early = !wait.is_zero() && since.is_some_and(|since| since < all_clear);
            return match is_early {
                true => Standing::OnTrial { is_early: true },
                false => Standing::Refused { wait, since },
            };
        }
        match self.ejection.exclusion(now, all_clear) {
            Some(Exclusion::Out { since }) => Standing::Ejected { since },
            // Half-open, or about to be.
            None if !self.is_suspect.load(Ordering::Relaxed) => match self.bulkhead.has_room() {
                true => Standing::Fit,
                false => Standing::Full,
            },
            Some(Exclusion::OnTrial) | None => Standing::OnTrial { is_early: false },
        }
    }

    /// Whether its share grows.
    pub(super) fn is_on_the_way(&self, now: Duration) -> bool {
        self.share(now) < 100
    }

    /// A response came, or none, `took` after the call was sent.
    pub(super) fn settle(&self, failed: bool, took: Duration, now: Duration) {
        let began = now.saturating_sub(took);
        let usual = &self.common.usual;
        let change = match failed {
            true => {
                let is_alone = self.common.is_alone.load(Ordering::Relaxed);
                let change = match is_alone {
                    true => None,
                    false => self.ejection.failed(began, now),
                };
                // No queue ever forms at who fails at once.
                let doubled = self.ejection.tolerated().min(MOST_DOUBLED);
                let least = took.max(usual.get().saturating_mul(1 << doubled));
                self.latency.at_least(least, now, usual.slow());
                change
            }
            false => {
                self.latency.observe(took, now, usual.slow());
                usual.observe(took);
                self.refusals.end();
                self.ejection.succeeded(began)
            }
        };
        self.changed(change, now);
    }

    /// A response came `took` after the call was sent, and it was not what was asked for.
    pub(super) fn decline(&self, declined: Declined, took: Duration, now: Duration) {
        let usual = &self.common.usual;
        self.latency
            .at_least(took.max(usual.get()), now, usual.slow());
        self.refusals.add(declined, usual.get(), now);
        self.changed(self.ejection.succeeded(now.saturating_sub(took)), now);
    }

    fn changed(&self, change: Option<Change>, now: Duration) {
        match change {
            None => {}
            Some(Change::Ejected(_)) => {
                self.ramp.hold();
                self.common.observer.instance_ejected(&self.instance);
            }
            Some(Change::Returned) => {
                self.ramp.begin(now);
                self.common.clear(now);
                self.returned();
            }
        }
    }

    /// A call was given up after `took`.
    pub(super) fn given_up(&self, took: Duration, now: Duration) {
        self.ejection.undecided(now.saturating_sub(took), now);
        self.latency.at_least(took, now, self.common.usual.slow());
    }

    /// It is not left out any more, and starts anew: the failures of before are paid for.
    fn returned(&self) {
        self.breaker.forget();
        self.common.observer.instance_returned(&self.instance);
    }
}

impl Common {
    /// Goes on with what is known of all instances.
    pub(super) fn begin_as(&self, before: &Self) {
        self.usual.begin_as(&before.usual);
        let all_clear = before.all_clear.load(Ordering::Relaxed);
        self.all_clear.store(all_clear, Ordering::Relaxed);
    }

    fn clear(&self, now: Duration) {
        self.all_clear.store(nanos(now), Ordering::Relaxed);
    }
}

impl fmt::Debug for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceState")
            .field("instance", &self.instance)
            .field("breaker", &self.breaker)
            .field("ejection", &self.ejection)
            .finish_non_exhaustive()
    }
}
