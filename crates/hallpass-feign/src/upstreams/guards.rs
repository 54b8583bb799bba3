//! The guards of whole services and of single methods, with what they remember.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_clock::Clock;
use hallpass_upstream::{
    Address, BreakerState, EndpointUrl, Guard, GuardSettings, OnBreakerChange,
};
use prometheus_client::metrics::gauge::Gauge;

use super::Whose;
use super::guard_metrics::{GuardMetrics, Guarded};
use super::shared_by_place::SharedByPlace;
use crate::settings::{FeignSettings, MethodName};

/// All guards of one [`Feign`](crate::Feign), by the name of the client, where it calls, and the method.
///
/// What the configuration says is kept though nobody holds it, as [`Upstreams`](super::Upstreams) keeps its breakers; there is as much
/// of that as there are clients and methods in the code. Those of an address that a builder has named go with its clients.
pub(crate) struct Guards {
    clock: Arc<dyn Clock>,
    metrics: GuardMetrics,
    /// Locked while a client is built or settings are applied, never during a call.
    known: Mutex<Known>,
}

/// The whole service of a client, or one method of it.
type Series = (&'static str, Option<MethodName>);

#[derive(Default)]
struct Known {
    /// With where the configuration said that the client calls.
    guards: SharedByPlace<(Series, Address), CallGuard, Option<EndpointUrl>>,
    /// Number of the guard of a series that shows its state: that of the one that came last.
    shown: HashMap<Series, Arc<AtomicU64>>,
    /// Guards that were made so far.
    made: u64,
}

/// A guard, with what it counts.
#[derive(Debug)]
pub(crate) struct CallGuard {
    pub(crate) guard: Guard,
    pub(crate) metrics: Guarded,
    /// Which one of all it is; the first is 1.
    number: u64,
}

impl Guards {
    /// None yet.
    pub(crate) fn new(clock: &Arc<dyn Clock>, metrics: &GuardMetrics) -> Self {
        Self {
            clock: Arc::clone(clock),
            metrics: metrics.clone(),
            known: Mutex::default(),
        }
    }

    /// What guards the service of this client, or one method of it, by these settings; nothing where these say nothing.
    pub(crate) fn get(
        &self,
        whose: Whose<'_>,
        method: Option<&MethodName>,
        settings: &GuardSettings,
    ) -> Option<Arc<CallGuard>> {
        if settings.is_empty() {
            return None;
        }
        let Known {
            guards,
            shown,
            made,
        } = &mut *self.locked();
        let series = (whose.client, method.cloned());
        let make = |before: Option<&CallGuard>| {
            let metrics = self.metrics.of(whose.client, method);
            *made += 1;
            let number = *made;
            let shown = shown.entry(series.clone()).or_default();
            let on_change = shows(metrics.state(settings), number, shown);
            let (name, clock) = (Arc::from(whose.client), Arc::clone(&self.clock));
            let guard = Guard::new(name, settings.clone(), clock, on_change);
            let guard = match before {
                Some(before) => guard.succeeding(&before.guard),
                None => guard,
            };
            CallGuard {
                guard,
                metrics,
                number,
            }
        };
        let guard = guards.get(
            (series.clone(), whose.address.clone()),
            (whose.configured.cloned(), whose.is_kept),
            |it| it.guard.settings() == settings,
            make,
        );
        Some(guard)
    }

    /// After all clients have taken up these settings: forgets what was made for others.
    pub(crate) fn keep_only(&self, settings: &FeignSettings) {
        let guards = &mut self.locked().guards;
        guards.keep_only(|(series, _), guard, url| is_wanted(settings, series, guard, url));
    }

    /// After settings were refused that some clients had been prepared for: forgets what nobody uses.
    pub(crate) fn forget_unused(&self, settings: &FeignSettings) {
        let Known { guards, shown, .. } = &mut *self.locked();
        guards.forget_unused(|(series, _), guard, url| is_wanted(settings, series, guard, url));
        // Those that were prepared were to be shown in the place of those that go on.
        let mut newest: HashMap<&Series, Arc<CallGuard>> = HashMap::new();
        for ((series, _), guard) in guards.living() {
            let known = newest.entry(series).or_insert_with(|| Arc::clone(&guard));
            if known.number < guard.number {
                *known = guard;
            }
        }
        for (series, guard) in newest {
            if let Some(shown) = shown.get(series) {
                guard.show_again(shown);
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallGuard {
    /// Shows its state, if another one of the series was shown last.
    fn show_again(&self, shown: &AtomicU64) {
        let before = shown.swap(self.number, Ordering::Relaxed);
        let gauge = self.metrics.state(self.guard.settings());
        if before != self.number
            && let (Some(gauge), Some(state)) = (gauge, self.guard.breaker_state())
        {
            _ = gauge.set(number_of(state));
        }
    }
}

/// Whether a client that is built by these settings gets this guard. Which method the estate means by a name is known to who has
/// the trait: what it says of any is kept.
fn is_wanted(
    settings: &FeignSettings,
    (client, method): &Series,
    guard: &CallGuard,
    url: &Option<EndpointUrl>,
) -> bool {
    let own = settings.client(client);
    let guard = guard.guard.settings();
    let is_said = match method {
        None => own.service == *guard,
        Some(method) => match own.methods.get(method) {
            Some(said) => said == guard,
            None => settings
                .named_methods
                .values()
                .any(|it| it.guards == *guard),
        },
    };
    is_said && own.url == *url
}

/// Shows the state of a guard for as long as its number is the one that is `shown`, from now on.
fn shows(gauge: Option<Gauge>, number: u64, shown: &Arc<AtomicU64>) -> OnBreakerChange {
    let Some(gauge) = gauge else {
        return Box::new(|_| ());
    };
    // Relaxed: the number only says who may write; no other memory depends on it.
    shown.store(number, Ordering::Relaxed);
    let shown = Arc::clone(shown);
    gauge.set(number_of(BreakerState::Closed));
    Box::new(move |state| {
        if shown.load(Ordering::Relaxed) == number {
            _ = gauge.set(number_of(state));
        }
    })
}

fn number_of(state: BreakerState) -> i64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").finish_non_exhaustive()
    }
}
