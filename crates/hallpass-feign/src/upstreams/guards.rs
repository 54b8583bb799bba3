//! The guards of whole services and of single methods, with what they remember.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_clock::Clock;
use hallpass_upstream::{BreakerState, Guard, GuardSettings, OnBreakerChange};
use prometheus_client::metrics::gauge::Gauge;

use super::guard_metrics::{GuardMetrics, Guarded};
use crate::settings::{FeignSettings, MethodName};

/// All guards of one [`Feign`](crate::Feign), by the name of the client and the method.
///
/// What the configuration says is kept though nobody holds it, as [`Upstreams`](super::Upstreams) keeps its breakers; there is as much
/// of that as there are clients and methods in the code.
pub(crate) struct Guards {
    clock: Arc<dyn Clock>,
    metrics: GuardMetrics,
    /// Locked while a client is built or settings are applied, never during a call.
    known: Mutex<HashMap<Place, Known>>,
}

/// The whole service of a client, or one method of it.
type Place = (&'static str, Option<MethodName>);

#[derive(Default)]
struct Known {
    guards: Vec<Arc<CallGuard>>,
    /// Number of the guard that came last: only that one writes the state.
    newest: Arc<AtomicU64>,
}

/// A guard, with what it counts.
#[derive(Debug)]
pub(crate) struct CallGuard {
    pub(crate) guard: Guard,
    pub(crate) metrics: Guarded,
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
        client: &'static str,
        method: Option<&MethodName>,
        settings: &GuardSettings,
    ) -> Option<Arc<CallGuard>> {
        if settings.is_empty() {
            return None;
        }
        let mut known = self.locked();
        let here = known.entry((client, method.cloned())).or_default();
        let same = here
            .guards
            .iter()
            .find(|it| it.guard.settings() == settings);
        if let Some(same) = same {
            return Some(Arc::clone(same));
        }
        let metrics = self.metrics.of(client, method);
        let on_change = shown(metrics.state(settings), &here.newest);
        let (name, clock) = (Arc::from(client), Arc::clone(&self.clock));
        let guard = Arc::new(CallGuard {
            guard: Guard::new(name, settings.clone(), clock, on_change),
            metrics,
        });
        here.guards.push(Arc::clone(&guard));
        Some(guard)
    }

    /// After all clients have taken up these settings: forgets what was made for others.
    pub(crate) fn keep_only(&self, settings: &FeignSettings) {
        self.retain(|wanted, guard| is_wanted(settings, wanted, guard));
    }

    /// After settings were refused that some clients had been prepared for: forgets what nobody uses.
    pub(crate) fn forget_unused(&self, settings: &FeignSettings) {
        self.retain(|wanted, guard| {
            Arc::strong_count(guard) > 1 || is_wanted(settings, wanted, guard)
        });
    }

    fn retain(&self, keep: impl Fn(&Place, &Arc<CallGuard>) -> bool) {
        self.locked().retain(|place, known| {
            known.guards.retain(|guard| keep(place, guard));
            !known.guards.is_empty()
        });
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Place, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_wanted(settings: &FeignSettings, (client, method): &Place, guard: &CallGuard) -> bool {
    let settings = settings.client(client);
    let wanted = match method {
        None => Some(&settings.service),
        Some(method) => settings.methods.get(method),
    };
    wanted == Some(guard.guard.settings())
}

/// Shows the state of the newest guard of a place.
fn shown(gauge: Option<Gauge>, newest: &Arc<AtomicU64>) -> OnBreakerChange {
    let Some(gauge) = gauge else {
        return Box::new(|_| ());
    };
    // Relaxed: the number only says who may write; no other memory depends on it.
    let own = newest.fetch_add(1, Ordering::Relaxed) + 1;
    let newest = Arc::clone(newest);
    gauge.set(0);
    Box::new(move |state| {
        if newest.load(Ordering::Relaxed) == own {
            _ = gauge.set(match state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            });
        }
    })
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").finish_non_exhaustive()
    }
}
