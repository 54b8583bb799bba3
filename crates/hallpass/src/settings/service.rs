//! `service`: who this process is.

use std::net::SocketAddr;

use hallpass_config::{Configuration, Key, Kind, Section};
use hallpass_tls::ServerTlsSettings;

const KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "The name other services call it by. Unless `security` says otherwise, tokens must bear it as their audience.",
    ),
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where it listens.",
    )
    .otherwise("up to the program"),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on the listening address, for services that serve by `Hallpass::http_server`: with this section it speaks \
        nothing else.",
    ),
];

/// `service`: who this process is and where it listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `name`: the name other services call it by; the audience it expects in tokens unless `security` says
    /// otherwise.
    pub name: Option<String>,
    /// `listen`: address and port to listen on.
    pub listen: Option<SocketAddr>,
    /// `tls`: what [`Hallpass::http_server`](crate::Hallpass::http_server) shows and demands; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
}

impl Configuration for ServiceSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new("service", Kind::Section(KEYS), "Who this process is.").shared()]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("service");
        let (name, listen) = (
            section.service_name("name"),
            section.socket_address("listen"),
        );
        let tls = section.section("tls");
        // A section that cannot be used must not become plain HTTP.
        let tls = match tls.is_given() {
            true => Some(ServerTlsSettings::read(&tls)?),
            false => None,
        };
        Some(Self { name, listen, tls })
    }
}
