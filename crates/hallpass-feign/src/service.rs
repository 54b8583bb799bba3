//! One service as this process sees it: where its instances are and how each of them is doing.
//!
//! Shared by all clients of the same name, so that a breaker knows of all their calls.

mod instance;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_config::{BreakerSettings, Percent};
use hallpass_upstream::{Discover, DiscoverError, Instance, Instances};

use crate::breaker::Permit;
use crate::bulkhead::BulkheadSettings;
use crate::error::FeignError;
use crate::metrics::FeignMetrics;
use crate::random;
use crate::retry::budget::RetryBudget;
pub(crate) use instance::{InFlight, InstanceState};

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `lb://service`: ask discovery.
    LoadBalanced(Arc<str>),
    /// One fixed host.
    Fixed(Instance),
}

/// What is the same for all instances of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceSettings {
    pub(crate) breaker: BreakerSettings,
    pub(crate) bulkhead: BulkheadSettings,
    pub(crate) retry_budget: Percent,
}

/// A service and the state of its instances.
pub(crate) struct Service {
    name: Arc<str>,
    client: &'static str,
    address: Address,
    settings: ServiceSettings,
    pub(crate) budget: RetryBudget,
    discovery: Arc<dyn Discover>,
    clock: Arc<dyn Clock>,
    metrics: FeignMetrics,
    known: Mutex<Known>,
}

/// The instances that discovery gave last, with their states in the same order.
struct Known {
    instances: Instances,
    states: Arc<[Arc<InstanceState>]>,
}

/// An instance that was chosen for an attempt, and the right to call it.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) instance: Arc<InstanceState>,
    pub(crate) in_flight: InFlight,
    pub(crate) permit: Permit,
}

/// Parts of a [`Service`] that come from the runtime.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) discovery: Arc<dyn Discover>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: FeignMetrics,
}

impl Service {
    pub(crate) fn new(
        client: &'static str,
        address: Address,
        settings: ServiceSettings,
        surroundings: Surroundings,
    ) -> Self {
        let name = match &address {
            Address::LoadBalanced(service) => Arc::clone(service),
            Address::Fixed(_) => Arc::from(client),
        };
        Self {
            name,
            client,
            address,
            budget: RetryBudget::new(settings.retry_budget),
            settings,
            discovery: surroundings.discovery,
            clock: surroundings.clock,
            metrics: surroundings.metrics,
            known: Mutex::new(Known {
                instances: Arc::new([]),
                states: Arc::new([]),
            }),
        }
    }

    /// The name that tokens, the host guard and errors know this service by.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether this is the state for that address and those settings.
    pub(crate) fn is(&self, address: &Address, settings: &ServiceSettings) -> bool {
        self.address == *address && self.settings == *settings
    }

    /// Chooses an instance for an attempt: the less busy one of two picked by chance, among those whose breaker lets
    /// a call in. `avoid`, where the last attempt failed, is chosen only when there is no other.
    ///
    /// # Errors
    /// [`FeignError::NoInstance`] or [`FeignError::BreakerOpen`].
    pub(crate) async fn choose(&self, avoid: Option<&Instance>) -> Result<Chosen, FeignError> {
        let states = self.states().await.map_err(FeignError::NoInstance)?;
        let mut retry_after: Option<Duration> = None;
        let mut refused = |wait: Duration| {
            retry_after = Some(retry_after.map_or(wait, |shortest| shortest.min(wait)));
        };
        let mut candidates: Vec<&Arc<InstanceState>> = Vec::with_capacity(states.len());
        let mut last_resort = None;
        for state in states.iter() {
            match state.breaker.refuses() {
                Some(wait) => refused(wait),
                None if Some(&state.instance) == avoid => last_resort = Some(state),
                None => candidates.push(state),
            }
        }
        while let Some(state) = take_less_busy(&mut candidates).or_else(|| last_resort.take()) {
            // Between the look above and this, another call may have taken the last permit.
            match state.breaker.admit() {
                Ok(permit) => {
                    return Ok(Chosen {
                        instance: Arc::clone(state),
                        in_flight: InFlight::begin(state),
                        permit,
                    });
                }
                Err(wait) => refused(wait),
            }
        }
        Err(FeignError::BreakerOpen {
            service: Arc::clone(&self.name),
            retry_after: retry_after.unwrap_or_default(),
        })
    }

    async fn states(&self) -> Result<Arc<[Arc<InstanceState>]>, DiscoverError> {
        let instances = match &self.address {
            Address::LoadBalanced(service) => match self.discovery.instances(service).await {
                Ok(instances) if !instances.is_empty() => instances,
                // Down, or for the moment it knows nobody: the last known instances go on, and their breakers say
                // which of them are really gone.
                answer => return self.last_known(answer),
            },
            Address::Fixed(instance) => {
                let mut known = self.known();
                if known.states.is_empty() {
                    self.replace(&mut known, Arc::new([instance.clone()]));
                }
                return Ok(Arc::clone(&known.states));
            }
        };
        let mut known = self.known();
        // Usually the same list is the same pointer; a discovery that asks anew each time gives equal ones.
        if !Arc::ptr_eq(&known.instances, &instances) && known.instances != instances {
            self.replace(&mut known, instances);
        }
        Ok(Arc::clone(&known.states))
    }

    fn last_known(
        &self,
        answer: Result<Instances, DiscoverError>,
    ) -> Result<Arc<[Arc<InstanceState>]>, DiscoverError> {
        let states = Arc::clone(&self.known().states);
        if states.is_empty() {
            answer?;
            return Err(DiscoverError::no_instance(&self.name));
        }
        Ok(states)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a new list: instances that stay keep their state, those that left are forgotten.
    fn replace(&self, known: &mut Known, instances: Instances) {
        let states: Arc<[Arc<InstanceState>]> = instances
            .iter()
            .map(|instance| {
                let kept = known
                    .states
                    .iter()
                    .find(|state| state.instance == *instance);
                kept.map_or_else(|| self.new_state(instance), Arc::clone)
            })
            .collect();
        for gone in known
            .states
            .iter()
            .filter(|state| !instances.contains(&state.instance))
        {
            self.metrics.forget_instance(self.client, &gone.instance);
        }
        *known = Known { instances, states };
    }

    fn new_state(&self, instance: &Instance) -> Arc<InstanceState> {
        let gauge = self.metrics.breaker_state(self.client, instance);
        let clock = Arc::clone(&self.clock);
        Arc::new(InstanceState::new(
            instance.clone(),
            &self.settings,
            clock,
            gauge,
        ))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Takes the less busy one of two candidates picked by chance out of the list.
fn take_less_busy<'a>(
    candidates: &mut Vec<&'a Arc<InstanceState>>,
) -> Option<&'a Arc<InstanceState>> {
    let pick = |below: usize| usize::try_from(random::below(below as u64)).unwrap_or(0);
    let first = pick(candidates.len());
    // One of the others, all alike: an offset from the first that never comes round to it.
    let second = match candidates.len() {
        0 => return None,
        1 => first,
        several => (first + 1 + pick(several - 1)) % several,
    };
    let load = |index: usize| {
        candidates
            .get(index)
            .map_or(usize::MAX, |state| state.in_flight())
    };
    let chosen = if load(second) < load(first) {
        second
    } else {
        first
    };
    Some(candidates.swap_remove(chosen))
}

#[cfg(test)]
mod tests;
