//! What is configured of calls to services: where they live, when calls are repeated, when they are stopped.

mod balance;
mod breaker;
mod bulkhead;
mod eject;
mod guard;
mod rate;
mod retry;
mod tls;
mod transport;

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};

use crate::discovery::{
    DEFAULT_OUTAGE_MEMORY, Instance, Instances, Member, Place, StaticDiscovery,
};

pub use balance::BalanceSettings;
pub use breaker::{BreakerControl, BreakerSettings, WindowType};
pub use eject::EjectSettings;
pub use guard::GuardSettings;
pub use rate::{RateBehaviour, RateSettings};
pub use retry::RetrySettings;
pub use tls::TlsSettings;
pub use transport::TransportSettings;

const KEYS: [Key; 4] = [
    Key::new(
        "static",
        Kind::NamedTexts {
            what: "`host:port`, or `https://host:port` where the instance speaks TLS; ` weight=3`, ` zone=NAME` and ` tag.NAME=VALUE` may \
            follow",
        },
        "Instances of each service, by its name, whose case does not count. A name with dots stands in brackets: \
        `\"[a.b]\"`. `10.0.0.1:8080 weight=3` gets three times the calls of an instance without a weight, and one of weight \
        0 only those that nobody else can take. Instances in the zone of this process (`service.zone`) are called first; for tags see \
        `gray-metadata`.",
    ),
    Key::new(
        "outage-memory-seconds",
        Kind::seconds(0, 3_600),
        "For how long the last known instances of a service go on while a discovery (Nacos, DNS, or one that the code brings) does not \
        answer. That it answers `no instance` counts at once.",
    )
    .or("300"),
    Key::new(
        "gray-metadata",
        Kind::Text {
            what: "name of a tag",
        },
        "The tag of the list (`tag.NAME=VALUE`), or the metadata in Nacos, whose value marks an instance as one that is not for every \
        call, as a new version that some users try. Calls that wish for that value go there, and to instances without the tag while none \
        with it works; all others go to instances without it, as long as one is known. A change needs a restart.",
    )
    .otherwise("every instance is for every call"),
    Key::new(
        "gray-stable",
        Kind::Texts {
            what: "values of `gray-metadata`",
        },
        "Values that mark nothing, where every instance has the tag: `v1` makes those of `version: v1` the ones for every call, and those of \
        `v2` are for calls that wish for it. Without it, and with every instance marked, all are for every call. A change needs a restart.",
    )
    .or(""),
];

/// Greatest weight of an instance.
const MAX_WEIGHT: u32 = 10_000;
/// Longest zone or value of a tag, in bytes.
const MAX_TAG: usize = 255;

/// `discovery`: where the services live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// `static`: service name, in lower case, to its instances with their weights.
    pub instances: BTreeMap<String, Instances>,
    /// `outage-memory-seconds`: for how long the last known instances go on while discovery does not answer.
    pub outage_memory: Duration,
    /// `gray-metadata`: the tag that marks instances which are not for every call.
    pub gray: Option<String>,
    /// `gray-stable`: values of that tag that mark nothing.
    pub gray_stable: Vec<String>,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            instances: BTreeMap::new(),
            outage_memory: DEFAULT_OUTAGE_MEMORY,
            gray: None,
            gray_stable: Vec::new(),
        }
    }
}

impl Configuration for DiscoverySettings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new(
                "discovery",
                Kind::Section(&KEYS),
                "Where the services live.",
            )
            .shared(),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("discovery").read_all(Self::read_section)
    }
}

impl DiscoverySettings {
    /// The keys of the section, for a configuration that has more in it.
    pub const KEYS: [Key; 4] = KEYS;

    /// The same place, with the marks of instances that `gray-metadata` and `gray-stable` name.
    #[must_use]
    pub fn mark(&self, place: Place) -> Place {
        match self.gray.as_deref() {
            Some(gray) => place
                .gray_by(gray)
                .stable_as(self.gray_stable.iter().map(String::as_str)),
            None => place,
        }
    }

    fn read_section(section: &Section<'_>) -> Option<Self> {
        let listed = section.named_texts("static", listed_member);
        let outage_memory = section.seconds("outage-memory-seconds");
        let gray = section.name("gray-metadata");
        let gray_stable = section.texts("gray-stable", |value| match value.len() {
            1..=MAX_TAG => Ok(value.to_owned()),
            _ => Err("is no value of a tag: it is empty, or longer than 255 bytes"),
        });
        if gray.is_none() && gray_stable.as_ref().is_some_and(|it| !it.is_empty()) {
            section.problem("gray-stable", "needs gray-metadata, of which it has values");
        }
        let mut instances = BTreeMap::new();
        for (service, addresses) in listed? {
            let message = "names a service twice: the case of letters does not count";
            if instances
                .insert(
                    service.to_ascii_lowercase(),
                    addresses.into_iter().collect(),
                )
                .is_some()
            {
                section.problem("static", message);
            }
        }
        Some(Self {
            instances,
            outage_memory: outage_memory?,
            gray,
            gray_stable: gray_stable?,
        })
    }
}

/// `host:port`, and what may follow: `weight=3`, `zone=NAME`, `tag.NAME=VALUE`.
fn listed_member(text: &str) -> Result<Member, &'static str> {
    const WRONG: &str = "has more than an address; write host:port weight=3, with a weight up to 10000, or zone=NAME or \
        tag.NAME=VALUE, each once";
    let mut words = text.split_whitespace();
    let address = words.next().unwrap_or_default();
    let address = address
        .parse::<Instance>()
        .map_err(|_| "is not an address of an instance; write host:port or https://host:port")?;
    let mut member = Member::from(address);
    let mut has_weight = false;
    for word in words {
        let (name, value) = word.split_once('=').ok_or(WRONG)?;
        if value.is_empty() || value.len() > MAX_TAG {
            return Err(WRONG);
        }
        member = match name.strip_prefix("tag.") {
            Some(tag) if !tag.is_empty() && member.tagged(tag).is_none() => member.tag(tag, value),
            None if name == "zone" && member.zone.is_none() => member.zone(value),
            None if name == "weight" && !has_weight => {
                let weight = value.parse().ok().filter(|weight| *weight <= MAX_WEIGHT);
                member.weight = weight.ok_or(WRONG)?;
                has_weight = true;
                member
            }
            Some(_) | None => return Err(WRONG),
        };
    }
    Ok(member)
}

impl StaticDiscovery {
    /// The list in the section `discovery` of the configuration.
    #[must_use]
    pub fn from_settings(settings: &DiscoverySettings) -> Self {
        let services = settings.instances.iter();
        let place = settings.mark(Place::default());
        services.fold(
            Self::new().in_place(place),
            |known, (service, instances)| known.with_list(service, instances.clone()),
        )
    }

    /// Replaces the whole list, whatever was added before, by that of `settings`. Choices from now on are made from it;
    /// calls under way go on. It cannot fail: loaded settings hold only addresses that can be called.
    ///
    /// What it does not do: a part that has called a service before goes on with the last instances it knew when the
    /// service is no longer listed; see [`Upstream`](crate::Upstream).
    pub fn apply(&self, settings: &DiscoverySettings) {
        self.replace(Self::from_settings(settings));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hallpass_config::{Loaded, Loader, Problems};

    use super::*;
    use crate::discovery::{Discover, DiscoverError};

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
                "1:51: discovery.static.c[0]: is not an address of an instance; write host:port or https://host:port",
            ]
        );
    }

    #[test]
    fn what_marks_an_instance_and_what_does_not_is_read_together() {
        let read = |keys: &str| load(&format!("hallpass: {{ discovery: {{ {keys} }} }}"));
        let settings = read("gray-metadata: version, gray-stable: [v1, v1.1]").unwrap();
        let place = Place::default().gray_by("version");
        let expected = place.stable_as(["v1", "v1.1"]);
        assert_eq!(settings.mark(Place::default()), expected);
        let unmarked = read("").unwrap().mark(Place::default());
        assert_eq!(unmarked, Place::default());
        let problems = read("gray-stable: v1").unwrap_err();
        assert!(
            problems[0].contains("discovery.gray-stable: needs gray-metadata"),
            "{problems:?}"
        );
        assert!(read("gray-metadata: version, gray-stable: ['']").is_err());
    }

    fn listing(services: &[(&str, u16)]) -> DiscoverySettings {
        let listed = services.iter().map(|(service, port)| {
            let instance: Instance = format!("127.0.0.1:{port}").parse().unwrap();
            ((*service).to_owned(), Instances::from_iter([instance]))
        });
        DiscoverySettings {
            instances: listed.collect(),
            ..DiscoverySettings::default()
        }
    }

    #[tokio::test]
    async fn an_instance_may_be_listed_with_a_weight() {
        let text = "hallpass: { discovery: { static: { a: ['h:1', 'https://h:2 weight=3', 'h:3  weight=0'] } } }";
        let discovery = StaticDiscovery::from_settings(&load(text).unwrap());
        let instances = discovery.instances("a").await.unwrap();
        let weights: Vec<_> = instances.weighted().map(|(_, weight)| weight).collect();
        assert_eq!(weights, [1, 3, 0]);
        for wrong in [
            "h:1 3",
            "h:1 weight=-1",
            "h:1 weight=10001",
            "h:1 weight=3 x",
            "h:1 weight=3 weight=3",
            "h:1 zone=",
            "h:1 zone=a zone=b",
            "h:1 tag.=a",
            "h:1 tag.a=1 tag.a=2",
            "h:1 tag=a",
        ] {
            let text = format!("hallpass: {{ discovery: {{ static: {{ a: ['{wrong}'] }} }} }}");
            assert!(
                load(&text).unwrap_err()[0].contains("weight=3, with"),
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn an_instance_may_be_listed_with_a_zone_and_tags() {
        let text = "hallpass: { discovery: { gray-metadata: version, static: { a: ['h:1 tag.version=gray  zone=hz-a weight=3 tag.x=y'] } } }";
        let discovery = StaticDiscovery::from_settings(&load(text).unwrap());
        let instances = discovery.instances("a").await.unwrap();
        let listed = Member::new("h:1".parse().unwrap(), 3).zone("hz-a");
        let listed = listed.tag("version", "gray").tag("x", "y");
        assert_eq!(instances.members().collect::<Vec<_>>(), [&listed]);
        assert_eq!(discovery.place(), Place::default().gray_by("version"));
    }

    #[test]
    fn names_of_services_that_differ_by_case_alone_are_one_service() {
        let upper = load("hallpass: { discovery: { static: { SERVICE-AUTH: ['a:1'] } } }").unwrap();
        assert!(upper.instances.contains_key("service-auth"));
        let twice = "hallpass: { discovery: { static: { Orders: ['a:1'], orders: ['b:1'] } } }";
        assert_eq!(
            load(twice).unwrap_err(),
            ["1:26: discovery.static: names a service twice: the case of letters does not count"]
        );
    }

    #[tokio::test]
    async fn a_list_that_is_applied_replaces_the_whole_one_before() {
        let discovery = StaticDiscovery::from_settings(&listing(&[("a", 1), ("b", 1)]));
        let ports = async |service| {
            let instances = discovery.instances(service).await?;
            Ok::<_, DiscoverError>(instances.iter().map(Instance::port).collect::<Vec<_>>())
        };
        assert_eq!(ports("a").await, Ok(vec![1]));
        assert_eq!(ports("b").await, Ok(vec![1]));
        discovery.apply(&listing(&[("a", 2), ("c", 3)]));
        assert_eq!(ports("a").await, Ok(vec![2]));
        assert_eq!(ports("b").await, Err(DiscoverError::no_instance("b")));
        assert_eq!(ports("c").await, Ok(vec![3]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_while_a_list_is_applied_gets_the_one_before_or_the_one_after() {
        let discovery = Arc::new(StaticDiscovery::from_settings(&listing(&[("a", 1)])));
        let asking = Arc::clone(&discovery);
        let asked = tokio::spawn(async move {
            for _ in 0..10_000 {
                assert_eq!(asking.instances("a").await.unwrap().len(), 1);
            }
        });
        let mut port = 1;
        while !asked.is_finished() {
            port = port % 1_000 + 1;
            discovery.apply(&listing(&[("a", port)]));
            tokio::task::yield_now().await;
        }
        asked.await.unwrap();
    }
}
