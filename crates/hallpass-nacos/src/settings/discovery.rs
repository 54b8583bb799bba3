//! `discovery.nacos`: how services are found, and how others find this one.

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

use super::names::{checked_id, checked_name};

const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
const DEFAULT_CLUSTER: &str = "DEFAULT";
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
const DEFAULT_PULL: Duration = Duration::from_secs(10);

const REGISTER_KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Whether this service is told to Nacos, under `service.name`.",
    )
    .or("true"),
    Key::new(
        "ip",
        Kind::Text {
            what: "address or host name",
        },
        "Where others reach it.",
    )
    .otherwise("the address that Nacos is reached from"),
    Key::new(
        "port",
        Kind::count(1, 65_535),
        "The port others reach it at.",
    )
    .otherwise("that of the listener"),
    Key::new(
        "weight",
        Kind::count(1, 100),
        "Its share of the calls, beside others of the same service.",
    )
    .or("1"),
    Key::new(
        "metadata",
        Kind::Texts {
            what: "`name=value`",
        },
        "What is told with it, beside what is always told.",
    )
    .otherwise("none"),
    Key::new(
        "deregister-wait-ms",
        Kind::millis(0, 60_000),
        "How long it goes on serving after it was withdrawn, so that its callers have heard of it.",
    )
    .or("2000"),
];

const KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Whether instances are asked of Nacos, for services that do not stand in `static`.",
    )
    .otherwise("true when `discovery.nacos` is there"),
    Key::new(
        "group",
        Kind::Text { what: "" },
        "The group of all services.",
    )
    .or(DEFAULT_GROUP),
    Key::new(
        "namespace",
        Kind::Text {
            what: "id of a namespace",
        },
        "Where the services are, if not in `nacos.namespace`.",
    )
    .otherwise("`nacos.namespace`"),
    Key::new(
        "cluster-name",
        Kind::Text { what: "" },
        "The cluster of this process, such as a zone.",
    )
    .or(DEFAULT_CLUSTER),
    Key::new(
        "prefer-own-cluster",
        Kind::Flag,
        "Whether instances of the own cluster are called first, and others when too little of it is well: see \
        `zone-spill-percent` of a client. Where both sides name a zone (`service.zone`; the metadata `zone`), that counts in place of the \
        cluster.",
    )
    .or("true"),
    Key::new(
        "pull-seconds",
        Kind::seconds(1, 3_600),
        "How often the server is asked for the instances, beside what it says by itself.",
    )
    .or("10"),
    Key::new(
        "register",
        Kind::Section(REGISTER_KEYS),
        "How others find this service.",
    )
    .or_value_of("enabled"),
];

/// `discovery.nacos`: how services are found in Nacos, and how others find this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// `enabled`.
    pub enabled: bool,
    /// `group`.
    pub group: String,
    /// `namespace`, if it is another than that of `nacos`.
    pub namespace: Option<String>,
    /// `cluster-name`: the cluster of this process.
    pub cluster: String,
    /// `prefer-own-cluster`.
    pub prefer_own_cluster: bool,
    /// `discovery.gray-metadata`: the metadata that marks instances which are not for every call.
    pub gray_metadata: Option<String>,
    /// `pull-seconds`: how often the server is asked beside what it says by itself.
    pub pull: Duration,
    /// `register`.
    pub register: RegisterSettings,
}

/// `discovery.nacos.register`: how others find this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterSettings {
    /// `enabled`.
    pub enabled: bool,
    /// `ip`; the address that Nacos is reached from without it.
    pub ip: Option<String>,
    /// `port`; that of the listener without it.
    pub port: Option<u16>,
    /// `weight`.
    pub weight: u32,
    /// `metadata`.
    pub metadata: BTreeMap<String, String>,
    /// `deregister-wait-ms`: how long it goes on serving after it was withdrawn.
    pub deregister_wait: Duration,
}

impl Default for RegisterSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            ip: None,
            port: None,
            weight: 1,
            metadata: BTreeMap::new(),
            deregister_wait: DEFAULT_WAIT,
        }
    }
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            enabled: false,
            group: DEFAULT_GROUP.to_owned(),
            namespace: None,
            cluster: DEFAULT_CLUSTER.to_owned(),
            prefer_own_cluster: true,
            gray_metadata: None,
            pull: DEFAULT_PULL,
            register: RegisterSettings::default(),
        }
    }
}

impl DiscoverySettings {
    /// The key `nacos`, for the section `discovery` of a configuration that has it.
    pub const KEY: Key = Key::new(
        "nacos",
        Kind::Section(KEYS),
        "Services in Nacos, whose servers and credentials stand in the section `nacos`. A change needs a restart.",
    )
    .or_value_of("enabled");

    /// Reads the key `nacos` of the section `discovery`, which must have been opened with [`KEY`](Self::KEY).
    pub fn read(discovery: &Section<'_>) -> Option<Self> {
        let section = discovery.section("nacos");
        if !section.is_given() {
            return Some(Self::default());
        }
        section.read_all(|section| {
            let enabled = match section.has("enabled") {
                true => section.flag("enabled"),
                false => Some(section.is_given()),
            };
            let group = section.checked("group", checked_id);
            let namespace = section.checked("namespace", checked_name);
            let cluster = section.checked("cluster-name", checked_id);
            let prefer_own_cluster = section.flag("prefer-own-cluster");
            let pull = section.seconds("pull-seconds");
            let register = section.section("register").read_all(RegisterSettings::read);
            Some(Self {
                enabled: enabled?,
                group: group?,
                namespace,
                cluster: cluster?,
                prefer_own_cluster: prefer_own_cluster?,
                gray_metadata: discovery.name("gray-metadata"),
                pull: pull?,
                register: register?,
            })
        })
    }
}

impl RegisterSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let ip = section.checked("ip", checked_host);
        let port = section
            .whole("port")
            .and_then(|port| u16::try_from(port).ok());
        let weight = section.count("weight");
        let metadata = match section.has("metadata") {
            true => section.texts("metadata", name_and_value),
            false => Some(Vec::new()),
        };
        let deregister_wait = section.millis("deregister-wait-ms");
        Some(Self {
            enabled: enabled?,
            ip,
            port,
            weight: weight?,
            metadata: metadata?.into_iter().collect(),
            deregister_wait: deregister_wait?,
        })
    }
}

fn checked_host(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    match !text.is_empty() && text.len() <= 253 && text.chars().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err("must be an address or a host name, without a port"),
    }
}

fn name_and_value(text: &str) -> Result<(String, String), &'static str> {
    let pair = text
        .split_once('=')
        .map(|(name, value)| (name.trim(), value.trim()));
    match pair {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be name=value"),
    }
}
