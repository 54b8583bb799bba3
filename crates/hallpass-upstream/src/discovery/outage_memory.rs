//! How long an outage of discovery is bridged, when the configuration says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::discover::{Discover, DiscoverError};
use super::instances::Instances;
use super::place::Place;

/// Another discovery with an [`outage_memory`](Discover::outage_memory) of its own, which may change while it is used.
#[derive(Debug)]
pub struct OutageMemory {
    discovery: Arc<dyn Discover>,
    millis: AtomicU64,
}

impl OutageMemory {
    /// What `discovery` finds, and `memory` for its outages.
    #[must_use]
    pub fn new(discovery: Arc<dyn Discover>, memory: Duration) -> Self {
        let it = Self {
            discovery,
            millis: AtomicU64::new(0),
        };
        it.set(memory);
        it
    }

    /// Another memory from now on.
    pub fn set(&self, memory: Duration) {
        let millis = u64::try_from(memory.as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }
}

impl Discover for OutageMemory {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        self.discovery.instances(service)
    }

    fn at_hand(&self, service: &str) -> Option<Instances> {
        self.discovery.at_hand(service)
    }

    fn outage_memory(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    fn place(&self) -> Place {
        self.discovery.place()
    }
}
