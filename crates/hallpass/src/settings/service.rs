//! `service`: who this process is.

use std::net::SocketAddr;

use hallpass_config::{Configuration, Key, Kind, Section};

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
];

/// `service`: who this process is and where it listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `name`: the name other services call it by; the audience it expects in tokens unless `security` says
    /// otherwise.
    pub name: Option<String>,
    /// `listen`: address and port to listen on.
    pub listen: Option<SocketAddr>,
}

impl Configuration for ServiceSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new("service", Kind::Section(KEYS), "Who this process is.").shared()]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("service");
        Some(Self {
            name: section.service_name("name"),
            listen: section.socket_address("listen"),
        })
    }
}
