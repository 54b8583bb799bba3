//! How one instance of a service is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass_clock::Clock;
use hallpass_upstream::Instance;

use super::ServiceSettings;
use crate::breaker::Breaker;
use crate::bulkhead::Bulkhead;
use crate::metrics::BreakerGauge;

/// An instance with its breaker, its bulkhead and the number of calls under way to it.
#[derive(Debug)]
pub(crate) struct InstanceState {
    pub(crate) instance: Instance,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) bulkhead: Bulkhead,
    in_flight: AtomicUsize,
}

impl InstanceState {
    pub(super) fn new(
        instance: Instance,
        settings: &ServiceSettings,
        clock: Arc<dyn Clock>,
        gauge: BreakerGauge,
    ) -> Self {
        let breaker = Breaker::new(
            settings.breaker,
            clock,
            Box::new(move |state| gauge.set(state)),
        );
        Self {
            instance,
            breaker: Arc::new(breaker),
            bulkhead: Bulkhead::new(settings.bulkhead),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Calls under way, those that wait in the bulkhead included.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Counts a call as under way until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<InstanceState>);

impl InFlight {
    pub(super) fn begin(state: &Arc<InstanceState>) -> Self {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
