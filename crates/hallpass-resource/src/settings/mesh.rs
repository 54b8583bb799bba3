//! `security.internal-jwt.mesh`: what the proxy of a mesh says of callers, and which proxy is believed.

use std::net::IpAddr;

use hallpass_config::{Key, Kind, Section, report_doubles};
use hallpass_token::ClientId;
use http::HeaderName;

use crate::peer::PeerName;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "header",
        Kind::Choice(&["x-forwarded-client-cert", "l5d-client-id"]),
        "The header in which the proxy says whose certificate it has checked: that of Envoy and Istio, or that of Linkerd. The proxy must be set to remove \
        what others send under this name (`SANITIZE_SET`), or to add its own at the end (`APPEND_FORWARD`); Linkerd does.",
    )
    .required(),
    Key::new(
        "peers",
        Kind::Texts { what: "addresses" },
        "The addresses that the proxy connects from: `127.0.0.6` of Istio, `127.0.0.1` of Linkerd. Whoever can connect from one of them is whom he says, so on \
        a shared host nobody else may. From all others the header is removed and does not count. Empty: nobody is believed.",
    )
    .or(""),
    Key::new(
        "trust-domains",
        Kind::Texts { what: "as `cluster.local`" },
        "The trust domains of SPIFFE ids that may call through the mesh; others get 403. Empty: all that the proxy trusts.",
    )
    .or(""),
    Key::new(
        "callers",
        Kind::Sections(CALLER_KEYS),
        "Which client of an issuer that is `internal` runs under which name in the mesh, for `demand: match`.",
    ),
    Key::new(
        "demand",
        Kind::Choice(&["any", "match"]),
        "`match`: a token of an issuer that is `internal` passes only where the mesh says that it is shown by the client that it was issued to, as `callers` has it, so \
        that no other workload can use it. What comes past the mesh then brings no such token.",
    )
    .or("any"),
];

const CALLER_KEYS: &[Key] = &[
    Key::new(
        "peer",
        Kind::Text {
            what: "SPIFFE id or DNS name",
        },
        "As the mesh calls it: `spiffe://cluster.local/ns/shop/sa/order`.",
    )
    .required(),
    Key::new(
        "client",
        Kind::Text { what: "" },
        "The `client_id` of its tokens.",
    )
    .required(),
];

/// `mesh`: what the proxy of a mesh says of callers, and which proxy is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSettings {
    /// `header`: where the proxy says it.
    pub header: MeshHeader,
    /// `peers`: the addresses that the proxy connects from; empty: nobody is believed.
    pub peers: Vec<IpAddr>,
    /// `trust-domains`: those whose SPIFFE ids may call; empty: all.
    pub trust_domains: Vec<String>,
    /// `callers`: under which name which client runs.
    pub callers: Vec<MeshCaller>,
    /// `demand: match`: whether a token of our own must be shown by the client that it was issued to.
    pub must_match: bool,
}

/// The header in which the proxy of a mesh says whose certificate it has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeshHeader {
    /// `X-Forwarded-Client-Cert`, of Envoy and Istio.
    XForwardedClientCert,
    /// `l5d-client-id`, of Linkerd.
    L5dClientId,
}

/// A client, as the mesh calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshCaller {
    /// `peer`: its name in the mesh.
    pub peer: PeerName,
    /// `client`: the `client_id` of its tokens.
    pub client: ClientId,
}

impl MeshHeader {
    fn named(name: &str) -> Option<Self> {
        [Self::XForwardedClientCert, Self::L5dClientId]
            .into_iter()
            .find(|it| it.as_str() == name)
    }

    /// Its name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "x-forwarded-client-cert",
            Self::L5dClientId => "l5d-client-id",
        }
    }

    pub(crate) const fn name(self) -> HeaderName {
        HeaderName::from_static(self.as_str())
    }
}

impl MeshSettings {
    /// Off unless the section is there. What cannot be read is reported.
    pub(super) fn read_in(section: &Section<'_>) -> Option<Option<Self>> {
        let section = section.section("mesh");
        if !section.is_given() {
            return Some(None);
        }
        let header = section.required("header", |section, key| {
            section.choice(key, MeshHeader::named)
        });
        let peers = section.texts("peers", check_address);
        let trust_domains = section.texts("trust-domains", check_domain);
        let callers = section.sections("callers");
        report_doubles(&callers, "peer");
        let callers: Vec<_> = callers.iter().map(MeshCaller::read).collect();
        let must_match = section.choice("demand", |name| match name {
            "any" => Some(false),
            "match" => Some(true),
            _ => None,
        });
        if must_match == Some(true) && callers.is_empty() {
            section.problem("demand", "lets no token of ours pass without `callers`");
        }
        if peers.as_ref().is_some_and(Vec::is_empty) {
            section.warn("peers", "names nobody, so the header of nobody is believed");
        }
        Some(Some(Self {
            header: header?,
            peers: peers?,
            trust_domains: trust_domains?,
            callers: callers.into_iter().collect::<Option<_>>()?,
            must_match: must_match?,
        }))
    }
}

impl MeshCaller {
    fn read(section: &Section<'_>) -> Option<Self> {
        let peer = section.required("peer", Section::parsed);
        let client = section.required("client", Section::parsed);
        Some(Self {
            peer: peer?,
            client: client?,
        })
    }
}

fn check_address(text: &str) -> Result<IpAddr, &'static str> {
    let address: Option<IpAddr> = text.parse().ok();
    let address = address.map(|it| it.to_canonical());
    address.ok_or("must be an address, such as `127.0.0.6`")
}

fn check_domain(text: &str) -> Result<String, &'static str> {
    let id = format!("spiffe://{text}");
    let is_domain = hallpass_tls::spiffe_trust_domain(&id) == Some(&*id);
    is_domain
        .then(|| text.to_owned())
        .ok_or("must be a trust domain, such as `cluster.local`")
}
