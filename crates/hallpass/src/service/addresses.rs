//! Where services are: as listed, or found, or the one and else the other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{
    Discover, DiscoverError, DiscoverySettings, Instances, OutageMemory, Place, StaticDiscovery,
};

/// What of the section `discovery` counts.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// `static`; `None` when the service brings a discovery of its own.
    listed: Option<Arc<StaticDiscovery>>,
    /// `outage-memory-seconds`, over everything that is asked.
    all: Arc<OutageMemory>,
}

impl Addresses {
    /// The discovery that the service brings, in place of everything that could be configured.
    pub(super) fn own(
        settings: &DiscoverySettings,
        zone: Option<&str>,
        own: Arc<dyn Discover>,
    ) -> Self {
        let own = Placed::new(own, zone, settings);
        Self {
            listed: None,
            all: Arc::new(OutageMemory::new(Arc::new(own), settings.outage_memory)),
        }
    }

    /// What is listed in `settings`, and else what the others find, in their order.
    pub(super) fn listed_first(
        settings: &DiscoverySettings,
        zone: Option<&str>,
        others: Vec<Arc<dyn Discover>>,
    ) -> Self {
        let listed = Arc::new(StaticDiscovery::from_settings(settings));
        let all: Arc<dyn Discover> = match others.is_empty() {
            true => Arc::clone(&listed) as _,
            false => Arc::new(InOrder {
                listed: Arc::clone(&listed),
                others,
            }),
        };
        let all = Placed::new(all, zone, settings);
        Self {
            listed: Some(listed),
            all: Arc::new(OutageMemory::new(Arc::new(all), settings.outage_memory)),
        }
    }

    pub(super) fn discovery(&self) -> Arc<dyn Discover> {
        Arc::clone(&self.all) as _
    }

    pub(super) fn apply(&self, settings: &DiscoverySettings) {
        if let Some(listed) = &self.listed {
            listed.apply(settings);
        }
        self.all.set(settings.outage_memory);
    }
}

/// The first that knows an instance. One that does not answer ends the search: whom the next ones know under that name may be
/// somebody else, and the last known instances go on.
#[derive(Debug)]
struct InOrder {
    listed: Arc<StaticDiscovery>,
    others: Vec<Arc<dyn Discover>>,
}

impl Discover for InOrder {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
        Box::pin(async move {
            let mut outcome = self.listed.instances(service).await;
            for other in &self.others {
                match outcome {
                    Ok(instances) if !instances.is_empty() => return Ok(instances),
                    Err(error @ DiscoverError::Unavailable { .. }) => return Err(error),
                    Ok(_) | Err(_) => outcome = other.instances(service).await,
                }
            }
            outcome
        })
    }

    /// The list knows at once whom it does not have. Whom the first of the others does not have, only asking says.
    fn at_hand(&self, service: &str) -> Option<Instances> {
        let listed = self.listed.at_hand(service);
        listed.or_else(|| self.others.first()?.at_hand(service))
    }

    fn place(&self) -> Place {
        let mut others = self.others.iter().map(|other| other.place());
        let cluster = others.find_map(|place| place.cluster);
        match cluster {
            Some(cluster) => self.listed.place().in_cluster(&cluster),
            None => self.listed.place(),
        }
    }
}

/// What is found, and where this process is by its settings.
#[derive(Debug)]
struct Placed {
    discovery: Arc<dyn Discover>,
    place: Place,
}

/// The cluster in Nacos of everybody who does not say another one.
const NO_CLUSTER: &str = "DEFAULT";

impl Placed {
    fn new(discovery: Arc<dyn Discover>, zone: Option<&str>, settings: &DiscoverySettings) -> Self {
        let mut place = discovery.place();
        if let Some(zone) = zone {
            // Who says a zone and no cluster knows better than the cluster that everybody is in.
            place.cluster = place.cluster.filter(|cluster| **cluster != *NO_CLUSTER);
            place = place.in_zone(zone);
        }
        let place = settings.mark(place);
        Self { discovery, place }
    }
}

impl Discover for Placed {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
        self.discovery.instances(service)
    }

    fn at_hand(&self, service: &str) -> Option<Instances> {
        self.discovery.at_hand(service)
    }

    fn outage_memory(&self) -> Duration {
        self.discovery.outage_memory()
    }

    fn place(&self) -> Place {
        self.place.clone()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_upstream::Instance;

    use super::*;

    #[derive(Debug)]
    struct Down;

    impl Discover for Down {
        fn instances<'a>(
            &'a self,
            service: &'a str,
        ) -> Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
            let error = DiscoverError::unavailable(service, "down");
            Box::pin(std::future::ready(Err(error)))
        }
    }

    fn knows(services: &[(&str, u16)]) -> Arc<dyn Discover> {
        let known = services
            .iter()
            .fold(StaticDiscovery::new(), |known, (service, port)| {
                known.with(service, [instance(*port)])
            });
        Arc::new(known)
    }

    fn instance(port: u16) -> Instance {
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    async fn port(others: Vec<Arc<dyn Discover>>, service: &str) -> Result<u16, DiscoverError> {
        let instances = Instances::from_iter([instance(1)]);
        let settings = DiscoverySettings {
            instances: [("listed".to_owned(), instances)].into(),
            ..DiscoverySettings::default()
        };
        let addresses = Addresses::listed_first(&settings, None, others);
        let found = addresses.discovery().instances(service).await?;
        Ok(found.iter().next().unwrap().port())
    }

    #[tokio::test]
    async fn the_first_that_knows_an_instance_is_believed() {
        let others = || {
            vec![
                knows(&[("listed", 2), ("a", 2)]),
                knows(&[("a", 3), ("b", 3)]),
            ]
        };
        assert_eq!(port(others(), "listed").await, Ok(1));
        assert_eq!(port(others(), "a").await, Ok(2));
        assert_eq!(port(others(), "b").await, Ok(3));
        let nobody = Err(DiscoverError::no_instance("c"));
        assert_eq!(port(others(), "c").await, nobody);
        assert_eq!(port(Vec::new(), "c").await, nobody);
    }

    /// Nacos knows where this process is.
    #[derive(Debug)]
    struct InCluster(&'static str);

    impl Discover for InCluster {
        fn instances<'a>(
            &'a self,
            service: &'a str,
        ) -> Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
            Down.instances(service)
        }

        fn place(&self) -> Place {
            Place::default().in_cluster(self.0)
        }
    }

    #[test]
    fn this_process_is_where_its_settings_and_its_registry_say() {
        let settings = DiscoverySettings {
            gray: Some("version".to_owned()),
            gray_stable: vec!["v1".to_owned()],
            ..DiscoverySettings::default()
        };
        let gray = Place::default().gray_by("version").stable_as(["v1"]);
        let in_zone = gray.clone().in_zone("hz-a");
        for (zone, cluster, expected) in [
            (None, None, gray.clone()),
            (None, Some("DEFAULT"), gray.in_cluster("DEFAULT")),
            (Some("hz-a"), None, in_zone.clone()),
            (Some("hz-a"), Some("DEFAULT"), in_zone.clone()),
            (Some("hz-a"), Some("HZ"), in_zone.in_cluster("HZ")),
        ] {
            let other = cluster.map(|it| Arc::new(InCluster(it)) as Arc<dyn Discover>);
            let others: Vec<_> = other.clone().into_iter().collect();
            let listed = Addresses::listed_first(&settings, zone, others);
            assert_eq!(listed.discovery().place(), expected);
            if let Some(own) = other {
                let own = Addresses::own(&settings, zone, own);
                assert_eq!(own.discovery().place(), expected);
            }
        }
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_not_passed_over() {
        let others = || vec![Arc::new(Down) as Arc<dyn Discover>, knows(&[("a", 3)])];
        assert_eq!(port(others(), "listed").await, Ok(1));
        let down = Err(DiscoverError::unavailable("a", "down"));
        assert_eq!(port(others(), "a").await, down);
    }
}
