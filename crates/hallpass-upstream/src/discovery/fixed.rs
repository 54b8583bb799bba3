//! Instances written down in the configuration.

use std::collections::BTreeMap;

use futures_core::future::BoxFuture;

use crate::settings::DiscoverySettings;

use super::discover::{Discover, DiscoverError};
use super::instance::{Instance, InvalidInstance};
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

    /// The list in the section `discovery` of the configuration.
    ///
    /// # Errors
    /// The first address that cannot stand in a URI. Loaded settings hold none.
    pub fn from_settings(settings: &DiscoverySettings) -> Result<Self, InvalidInstance> {
        settings
            .instances
            .iter()
            .try_fold(Self::new(), |known, (service, addresses)| {
                let instances: Result<Vec<Instance>, _> = addresses
                    .iter()
                    .map(|address| address.to_string().parse())
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
            Some(instances) if !instances.is_empty() => Ok(instances.clone()),
            _ => Err(DiscoverError::no_instance(service)),
        };
        Box::pin(std::future::ready(found))
    }
}
