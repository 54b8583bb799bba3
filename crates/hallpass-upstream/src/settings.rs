//! What is configured of calls to services: where they live, when calls are repeated, when they are stopped.

mod breaker;
mod retry;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use hallpass_config::{Configuration, Key, Kind, Section};

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
    pub instances: BTreeMap<String, Vec<InstanceAddress>>,
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
        let instances = section.named_texts("static", |text| text.parse().map_err(|_| message));
        Some(Self {
            instances: instances?,
        })
    }
}

/// One instance of a service: `host:port`, or `https://host:port` where it speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceAddress {
    https: bool,
    host: String,
    port: u16,
}

/// Why a text is no [`InstanceAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no address of an instance; write host:port or https://host:port")]
pub struct InstanceAddressError;

impl InstanceAddress {
    /// A plain-text instance.
    ///
    /// # Errors
    /// When `host` is neither a host name nor an IP address.
    pub fn http(host: &str, port: u16) -> Result<Self, InstanceAddressError> {
        Self::new(false, host, port)
    }

    /// An instance that speaks TLS.
    ///
    /// # Errors
    /// When `host` is neither a host name nor an IP address.
    pub fn https(host: &str, port: u16) -> Result<Self, InstanceAddressError> {
        Self::new(true, host, port)
    }

    /// Host name, IPv4 address, or IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }

    fn new(https: bool, host: &str, port: u16) -> Result<Self, InstanceAddressError> {
        if port == 0 || !is_host(host) {
            return Err(InstanceAddressError);
        }
        Ok(Self {
            https,
            host: host.to_owned(),
            port,
        })
    }
}

impl FromStr for InstanceAddress {
    type Err = InstanceAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (https, address) = match text.split_once("://") {
            Some(("http", address)) => (false, address),
            Some(("https", address)) => (true, address),
            Some(_) => return Err(InstanceAddressError),
            None => (false, text),
        };
        let (host, port) = address.rsplit_once(':').ok_or(InstanceAddressError)?;
        let port = port.parse().map_err(|_| InstanceAddressError)?;
        Self::new(https, host, port)
    }
}

impl fmt::Display for InstanceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https://" } else { "" };
        write!(f, "{scheme}{}:{}", self.host, self.port)
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').map(str::parse::<Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.len() <= 253 && host.chars().all(allowed)
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
            ["127.0.0.1:9000", "https://auth-2.example:9443"]
        );
        assert_eq!(shown("logistics-service"), ["127.0.0.1:9001"]);
        assert_eq!(
            load("hallpass: { discovery: { static: { 'a/b': [], c: ['d'] } } }").unwrap_err(),
            [
                "1:36: discovery.static.?: must be a name of letters, digits, `-`, `_` and `.`",
                "1:51: discovery.static.c[0]: is no address of an instance; write host:port or https://host:port",
            ]
        );
    }

    #[test]
    fn host_and_port_are_taken_apart() {
        let plain: InstanceAddress = "127.0.0.1:9000".parse().unwrap();
        assert_eq!(
            (plain.host(), plain.port(), plain.is_https()),
            ("127.0.0.1", 9000, false)
        );
        let tls: InstanceAddress = "https://[::1]:9443".parse().unwrap();
        assert_eq!(
            (tls.host(), tls.port(), tls.is_https()),
            ("[::1]", 9443, true)
        );
        assert_eq!(tls.to_string(), "https://[::1]:9443");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "a b:80",
            "ftp://host:80",
            "https://host:80/path",
            "user@host:80",
            "::1:80",
            "[::g]:80",
            "[::1:80",
        ] {
            assert_eq!(
                text.parse::<InstanceAddress>(),
                Err(InstanceAddressError),
                "{text}"
            );
        }
    }
}
