//! `issuer.admin`: the interface by which a running issuer is administered.

use std::net::SocketAddr;

use hallpass_config::{Key, Kind, Section};
use hallpass_resource::PeerName;
use hallpass_tls::{CertificateName, ClientAuth, ServerTlsSettings};
use hallpass_token::Audience;

use crate::settings::names::check_service;

const PLAIN: &str = "dangerous-plain-http";
const READ: &str = "read-certificates";
const WRITE: &str = "write-certificates";

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where `/admin/v1` is served, and nothing else. On an address that other machines reach it needs `tls`.",
    )
    .required(),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on that address: with this section it speaks nothing else.",
    ),
    Key::new(
        PLAIN,
        Kind::Flag,
        "Lets it speak plain HTTP on an address that other machines reach: whoever reads along has the tokens of administrators. For a pod \
        whose proxy does TLS.",
    )
    .or("false"),
    Key::new(
        "audience",
        Kind::Text {
            what: "the name of a service",
        },
        "The audience that a token must be for: a client with this audience and the scope `hallpass.admin.read` or `hallpass.admin.write` is an \
        administrator.",
    )
    .or("hallpass-admin"),
    Key::new(
        "hosts",
        Kind::Texts { what: "host names" },
        "Names by which it is called, beside `localhost` and IP addresses. A request for another host is refused: a page in a browser could \
        have made its name mean this address.",
    )
    .or(""),
    Key::new(
        READ,
        Kind::Texts {
            what: "SPIFFE ids and DNS names",
        },
        "Who may read without a token: the names in the certificate of the connection, of an authority in `tls.client-ca-file`. Needs \
        `tls.client-auth`.",
    )
    .or(""),
    Key::new(
        WRITE,
        Kind::Texts {
            what: "SPIFFE ids and DNS names",
        },
        "Who may read and change everything without a token, likewise.",
    )
    .or(""),
    Key::not_ours("port", "here it is `listen`, an address and a port"),
    Key::not_ours("enabled", "here the section switches it on: leave it out to switch it off"),
];

/// `admin`: the interface by which a running issuer is administered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// `listen`: address and port.
    pub listen: SocketAddr,
    /// `tls`: what the listener shows and demands; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
    /// `audience`: whom tokens must be for.
    pub audience: Audience,
    /// `hosts`: names that a request may be for, beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// `read-certificates`: whose certificates may read.
    pub read_certificates: Vec<CertificateName>,
    /// `write-certificates`: whose certificates may change everything.
    pub write_certificates: Vec<CertificateName>,
}

impl AdminSettings {
    /// Plain HTTP on `listen`, for who has a token for `audience`.
    #[must_use]
    pub fn new(listen: SocketAddr, audience: Audience) -> Self {
        Self {
            listen,
            tls: None,
            audience,
            hosts: Vec::new(),
            read_certificates: Vec::new(),
            write_certificates: Vec::new(),
        }
    }

    /// `Some(None)` without the section.
    pub(super) fn read(issuer: &Section<'_>) -> Option<Option<Self>> {
        let section = issuer.section("admin");
        if !section.is_given() {
            return Some(None);
        }
        let listen = section.required("listen", Section::socket_address);
        let tls = section.section("tls");
        let tls = match tls.is_given() {
            true => ServerTlsSettings::read(&tls).map(Some),
            false => Some(None),
        };
        let is_plain_allowed = section.flag(PLAIN);
        let audience = section.checked("audience", check_service);
        let hosts = section.texts("hosts", check_host);
        let read_certificates = section.texts(READ, check_name);
        let write_certificates = section.texts(WRITE, check_name);
        report_plain(&section, (listen, tls.as_ref()), is_plain_allowed);
        for (key, names) in [(READ, &read_certificates), (WRITE, &write_certificates)] {
            let has_names = names.as_ref().is_some_and(|names| !names.is_empty());
            if has_names
                && tls
                    .as_ref()
                    .is_some_and(|tls| !asks_by_authority(tls.as_ref()))
            {
                let message = "needs `tls.client-auth` (`want`, `need` or `any`) with a `client-ca-file`: no certificate counts without";
                section.problem(key, message);
            }
        }
        Some(Some(Self {
            listen: listen?,
            tls: tls?,
            audience: audience?,
            hosts: hosts?,
            read_certificates: read_certificates?,
            write_certificates: write_certificates?,
        }))
    }
}

fn report_plain(
    section: &Section<'_>,
    (listen, tls): (Option<SocketAddr>, Option<&Option<ServerTlsSettings>>),
    is_allowed: Option<bool>,
) {
    let reached_by_others = listen.is_some_and(|listen| !listen.ip().is_loopback());
    if !reached_by_others || tls.is_none_or(Option::is_some) {
        return;
    }
    match is_allowed {
        Some(true) => section.warn(
            PLAIN,
            "the tokens of administrators come in plain HTTP over the network",
        ),
        Some(false) => section.problem(
            "listen",
            "is reached by other machines: set `tls`, or `dangerous-plain-http: true` where a proxy on this machine does TLS",
        ),
        None => {}
    }
}

fn asks_by_authority(tls: Option<&ServerTlsSettings>) -> bool {
    let asks = tls.map_or(&ClientAuth::None, |tls| &tls.client_auth);
    !matches!(asks, ClientAuth::None | ClientAuth::Any { ca_file: None })
}

/// A name without a port: which port it is does not matter.
fn check_host(text: &str) -> Result<String, &'static str> {
    let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_label);
    match text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("must be the name of a host, without scheme and port: patterns are not known"),
    }
}

fn check_name(text: &str) -> Result<CertificateName, String> {
    let name = text
        .parse::<PeerName>()
        .map_err(|fault| fault.to_string())?;
    let name = name.to_string();
    Ok(match name.contains("://") {
        true => CertificateName::Uri(name),
        false => CertificateName::Dns(name),
    })
}
