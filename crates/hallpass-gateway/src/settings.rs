//! `authz`: external authorization.

pub(crate) mod access_log;
pub(crate) mod caller_bulkhead;
pub(crate) mod cors;
pub(crate) mod forwarded;
pub(crate) mod gateway;
mod header;
pub(crate) mod identity;
mod keys;
pub(crate) mod logout;
mod management;
pub(crate) mod network;
pub(crate) mod rate;
pub(crate) mod route;
pub(crate) mod service;
pub(crate) mod sidecar;
pub(crate) mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};
use hallpass_resource::HostPattern;
use hallpass_tls::{IssuedFiles, ServerTlsSettings};

use self::network::TrustedProxies;
use self::upstream::UpstreamSettings;

/// `authz`: external authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthzSettings {
    /// `listen`: where proxies ask by HTTP.
    pub listen: SocketAddr,
    /// `grpc-listen`: where Envoy asks by gRPC; nowhere without it.
    pub grpc_listen: Option<SocketAddr>,
    /// `management.listen`: where health and metrics are.
    pub management_listen: SocketAddr,
    /// `management.hosts`: names under which that is asked, beside IP addresses and `localhost`.
    pub management_hosts: Vec<HostPattern>,
    /// `tls`: what the addresses for proxies show and demand; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
    /// `trusted-proxies`: who may ask.
    pub trusted_proxies: TrustedProxies,
    /// `connections`: most that are open at once.
    pub connections: u32,
    /// `head-bytes`: the longest head of a question.
    pub head_bytes: usize,
    /// `decision-timeout-ms`: how long a decision may take.
    pub decision_timeout: Duration,
    /// `drain-delay-seconds`: how long the program around it goes on serving after
    /// [`RunningAuthz::begin_stopping`](crate::RunningAuthz::begin_stopping).
    pub drain_delay: Duration,
    /// `identity-headers`: whether requests that pass bear the verified identity in headers.
    pub sets_identity_headers: bool,
    /// `source-certificates`: whether what Envoy says of its callers' certificates is believed.
    pub believes_source_certificates: bool,
    /// `upstreams`: what they bear in `Authorization`.
    pub upstreams: Vec<UpstreamSettings>,
}

impl Default for AuthzSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9191)),
            grpc_listen: None,
            management_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9192)),
            management_hosts: Vec::new(),
            tls: None,
            trusted_proxies: TrustedProxies::default(),
            connections: 4_096,
            head_bytes: 64 * 1024,
            decision_timeout: Duration::from_secs(5),
            drain_delay: Duration::from_secs(2),
            sets_identity_headers: true,
            believes_source_certificates: false,
            upstreams: Vec::new(),
        }
    }
}

/// An absent section is read as one without keys: all have defaults.
impl Configuration for AuthzSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "authz",
            Kind::Section(keys::KEYS),
            "External authorization: decisions for proxies. Read by `hallpass authz` alone, beside `security`, \
            `internal-token`, `discovery`, `redis`, `nacos`, `tls` and `service`. See [authz.md](authz.md).",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        Self::read_or_issued(root, None)
    }
}

impl AuthzSettings {
    /// As [`read`](Configuration::read); files that `tls` does not name are `issued`, where there are such.
    pub fn read_or_issued(root: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let section = root.section("authz");
        section.read_all(|section| Self::read_section(section, issued))
    }

    fn read_section(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let listen = section.socket_address("listen");
        let grpc_listen = section.socket_address("grpc-listen");
        let management = section.section("management");
        let management_listen = management.socket_address("listen");
        let management_hosts = management::read_hosts(&management);
        let tls = section.section("tls");
        // A section that cannot be used must not become plain HTTP.
        let tls = match tls.is_given() {
            true => ServerTlsSettings::read_or_issued(&tls, issued).map(Some),
            false => Some(None),
        };
        let trusted_proxies = section.texts("trusted-proxies", TrustedProxies::check);
        let connections = section.count("connections");
        let head_bytes = section.whole("head-bytes");
        let decision_timeout = section.millis("decision-timeout-ms");
        let drain_delay = section.seconds("drain-delay-seconds");
        let sets_identity_headers = section.choice("identity-headers", |name| match name {
            "set" => Some(true),
            "strip" => Some(false),
            _ => None,
        });
        let believes_source_certificates =
            section.choice("source-certificates", |name| match name {
                "believe" => Some(true),
                "ignore" => Some(false),
                _ => None,
            });
        let upstreams = section.sections("upstreams");
        let upstreams: Vec<_> = upstreams.iter().map(UpstreamSettings::read).collect();
        Some(Self {
            listen: listen?,
            grpc_listen,
            management_listen: management_listen?,
            management_hosts: management_hosts?,
            tls: tls?,
            trusted_proxies: TrustedProxies::new(trusted_proxies?),
            connections: connections?,
            head_bytes: usize::try_from(head_bytes?).ok()?,
            decision_timeout: decision_timeout?,
            drain_delay: drain_delay?,
            sets_identity_headers: sets_identity_headers?,
            believes_source_certificates: believes_source_certificates?,
            upstreams: upstreams.into_iter().collect::<Option<_>>()?,
        })
    }
}
