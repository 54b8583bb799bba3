//! `discovery.dns`: how services are found by names.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

/// Stands for the name of the service in `name`.
pub(crate) const SERVICE: &str = "{service}";
/// Where name servers listen.
pub(crate) const DNS_PORT: u16 = 53;
/// More name servers than this are not taken.
const MAX_SERVERS: usize = 8;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_MIN_TTL: Duration = Duration::from_secs(1);
const DEFAULT_MAX_TTL: Duration = Duration::from_secs(60);

const KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Whether instances are looked up by name, for services that neither stand in `static` nor are known to Nacos.",
    )
    .otherwise("true when `discovery.dns` is there"),
    Key::new(
        "suffix",
        Kind::Text {
            what: "domain name",
        },
        "What follows the name of the service: `orders` with `shop.svc.cluster.local` is asked for as \
        `orders.shop.svc.cluster.local`, with `service.consul` as `orders.service.consul`.",
    )
    .otherwise("none: the search list of `/etc/resolv.conf` counts, unless `servers` are given"),
    Key::new(
        "records",
        Kind::Choice(&["address", "srv"]),
        "`address`: `A` and `AAAA` records; all instances listen on `port`. `srv`: each record names host, port, priority and \
        weight of an instance.",
    )
    .or("address"),
    Key::new(
        "name",
        Kind::Text {
            what: "domain name with `{service}` in it",
        },
        "What is asked for, in front of `suffix`. Kubernetes serves `srv` as `_port-name._tcp.{service}`; Consul as \
        `{service}` and as `_{service}._tcp`.",
    )
    .otherwise("`{service}`; with `srv` `_https._tcp.{service}` or `_http._tcp.{service}`, by `scheme`"),
    Key::new(
        "scheme",
        Kind::Choice(&["https", "http"]),
        "`https`: certificates must name the host, which is the target of the `srv` record, or the name that was asked for: \
        with `address` that name is one instance, whatever its addresses. `http`: each address is an instance.",
    )
    .or("https"),
    Key::new(
        "port",
        Kind::count(1, 65_535),
        "The port of all instances. Not with `srv`, whose records have it.",
    )
    .otherwise("443, or 80 with `http`"),
    Key::new(
        "servers",
        Kind::Texts {
            what: "address of a name server, or address:port",
        },
        "Who is asked: in this order, the next one when one fails; then the one that answered.",
    )
    .otherwise("those of `/etc/resolv.conf`, as it was at the start"),
    Key::new(
        "timeout-ms",
        Kind::millis(50, 10_000),
        "Longest wait for one look-up, all name servers and records together.",
    )
    .or("1000"),
    Key::new(
        "min-ttl-seconds",
        Kind::seconds(0, 3_600),
        "An answer is used for at least this long, whatever its records say. With 0, records of 0 seconds, which are the \
        default of Consul, are asked for anew for every call.",
    )
    .or("1"),
    Key::new(
        "max-ttl-seconds",
        Kind::seconds(1, 86_400),
        "An answer is used for at most this long.",
    )
    .or("60"),
];

/// `discovery.dns`: how services are found by names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// `enabled`.
    pub enabled: bool,
    /// `suffix`: what follows the name of the service, without a dot in front.
    pub suffix: Option<String>,
    /// `records`.
    pub records: DnsRecords,
    /// `name`: what is asked for, with `{service}` in it; by `records` and `scheme` without it.
    pub name: Option<String>,
    /// `scheme`.
    pub scheme: DnsScheme,
    /// `port`; that of the scheme without it. Counts for [`DnsRecords::Address`] only.
    pub port: Option<u16>,
    /// `servers`; those of `/etc/resolv.conf` when there are none.
    pub servers: Vec<SocketAddr>,
    /// `timeout-ms`: longest wait for one look-up.
    pub timeout: Duration,
    /// `min-ttl-seconds`: an answer is used for at least this long.
    pub min_ttl: Duration,
    /// `max-ttl-seconds`: and at most this long. The smaller of the two counts when they contradict each other.
    pub max_ttl: Duration,
}

/// Which records name the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsRecords {
    /// `A` and `AAAA`.
    Address,
    /// `SRV`, RFC 2782.
    Srv,
}

/// How instances are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsScheme {
    /// Plain http.
    Http,
    /// TLS, by the name of the host.
    Https,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            suffix: None,
            records: DnsRecords::Address,
            name: None,
            scheme: DnsScheme::Https,
            port: None,
            servers: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            min_ttl: DEFAULT_MIN_TTL,
            max_ttl: DEFAULT_MAX_TTL,
        }
    }
}

impl DnsSettings {
    /// The key `dns`, for the section `discovery` of a configuration that has it.
    pub const KEY: Key = Key::new(
        "dns",
        Kind::Section(KEYS),
        "Services by their names in the domain name system. A change needs a restart.",
    )
    .or_value_of("enabled");

    /// Reads the key `dns` of the section `discovery`, which must have been opened with [`KEY`](Self::KEY).
    pub fn read(discovery: &Section<'_>) -> Option<Self> {
        let section = discovery.section("dns");
        if !section.is_given() {
            return Some(Self::default());
        }
        section.read_all(|section| {
            let enabled = match section.has("enabled") {
                true => section.flag("enabled"),
                false => Some(true),
            };
            let suffix = section.checked("suffix", checked_suffix);
            let records = section.choice("records", |text| match text {
                "address" => Some(DnsRecords::Address),
                "srv" => Some(DnsRecords::Srv),
                _ => None,
            });
            let name = section.checked("name", checked_name);
            let scheme = section.choice("scheme", |text| match text {
                "https" => Some(DnsScheme::Https),
                "http" => Some(DnsScheme::Http),
                _ => None,
            });
            let port = section
                .whole("port")
                .and_then(|port| u16::try_from(port).ok());
            let servers = read_servers(section);
            let timeout = section.millis("timeout-ms");
            let min_ttl = section.seconds("min-ttl-seconds");
            let max_ttl = section.seconds("max-ttl-seconds");
            if records == Some(DnsRecords::Srv) && port.is_some() {
                section.problem("port", "is in the records of `records: srv`: leave it out");
            }
            if min_ttl.zip(max_ttl).is_some_and(|(min, max)| min > max) {
                section.problem("min-ttl-seconds", "is greater than `max-ttl-seconds`");
            }
            Some(Self {
                enabled: enabled?,
                suffix,
                records: records?,
                name,
                scheme: scheme?,
                port,
                servers: servers?,
                timeout: timeout?,
                min_ttl: min_ttl?,
                max_ttl: max_ttl?,
            })
        })
    }
}

fn read_servers(section: &Section<'_>) -> Option<Vec<SocketAddr>> {
    if !section.has("servers") {
        return Some(Vec::new());
    }
    let servers = section.texts("servers", name_server)?;
    if servers.is_empty() || servers.len() > MAX_SERVERS {
        section.problem("servers", "must be 1 to 8 name servers");
    }
    Some(servers)
}

fn name_server(text: &str) -> Result<SocketAddr, &'static str> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let server = match bare.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, DNS_PORT)),
        Err(_) => text.parse().ok(),
    };
    server
        .filter(|server| server.port() != 0)
        .ok_or("must be an address, or address:port")
}

fn checked_suffix(text: &str) -> Result<String, &'static str> {
    let text = text.trim_start_matches('.').trim_end_matches('.');
    match is_domain(text) {
        true => Ok(text.to_owned()),
        false => Err("must be a domain name"),
    }
}

fn checked_name(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('.');
    let is_sound = text.matches(SERVICE).count() == 1 && is_domain(&text.replace(SERVICE, "x"));
    match is_sound {
        true => Ok(text.to_owned()),
        false => Err("must be a domain name with `{service}` in it once"),
    }
}

fn is_domain(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label =
        |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(is_allowed);
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use hallpass_config::{Configuration, Loaded, Loader, Problems};

    use super::*;

    #[derive(Debug)]
    struct Only(DnsSettings);

    const DISCOVERY: Key = Key::new("discovery", Kind::Section(&[DnsSettings::KEY]), "");

    impl Configuration for Only {
        fn keys() -> Vec<Key> {
            vec![DISCOVERY]
        }

        fn read(root: &Section<'_>) -> Option<Self> {
            DnsSettings::read(&root.section("discovery")).map(Self)
        }
    }

    fn load(dns: &str) -> Result<DnsSettings, Vec<String>> {
        let text = format!("hallpass: {{ discovery: {{ dns: {dns} }} }}");
        let loaded = Loader::new("hallpass").text("test.yaml", text).load();
        let lines = |problems: Problems| problems.iter().map(ToString::to_string).collect();
        loaded
            .map(|loaded: Loaded<Only>| loaded.into_settings().0)
            .map_err(lines)
    }

    #[test]
    fn a_section_that_is_there_is_in_use_unless_it_says_otherwise() {
        assert!(load("true").unwrap().enabled);
        assert!(load("{ suffix: .shop.test. }").unwrap().enabled);
        assert!(
            !load("{ enabled: false, suffix: shop.test }")
                .unwrap()
                .enabled
        );
        let enabled = DnsSettings {
            enabled: true,
            ..DnsSettings::default()
        };
        assert_eq!(load("{ enabled: true }").unwrap(), enabled);
    }

    #[test]
    fn name_servers_are_addresses_with_or_without_a_port() {
        let settings = load("{ servers: [10.0.0.2, '10.0.0.3:8600', '::1', '[::1]:54', '[::1]'] }");
        let shown: Vec<_> = settings
            .unwrap()
            .servers
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "10.0.0.2:53",
            "10.0.0.3:8600",
            "[::1]:53",
            "[::1]:54",
            "[::1]:53",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_cannot_work_is_said_at_the_start() {
        for (wrong, complaint) in [
            (
                "{ servers: [ns.example] }",
                "must be an address, or address:port",
            ),
            (
                "{ servers: ['10.0.0.1:0'] }",
                "must be an address, or address:port",
            ),
            ("{ servers: [] }", "must be 1 to 8 name servers"),
            ("{ suffix: 'a..b' }", "must be a domain name"),
            ("{ name: orders }", "with `{service}` in it once"),
            (
                "{ name: '{service}.{service}' }",
                "with `{service}` in it once",
            ),
            ("{ records: srv, port: 80 }", "leave it out"),
            (
                "{ min-ttl-seconds: 9, max-ttl-seconds: 8 }",
                "is greater than",
            ),
            ("{ scheme: grpc }", "must be one of"),
            ("{ timeout-ms: 1 }", "50"),
        ] {
            let problems = load(wrong).unwrap_err();
            assert!(problems[0].contains(complaint), "{wrong}: {problems:?}");
        }
    }
}
