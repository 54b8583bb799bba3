//! Where services are: as listed, or found, or the one and else the other.

use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{
    Discover, DiscoverError, DiscoverySettings, Instances, OutageMemory, StaticDiscovery,
};

/// What of the section `discovery` counts.
#[derive(Debug)]
pub(crate) enum Addresses {
    /// `static`.
    Listed(Arc<StaticDiscovery>),
    /// `outage-memory-seconds`: the service brings a discovery of its own.
    Found(Arc<OutageMemory>),
    /// All of it: what is not listed is looked for.
    #[cfg_attr(
        not(feature = "nacos"),
        expect(dead_code, reason = "only Nacos stands beside the list")
    )]
    Both(Arc<ListedFirst>),
}

impl Addresses {
    /// The list of `settings`, `found`, or both.
    pub(super) fn new(settings: &DiscoverySettings, found: Option<Arc<dyn Discover>>) -> Self {
        match found {
            Some(found) => Self::Found(Arc::new(OutageMemory::new(found, settings.outage_memory))),
            None => Self::Listed(Arc::new(StaticDiscovery::from_settings(settings))),
        }
    }

    #[cfg(feature = "nacos")]
    pub(super) fn listed_first(settings: &DiscoverySettings, found: Arc<dyn Discover>) -> Self {
        Self::Both(Arc::new(ListedFirst {
            listed: StaticDiscovery::from_settings(settings),
            found: OutageMemory::new(found, settings.outage_memory),
        }))
    }

    pub(super) fn discovery(&self) -> Arc<dyn Discover> {
        match self {
            Self::Listed(listed) => Arc::clone(listed) as _,
            Self::Found(found) => Arc::clone(found) as _,
            Self::Both(both) => Arc::clone(both) as _,
        }
    }

    pub(super) fn apply(&self, settings: &DiscoverySettings) {
        match self {
            Self::Listed(listed) => listed.apply(settings),
            Self::Found(found) => found.set(settings.outage_memory),
            Self::Both(both) => {
                both.listed.apply(settings);
                both.found.set(settings.outage_memory);
            }
        }
    }
}

/// What is listed is not looked for.
#[derive(Debug)]
pub(crate) struct ListedFirst {
    listed: StaticDiscovery,
    found: OutageMemory,
}

impl Discover for ListedFirst {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
        Box::pin(async move {
            match self.listed.instances(service).await {
                Ok(instances) => Ok(instances),
                Err(_) => self.found.instances(service).await,
            }
        })
    }

    fn outage_memory(&self) -> Duration {
        self.found.outage_memory()
    }
}
