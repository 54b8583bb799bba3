//! What is configured of calls to services: where they live, when calls are repeated, when they are stopped.

mod breaker;
mod retry;

use std::collections::BTreeMap;

use hallpass_config::{Configuration, Key, Kind, Section};

use crate::discovery::{Instance, StaticDiscovery};

pub use breaker::BreakerSettings;
pub use retry::RetrySettings;

const KEYS: &[Key] = &[Key::new(
    "static",
    Kind::NamedTexts {
        what: "`host:port`, or `https://host:port` where the instance speaks TLS",
    },
    "Instances of each service, by its name. A name with dots stands in brackets: `\"[a.b]\"`.",
)];

/// `discovery`: where the services live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// `static`: service name to its instances.
    pub instances: BTreeMap<String, Vec<Instance>>,
}

impl Configuration for DiscoverySettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "discovery",
            Kind::Section(KEYS),
            "Where the services live.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("discovery").read_all(Self::read_section)
    }
}

impl DiscoverySettings {
    fn read_section(section: &Section<'_>) -> Option<Self> {
        let message = "is no address of an instance; write host:port or https://host:port";
        let parse = |text: &str| text.parse::<Instance>().map_err(|_| message);
        let instances = section.named_texts("static", parse);
        Some(Self {
            instances: instances?,
        })
    }
}

impl StaticDiscovery {
    /// The list in the section `discovery` of the configuration.
    #[must_use]
    pub fn from_settings(settings: &DiscoverySettings) -> Self {
        let services = settings.instances.iter();
        services.fold(Self::new(), |known, (service, instances)| {
            known.with(service, instances.iter().cloned())
        })
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::{Loaded, Loader, Problems};

    use super::*;

    fn load(text: &str) -> Result<DiscoverySettings, Vec<String>> {
        let loaded = Loader::new("hallpass").text("test.yaml", text).load();
        let lines = |problems: Problems| {
            let lines = problems.iter().map(ToString::to_string);
            lines
                .map(|line| line.replace("test.yaml:", "").replace("hallpass.", ""))
                .collect()
        };
        loaded.map(Loaded::into_settings).map_err(lines)
    }

    #[test]
    fn instances_are_read_by_the_name_of_their_service() {
        let instances = load(include_str!("../tests/data/discovery.yaml"))
            .unwrap()
            .instances;
        let shown = |name: &str| {
            instances[name]
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shown("service-auth"),
            ["http://127.0.0.1:9000", "https://auth-2.example:9443"]
        );
        assert_eq!(shown("logistics-service"), ["http://127.0.0.1:9001"]);
        assert_eq!(
            load("hallpass: { discovery: { static: { 'a/b': [], c: ['d'] } } }").unwrap_err(),
            [
                "1:36: discovery.static.?: must be a name of letters, digits, `-`, `_` and `.`",
                "1:51: discovery.static.c[0]: is no address of an instance; write host:port or https://host:port",
            ]
        );
    }
}
