//! How one instance of a service is doing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_clock::Clock;

use super::ejection::{Change, Ejection};
use super::latency::{Latency, Usual};
use super::observer::InstanceObserver;
use super::ramp::Ramp;
use crate::breaker::{Breaker, BreakerState, Permit};
use crate::bulkhead::{Bulkhead, BulkheadSettings};
use crate::discovery::Instance;
use crate::settings::{BalanceSettings, BreakerSettings, EjectSettings};

/// A failure counts like a response after the usual time at least. Where no number of failures leaves an instance out, each
/// one in a row counts like one after twice the time of the one before, so many times.
const MOST_DOUBLED: u32 = 6;

/// What all instances of a service have in common.
pub(super) struct Common {
    pub(super) breaker: BreakerSettings,
    pub(super) bulkhead: BulkheadSettings,
    pub(super) balance: BalanceSettings,
    pub(super) eject: EjectSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn InstanceObserver>,
    pub(super) usual: Usual,
    /// Whether there is one instance only, which has nobody to leave its calls to.
    pub(super) is_alone: AtomicBool,
}

/// An instance with its breaker, its bulkhead, what is known of its answers, and the number of calls under way to it.
pub(super) struct InstanceState {
    pub(super) instance: Instance,
    pub(super) breaker: Arc<Breaker>,
    pub(super) bulkhead: Bulkhead,
    latency: Latency,
    pub(super) ejection: Ejection,
    ramp: Arc<Ramp>,
    in_flight: AtomicUsize,
    /// Its breaker is not closed.
    is_suspect: Arc<AtomicBool>,
    common: Arc<Common>,
}

/// Whether an instance may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may.
    Fit,
    /// It was ejected, at this time.
    Ejected { since: Duration },
    /// Its breaker refuses calls for this long; it opened at that time, or is half-open or forced.
    Refused {
        wait: Duration,
        since: Option<Duration>,
    },
}

impl InstanceState {
    /// One that has just been found: calls go to it by and by when others are known already.
    pub(super) fn new(instance: &Instance, common: &Arc<Common>, has_come_later: bool) -> Self {
        let ramp = Arc::new(Ramp::new(common.balance.slow_start));
        let is_suspect = Arc::new(AtomicBool::new(false));
        let told = common.observer.instance_joined(instance);
        let (own_ramp, suspect) = (Arc::clone(&ramp), Arc::clone(&is_suspect));
        let (clock, open) = (Arc::clone(&common.clock), common.breaker.open);
        let on_change = Box::new(move |state| {
            match state {
                BreakerState::Closed => own_ramp.begin(clock.monotonic()),
                // Until its time is over it gets little, should it be called all the same.
                BreakerState::Open => own_ramp.begin(clock.monotonic().saturating_add(open)),
                BreakerState::HalfOpen => {}
            }
            suspect.store(state != BreakerState::Closed, Ordering::Relaxed);
            told(state);
        });
        if has_come_later {
            ramp.begin(common.clock.monotonic());
        }
        Self {
            instance: instance.clone(),
            breaker: Arc::new(Breaker::new(common.breaker, on_change)),
            bulkhead: Bulkhead::new(common.bulkhead),
            latency: Latency::default(),
            ejection: Ejection::new(common.eject),
            ramp,
            in_flight: AtomicUsize::new(0),
            is_suspect,
            common: Arc::clone(common),
        }
    }

    /// Calls under way, those that wait in the bulkhead included.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
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
        let is_marked = self.is_suspect.load(Ordering::Relaxed) || self.ejection.is_marked();
        !is_marked || self.standing(now) == Standing::Fit
    }

    pub(super) fn standing(&self, now: Duration) -> Standing {
        if self.ejection.ends(now) {
            self.returned();
        }
        if let Some(wait) = self.breaker.refuses(now) {
            let since = self.breaker.opened_at();
            return Standing::Refused { wait, since };
        }
        match self.ejection.since(now) {
            Some(since) => Standing::Ejected { since },
            None => Standing::Fit,
        }
    }

    /// A response came, or none, `took` after the call was sent.
    fn settle(&self, failed: bool, took: Duration, now: Duration) {
        let began = now.saturating_sub(took);
        let change = match failed {
            true => {
                let is_alone = self.common.is_alone.load(Ordering::Relaxed);
                let change = match is_alone {
                    true => None,
                    false => self.ejection.failed(began, now),
                };
                // No queue ever forms at who fails at once.
                let doubled = self.ejection.tolerated().min(MOST_DOUBLED);
                let usual = self.common.usual.get().saturating_mul(1 << doubled);
                self.latency.at_least(took.max(usual), now);
                change
            }
            false => {
                self.latency.observe(took, now);
                self.common.usual.observe(took);
                self.ejection.succeeded(began)
            }
        };
        match change {
            None => {}
            Some(Change::Ejected(until)) => {
                self.ramp.begin(until);
                self.common.observer.instance_ejected(&self.instance);
            }
            Some(Change::Returned) => {
                self.ramp.begin(now);
                self.returned();
            }
        }
    }

    /// It is not left out any more, and starts anew: the failures of before are paid for.
    fn returned(&self) {
        self.breaker.forget();
        self.common.observer.instance_returned(&self.instance);
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

/// Counts a call as under way until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<InstanceState>);

impl InFlight {
    pub(super) fn begin(state: &Arc<InstanceState>) -> Self {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }

    pub(super) fn state(&self) -> &InstanceState {
        &self.0
    }

    /// Ends the call with what it was worth.
    pub(super) fn settle(&self, permit: Permit, failed: bool, took: Duration) {
        let now = self.0.common.clock.monotonic();
        permit.settle(failed, took, now);
        self.0.settle(failed, took, now);
    }

    /// Ends a call, sent at `sent_at`, whose caller has gone.
    pub(super) fn abandon(&self, permit: Permit, sent_at: Duration) {
        let now = self.0.common.clock.monotonic();
        permit.abandon(sent_at, now);
        let took = now.saturating_sub(sent_at);
        self.0.latency.at_least(took, now);
    }

    /// Ends a call, sent at `sent_at`, whose answer nobody waits for any more.
    pub(super) fn outrun(&self, sent_at: Duration) {
        let now = self.0.common.clock.monotonic();
        self.0.latency.at_least(now.saturating_sub(sent_at), now);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
