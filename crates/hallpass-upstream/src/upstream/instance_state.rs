//! How one instance of a service is doing, and how that is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_clock::Clock;

use crate::breaker::{Breaker, OnBreakerChange};
use crate::bulkhead::Bulkhead;
use crate::discovery::Instance;

/// Told which instances calls may go to, and how their breakers change; for metrics. `()` ignores both.
///
/// Both are called in the middle of a call, so they must be quick.
pub trait InstanceObserver: Send + Sync + 'static {
    /// An instance has come, its breaker closed. What is returned is told of each change of that breaker, for as long as
    /// a call to the instance is under way, even when the instance has left.
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange;

    /// An instance is no longer among those of the service, or the [`Upstream`](crate::Upstream) is gone.
    fn instance_left(&self, instance: &Instance);
}

impl InstanceObserver for () {
    fn instance_joined(&self, _: &Instance) -> OnBreakerChange {
        Box::new(|_| ())
    }

    fn instance_left(&self, _: &Instance) {}
}

/// An instance with its breaker, its bulkhead and the number of calls under way to it.
#[derive(Debug)]
pub(super) struct InstanceState {
    pub(super) instance: Instance,
    pub(super) breaker: Arc<Breaker>,
    pub(super) bulkhead: Bulkhead,
    in_flight: AtomicUsize,
    clock: Arc<dyn Clock>,
}

impl InstanceState {
    pub(super) fn new(
        instance: Instance,
        breaker: Breaker,
        bulkhead: Bulkhead,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            instance,
            breaker: Arc::new(breaker),
            bulkhead,
            in_flight: AtomicUsize::new(0),
            clock: Arc::clone(clock),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Calls under way, those that wait in the bulkhead included.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
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
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
