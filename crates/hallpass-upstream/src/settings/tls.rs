//! `tls`: what may leave this process without TLS.

use hallpass_config::{Configuration, Key, Kind, Section};
use hallpass_tls::ClientTlsSettings;

const KEYS: &[Key] = &[
    Key::new(
        "ca-file",
        Kind::File,
        "PEM: authorities that servers' certificates may come from, beside those of the operating system. The files of \
        this section are looked at every 5 seconds; when they change, calls go over new connections.",
    )
    .otherwise("none"),
    Key::new(
        "system-roots",
        Kind::Flag,
        "Whether the authorities of the operating system are trusted too. `false`: those in `ca-file` alone.",
    )
    .or("true"),
    Key::new(
        "certificate-file",
        Kind::File,
        "PEM: the certificate that this process shows to servers that ask for one, then those of the authorities between \
        it and the root.",
    )
    .otherwise("none is shown"),
    Key::new(
        "private-key-file",
        Kind::File,
        "PEM, not encrypted: the private key of that certificate.",
    )
    .otherwise("required with `certificate-file`"),
    Key::new(
    "dangerous-plain-http",
    Kind::Flag,
    "Lets client secrets, tokens and the fetch of keys go over plain `http` to other hosts. Everybody on the way can then \
    read the secrets and put in keys of their own. For networks that encrypt by themselves, such as a service mesh. \
    Without it, plain `http` goes to loopback addresses only, whatever the name of the host is; calls with `identity: \
    none` are free, unless a header of theirs may hold a secret (`Cookie`, `X-Api-Key`).",
)
.or("false"),
];

/// `tls`: how connections to others are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `dangerous-plain-http`; see
    /// [`HttpTransportBuilder::dangerous_plain_http`](crate::HttpTransportBuilder::dangerous_plain_http).
    pub dangerous_plain_http: bool,
    /// `ca-file`, `system-roots`, `certificate-file` and `private-key-file`: whom connections trust, and what they show.
    pub client: ClientTlsSettings,
}

impl Configuration for TlsSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "tls",
            Kind::Section(KEYS),
            "How connections to others are protected.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("tls").read_all(|section| {
            let dangerous_plain_http = section.flag("dangerous-plain-http");
            let client = ClientTlsSettings::read(section);
            Some(Self {
                dangerous_plain_http: dangerous_plain_http?,
                client: client?,
            })
        })
    }
}
