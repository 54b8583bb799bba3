//! `tls`: what may leave this process without TLS.

use hallpass_config::{Configuration, Key, Kind, Section};

const KEYS: &[Key] = &[Key::new(
    "dangerous-plain-http",
    Kind::Flag,
    "Lets client secrets, tokens and the fetch of keys go over plain `http` to other hosts. Everybody on the way can then \
    read the secrets and put in keys of their own. For networks that encrypt by themselves, such as a service mesh. \
    Without it, plain `http` goes to loopback addresses only, whatever the name of the host is; calls with `identity: \
    none` are free.",
)
.or("false")];

/// `tls`: how connections to others are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `dangerous-plain-http`; see
    /// [`HttpTransportBuilder::dangerous_plain_http`](crate::HttpTransportBuilder::dangerous_plain_http).
    pub dangerous_plain_http: bool,
}

impl Configuration for TlsSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "tls",
            Kind::Section(KEYS),
            "How connections to others are protected. A change needs a restart.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("tls").read_all(|section| {
            Some(Self {
                dangerous_plain_http: section.flag("dangerous-plain-http")?,
            })
        })
    }
}
