//! Instances written down in the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::{Discover, DiscoverError, Instance, Instances, InvalidInstance};

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

    /// Reads the instances of each service from text; see [`Instance`] for the form.
    ///
    /// # Errors
    /// The first address that names no instance.
    pub fn parse<'a, L>(
        services: impl IntoIterator<Item = (&'a String, L)>,
    ) -> Result<Self, InvalidInstance>
    where
        L: IntoIterator<Item = &'a String>,
    {
        services
            .into_iter()
            .try_fold(Self::new(), |known, (service, addresses)| {
                let instances: Result<Vec<Instance>, _> = addresses
                    .into_iter()
                    .map(|address| address.parse())
                    .collect();
                Ok(known.with(service, instances?))
            })
    }
}

impl Discover for StaticDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let found = match self.services.get(service) {
            Some(instances) if !instances.is_empty() => Ok(Arc::clone(instances)),
            _ => Err(DiscoverError::no_instance(service)),
        };
        Box::pin(std::future::ready(found))
    }
}
