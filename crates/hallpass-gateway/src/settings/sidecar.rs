//! `sidecar`: a proxy beside one program, for what comes to it and for what it sends.

mod inbound;
mod keys;
mod outbound;
mod outside;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};
use hallpass_resource::HostPattern;
use hallpass_tls::IssuedFiles;

use super::access_log::AccessLogSettings;
use super::management::read_hosts;

pub use inbound::InboundSettings;
pub use outbound::{OutboundServiceSettings, OutboundSettings, WhenAbsent};
pub(crate) use outbound::{TUNNEL, WITHOUT_USER};
pub(crate) use outside::is_reserved;
pub use outside::{OutsideAddress, OutsideAddressFault};

/// `sidecar`: a proxy beside one program, for what comes to it and for what it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarSettings {
    /// `management.listen`: where health and metrics are.
    pub management_listen: SocketAddr,
    /// `management.hosts`: names under which that is asked, beside IP addresses and `localhost`.
    pub management_hosts: Vec<HostPattern>,
    /// `inbound`: what comes to the program; nothing without it.
    pub inbound: Option<InboundSettings>,
    /// `outbound`: what it sends; nothing without it.
    pub outbound: Option<OutboundSettings>,
    /// `access-log`: a line a request, of both sides.
    pub access_log: AccessLogSettings,
    /// `drain-delay-seconds`: how long it goes on after SIGTERM while readiness says 503.
    pub drain_delay: Duration,
    /// `drain-limit-seconds`: how long requests under way get after that.
    pub drain_limit: Duration,
}

impl Default for SidecarSettings {
    fn default() -> Self {
        Self {
            management_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9902)),
            management_hosts: Vec::new(),
            inbound: None,
            outbound: None,
            access_log: AccessLogSettings::default(),
            drain_delay: Duration::from_secs(5),
            drain_limit: Duration::from_secs(30),
        }
    }
}

/// An absent section is read as one without keys: nothing is served then.
impl Configuration for SidecarSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "sidecar",
            Kind::Section(keys::KEYS),
            "A proxy beside one program: verifies who calls it, and gives its own calls an identity. Read by `hallpass sidecar` alone, beside `security`, \
            `internal-token`, `discovery`, `redis`, `nacos`, `tls`, `transport` and `service`. See [sidecar.md](sidecar.md).",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        Self::read_or_issued(root, None)
    }
}

impl SidecarSettings {
    /// As [`read`](Configuration::read); files that `inbound.tls` does not name are `issued`, where there are such.
    pub fn read_or_issued(root: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let section = root.section("sidecar");
        section.read_all(|section| Self::read_section(section, issued))
    }

    fn read_section(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let management = section.section("management");
        let management_listen = management.socket_address("listen");
        let management_hosts = read_hosts(&management);
        let inbound = optional(&section.section("inbound"), |section| {
            InboundSettings::read(section, issued)
        });
        let outbound = optional(&section.section("outbound"), OutboundSettings::read);
        let access_log = AccessLogSettings::read(&section.section("access-log"));
        let drain_delay = section.seconds("drain-delay-seconds");
        let drain_limit = section.seconds("drain-limit-seconds");
        if let (Some(None), Some(None)) = (&inbound, &outbound) {
            section.missing("inbound", "is required, or `outbound`, or both");
        }
        Some(Self {
            management_listen: management_listen?,
            management_hosts: management_hosts?,
            inbound: inbound?,
            outbound: outbound?,
            access_log: access_log?,
            drain_delay: drain_delay?,
            drain_limit: drain_limit?,
        })
    }
}

fn optional<T>(
    section: &Section<'_>,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match section.is_given() {
        true => read(section).map(Some),
        false => Some(None),
    }
}

#[cfg(test)]
mod tests;
