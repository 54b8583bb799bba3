//! `issuer.proxy-protocol` and `issuer.forwarded`: whose word counts about where a request comes from.

use std::net::IpAddr;

use hallpass_config::{Key, Kind, Section};
use hallpass_listen::{ForwardedHeader, Network, NetworkFault, Networks, forwarded_source};
use http::HeaderMap;

pub(super) const PROXY_PROTOCOL_KEYS: &[Key] = &[
    Key::new(
        "from",
        Kind::Texts {
            what: "IP addresses, and networks such as `10.0.0.0/8`",
        },
        "Proxies of connections in front (HAProxy, nginx `stream`, AWS NLB, Envoy). Each connection from there must begin with a header of the PROXY \
        protocol, version 1 or 2, before TLS, and comes from where that says; one without is closed. Whoever can connect from there chooses the \
        address that limits and audit see.",
    )
    .or(""),
    Key::not_ours("enabled", "here the protocol is demanded of the addresses of `from`, and of no others"),
];

pub(super) const FORWARDED_KEYS: &[Key] = &[
    Key::new(
        "trust",
        Kind::Texts {
            what: "IP addresses, and networks such as `10.0.0.0/8`",
        },
        "Proxies of HTTP in front: what they say in `header` of where a request comes from counts, read from its end up to the first address that is \
        none of these. What others send does not count. Their connections have no share (`connections-per-address`).",
    )
    .or(""),
    Key::new(
        "header",
        Kind::Choice(&["x-forwarded-for", "forwarded"]),
        "Which header they write: `X-Forwarded-For`, or `Forwarded` (RFC 7239). The other one is never looked at, since a proxy lets that pass as a \
        stranger has sent it.",
    )
    .or("x-forwarded-for"),
    Key::not_ours("trusted", "here it is `trust`, as in `gateway.forwarded`"),
];

/// `proxy-protocol` and `forwarded`: whose word counts about where a connection, or a request, comes from; nobody's by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSettings {
    /// `proxy-protocol.from`: proxies of connections, of which the PROXY protocol is demanded.
    pub proxies: Networks,
    /// `forwarded.trust`: proxies of HTTP, whose header counts.
    pub forwarders: Networks,
    /// `forwarded.header`: which header that is.
    pub header: ForwardedHeader,
}

impl SourceSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let from = section.section("proxy-protocol").texts("from", network);
        let forwarded = section.section("forwarded");
        let trust = forwarded.texts("trust", network);
        let header = forwarded.choice("header", |name| match name {
            "x-forwarded-for" => Some(ForwardedHeader::XForwardedFor),
            "forwarded" => Some(ForwardedHeader::Forwarded),
            _ => None,
        });
        Some(Self {
            proxies: Networks::new(from?),
            forwarders: Networks::new(trust?),
            header: header?,
        })
    }

    /// Where a request comes from that has these headers, on a connection that comes from `peer`.
    pub(crate) fn of_request(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address| self.forwarders.contains(address);
        match self.forwarders.is_empty() {
            true => peer,
            false => forwarded_source(self.header, is_trusted, peer, headers),
        }
    }
}

fn network(text: &str) -> Result<Network, NetworkFault> {
    text.parse()
}
