//! Instances written down in the configuration.

use std::collections::BTreeMap;

use futures_core::future::BoxFuture;

use super::discover::{Discover, DiscoverError};
use super::instance::Instance;
use super::instances::Instances;

/// A fixed list of instances per service: `discovery.static` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct StaticDiscovery {
    services: BTreeMap<Box<str>, Instances>,
}

impl StaticDiscovery {
    /// Knows no service yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service, or replaces its instances.
    #[must_use]
    pub fn with(mut self, service: &str, instances: impl IntoIterator<Item = Instance>) -> Self {
        self.services
            .insert(service.into(), instances.into_iter().collect());
        self
    }

    /// As [`with`](Self::with), with a weight for each instance.
    #[must_use]
    pub fn with_weights(
        mut self,
        service: &str,
        instances: impl IntoIterator<Item = (Instance, u32)>,
    ) -> Self {
        self.services
            .insert(service.into(), instances.into_iter().collect());
        self
    }
}

impl Discover for StaticDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let found = match self.services.get(service) {
            Some(instances) if !instances.is_empty() => Ok(instances.clone()),
            _ => Err(DiscoverError::no_instance(service)),
        };
        Box::pin(std::future::ready(found))
    }
}
