//! Instances written down in the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_core::future::BoxFuture;

use super::discover::{Discover, DiscoverError};
use super::instance::Instance;
use super::instances::Instances;
use super::member::Member;
use super::place::Place;

/// A list of instances per service: `discovery.static` of the configuration. [`apply`](Self::apply) replaces the list
/// while calls are under way.
///
/// ```
/// use hallpass_upstream::{Discover, StaticDiscovery};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = StaticDiscovery::new().with("orders", ["127.0.0.1:8081".parse()?, "127.0.0.1:8082".parse()?]);
/// assert_eq!(discovery.instances("orders").await?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct StaticDiscovery {
    services: ArcSwap<Services>,
    place: Place,
}

type Services = BTreeMap<Box<str>, Instances>;

impl StaticDiscovery {
    /// Knows no service yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service, or replaces its instances.
    #[must_use]
    pub fn with(self, service: &str, instances: impl IntoIterator<Item = Instance>) -> Self {
        self.with_list(service, instances.into_iter().collect())
    }

    /// As [`with`](Self::with), with a weight for each instance.
    #[must_use]
    pub fn with_weights(
        self,
        service: &str,
        instances: impl IntoIterator<Item = (Instance, u32)>,
    ) -> Self {
        self.with_list(service, instances.into_iter().collect())
    }

    /// As [`with`](Self::with), with all that is known of each instance.
    #[must_use]
    pub fn with_members(self, service: &str, members: impl IntoIterator<Item = Member>) -> Self {
        self.with_list(service, members.into_iter().collect())
    }

    /// Where this process is, and which tag marks instances; stays when the list is replaced.
    #[must_use]
    pub fn in_place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Puts `list` in the place of the whole list, whatever was added before.
    pub(crate) fn replace(&self, list: Self) {
        self.services.store(list.services.into_inner());
    }

    pub(crate) fn with_list(self, service: &str, instances: Instances) -> Self {
        let mut services = self.services.into_inner();
        Arc::make_mut(&mut services).insert(service.to_ascii_lowercase().into(), instances);
        Self {
            services: ArcSwap::new(services),
            place: self.place,
        }
    }
}

impl Discover for StaticDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let found = self.at_hand(service);
        let found = found.ok_or_else(|| DiscoverError::no_instance(service));
        Box::pin(std::future::ready(found))
    }

    fn at_hand(&self, service: &str) -> Option<Instances> {
        let services = self.services.load();
        let found = services.get(service);
        // Names compare without case, and most are written in lower case.
        let found = found.or_else(|| services.get(service.to_ascii_lowercase().as_str()))?;
        (!found.is_empty()).then(|| found.clone())
    }

    fn place(&self) -> Place {
        self.place.clone()
    }
}
