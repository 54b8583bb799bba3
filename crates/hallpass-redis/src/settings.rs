//! `redis`: the shared tier of the token cache.

mod keys;

use std::path::PathBuf;
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Preferred, Secret, Section};
use hallpass_tls::ClientTlsSettings;

use crate::address::NodeAddress;
use keys::KEYS;

/// No call to Redis takes longer: a cache that is slower than this costs more than it saves.
pub(crate) const MAX_CALL: Duration = Duration::from_millis(30);
/// Longest prefix of keys, in bytes.
const MAX_PREFIX_BYTES: usize = 200;
/// The port of Redis.
const DEFAULT_PORT: u16 = 6379;
/// Most sentinels or first nodes of a cluster.
const MAX_NODES: usize = 64;

/// The section `redis`, which may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTierSettings {
    /// `None` when the section is absent or says `enabled: false`: there is no shared tier.
    pub redis: Option<RedisSettings>,
}

/// How Redis is reached, and what of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// `host` and `port`, `sentinel` or `cluster`.
    pub form: RedisForm,
    /// `username`, `password` and `password-file`.
    pub login: RedisLoginSettings,
    /// `database`: always 0 in a cluster.
    pub database: u16,
    /// `timeout`: the limit of one call. The section never makes it longer than 30 ms, which is what the token service waits.
    pub timeout: Duration,
    /// `connect-timeout-ms`: the limit of opening one connection, TLS and login included.
    pub connect_timeout: Duration,
    /// `ssl`: with which files; `None` is plain TCP.
    pub tls: Option<ClientTlsSettings>,
    /// `key-prefix`: what all keys and the channel begin with.
    pub key_prefix: String,
    /// `dangerous-plain-tcp`: the password may go to other hosts without TLS.
    pub dangerous_plain_tcp: bool,
}

/// Which servers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisForm {
    /// One server at a fixed address.
    Standalone(NodeAddress),
    /// A primary that sentinels name.
    Sentinel(SentinelSettings),
    /// A cluster, found by any of these nodes.
    Cluster(Vec<NodeAddress>),
}

/// `sentinel`: who knows where the primary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelSettings {
    /// `master`: the name that the sentinels have for it.
    pub master: String,
    /// `nodes`: the sentinels.
    pub nodes: Vec<NodeAddress>,
    /// `username`, `password` and `password-file` for the sentinels themselves.
    pub login: RedisLoginSettings,
}

/// With what a connection proves who it is.
#[derive(Clone, Debug, Default)]
pub struct RedisLoginSettings {
    /// `username`: of an ACL rule; absent it is Redis's user `default`.
    pub username: Option<String>,
    /// `password`.
    pub password: Option<Secret>,
    /// `password-file`, where the password stands in one: it is read again before each connection is opened.
    pub password_file: Option<PathBuf>,
}

impl RedisSettings {
    /// One server, without password and TLS; all else as the section has it by default.
    #[must_use]
    pub fn standalone(address: NodeAddress) -> Self {
        Self::new(RedisForm::Standalone(address))
    }

    /// Servers of this form, without password and TLS; all else as the section has it by default.
    #[must_use]
    pub fn new(form: RedisForm) -> Self {
        Self {
            form,
            login: RedisLoginSettings::default(),
            database: 0,
            timeout: MAX_CALL,
            connect_timeout: Duration::from_secs(1),
            tls: None,
            key_prefix: "hallpass:internal-token:".to_owned(),
            dangerous_plain_tcp: false,
        }
    }
}

impl Configuration for RedisTierSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "redis",
            Kind::Section(KEYS),
            "A tier of the token cache that all processes of an estate share. Without the section each process has its \
             own tokens. It is used by services that are built with the feature `redis`; an issuer says there what it \
             revokes, and they hear it also where its stream of events does not get through.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("redis");
        if !section.is_given() {
            return Some(Self::default());
        }
        if section.flag("enabled") != Some(false) {
            let redis = section.read_all(RedisSettings::read)?;
            return Some(Self { redis: Some(redis) });
        }
        // What is wrong is told all the same.
        let _ = RedisSettings::read(&section.clone().not_in_use());
        Some(Self::default())
    }
}

impl RedisSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let form = read_form(section);
        let login = RedisLoginSettings::read(section);
        let database = read_database(section);
        let timeout = read_timeout(section);
        let connect_timeout = section.millis("connect-timeout-ms");
        let tls = read_tls(&section.section("ssl"));
        let key_prefix = section.checked("key-prefix", check_prefix);
        let dangerous_plain_tcp = section.flag("dangerous-plain-tcp");
        let settings = Self {
            form: form?,
            login: login?,
            database: database?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            tls: tls?,
            key_prefix: key_prefix?,
            dangerous_plain_tcp: dangerous_plain_tcp?,
        };
        if let Some((key, node)) = settings.sends_password_in_the_clear() {
            let message = format!(
                "would go to {node} over plain TCP, where everybody on the way reads it: set `ssl: true`, or see `dangerous-plain-tcp`"
            );
            section.problem(key, message);
            return None;
        }
        Some(settings)
    }

    /// Which password would leave this machine without TLS, and where to.
    fn sends_password_in_the_clear(&self) -> Option<(&'static str, &NodeAddress)> {
        if self.tls.is_some() || self.dangerous_plain_tcp {
            return None;
        }
        let elsewhere =
            |nodes: &'_ [NodeAddress]| nodes.iter().position(|node| !node.is_loopback());
        let (nodes, of_sentinel) = match &self.form {
            RedisForm::Standalone(node) => (std::slice::from_ref(node), false),
            RedisForm::Sentinel(sentinel) => (&*sentinel.nodes, sentinel.login.password.is_some()),
            RedisForm::Cluster(nodes) => (&**nodes, false),
        };
        let node = nodes.get(elsewhere(nodes)?)?;
        match (&self.login.password, of_sentinel) {
            (Some(_), _) => Some(("password", node)),
            (None, true) => Some(("sentinel", node)),
            (None, false) => None,
        }
    }
}

impl RedisLoginSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let username = section.has("username").then(|| section.name("username"));
        let is_given = section.has("password") || section.has("password-file");
        let password = is_given.then(|| section.secret("password"));
        if username.is_some() && !is_given {
            section.missing("password", "is required with `username`");
        }
        let password_file = match section.prefer("password", "password-file") {
            Some(Preferred::Second) => section.file("password-file"),
            Some(Preferred::First) | None => None,
        };
        Some(Self {
            username: or_absent(username)?,
            password: or_absent(password)?,
            password_file,
        })
    }
}

/// `None` when a value is there and wrong.
fn or_absent<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

fn read_form(section: &Section<'_>) -> Option<RedisForm> {
    let (sentinel, cluster) = (section.section("sentinel"), section.section("cluster"));
    // Each is read before it is known whether it may stand beside the others.
    let host = section.checked("host", |text| NodeAddress::new(text, DEFAULT_PORT));
    let port = section
        .whole("port")
        .and_then(|port| u16::try_from(port).ok());
    let found = match (sentinel.is_given(), cluster.is_given()) {
        (true, true) => {
            let message = "contradicts `sentinel`: a server belongs to one of the two; give the one that is meant";
            section.problem("cluster", message);
            return None;
        }
        (true, false) => (
            "sentinel",
            read_sentinel(&sentinel).map(RedisForm::Sentinel),
        ),
        (false, true) => ("cluster", read_nodes(&cluster).map(RedisForm::Cluster)),
        (false, false) => {
            let address = NodeAddress::new(host?.host(), port?).ok()?;
            return Some(RedisForm::Standalone(address));
        }
    };
    let (form, found) = found;
    let beside = ["host", "port"].into_iter().find(|key| section.has(key));
    if let Some(key) = beside {
        let message = format!("has no effect beside `{form}`: leave it out");
        section.problem(key, message);
        return None;
    }
    found
}

fn read_sentinel(section: &Section<'_>) -> Option<SentinelSettings> {
    let master = section.required("master", Section::name);
    let nodes = read_nodes(section);
    let login = RedisLoginSettings::read(section);
    Some(SentinelSettings {
        master: master?,
        nodes: nodes?,
        login: login?,
    })
}

fn read_nodes(section: &Section<'_>) -> Option<Vec<NodeAddress>> {
    if !section.has("nodes") {
        section.missing("nodes", "is required");
        return None;
    }
    let nodes: Vec<NodeAddress> = section.texts("nodes", str::parse)?;
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        section.problem("nodes", format!("must be 1 to {MAX_NODES} addresses"));
        return None;
    }
    Some(nodes)
}

fn read_database(section: &Section<'_>) -> Option<u16> {
    let database = section
        .whole("database")
        .and_then(|number| u16::try_from(number).ok())?;
    if database != 0 && section.section("cluster").is_given() {
        section.problem("database", "must be 0 in a cluster, which has no other");
        return None;
    }
    Some(database)
}

fn read_timeout(section: &Section<'_>) -> Option<Duration> {
    let timeout = section.checked("timeout", parse_timeout)?;
    if timeout > MAX_CALL {
        let message = "is above 30 ms: calls of this tier are given up after 30 ms all the same, because a caller \
                       waits for them";
        section.warn("timeout", message);
    }
    Some(timeout.min(MAX_CALL))
}

/// As Spring has it: a number is milliseconds, and a unit may stand behind it.
fn parse_timeout(text: &str) -> Result<Duration, &'static str> {
    const MESSAGE: &str =
        "must be a time from 1 ms to 60 s, such as 20ms, 2s or, in milliseconds, 20";
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(text), _) => number(text),
        (None, Some(text)) => number(text).and_then(|seconds| seconds.checked_mul(1_000)),
        (None, None) => number(text),
    };
    let millis = millis.filter(|millis| (1..=60_000).contains(millis));
    millis.map(Duration::from_millis).ok_or(MESSAGE)
}

/// `None`: there is a problem. `Some(None)`: no TLS.
fn read_tls(section: &Section<'_>) -> Option<Option<ClientTlsSettings>> {
    if !section.is_given() {
        return Some(None);
    }
    let enabled = section.flag("enabled");
    let files = ClientTlsSettings::read(section);
    match enabled? {
        true => files.map(Some),
        false => Some(None),
    }
}

fn check_prefix(text: &str) -> Result<String, String> {
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    if text.is_empty() || text.len() > MAX_PREFIX_BYTES || !is_plain {
        return Err(format!(
            "must be 1 to {MAX_PREFIX_BYTES} visible ASCII characters without spaces"
        ));
    }
    Ok(text.to_owned())
}

impl PartialEq for RedisLoginSettings {
    /// A password that stands in a file is not compared: it may change without a restart.
    fn eq(&self, other: &Self) -> bool {
        let password = |it: &Self| match (&it.password, &it.password_file) {
            (Some(password), None) => Some(password.clone()),
            _ => None,
        };
        // Both are this process's own: there is nobody who could learn from how long the comparison takes.
        let is_same = match (password(self), password(other)) {
            (Some(one), Some(other)) => one.expose() == other.expose(),
            (one, other) => one.is_none() == other.is_none(),
        };
        self.username == other.username && self.password_file == other.password_file && is_same
    }
}

impl Eq for RedisLoginSettings {}

#[cfg(test)]
mod tests;
