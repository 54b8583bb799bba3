//! `issuer.dpop`: tokens that are bound to a key of their client (RFC 9449).

use hallpass_config::{Key, Kind, Section};
use url::Url;

use crate::settings::names::check_base_url;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "nonce",
        Kind::Choice(&["off", "required"]),
        "Whether a proof must repeat what the issuer gave a minute or two ago (`DPoP-Nonce`), so that none can be made \
        ahead. A client that has no nonce yet needs one more request for it. Issuers with the same `key-encryption-key` take each \
        other's.",
    )
    .or("off"),
    Key::new(
        "further-base-urls",
        Kind::Texts { what: "https URLs, or http to loopback" },
        "Where clients reach it beside `base-url`, such as the addresses of its instances for clients that choose one \
        themselves (`lb://`): a proof names the address that was called. The `Host` of a request is never believed.",
    )
    .or(""),
];

/// `issuer.dpop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DpopSettings {
    /// `nonce`: whether a proof must repeat what the issuer gave lately.
    pub requires_nonce: bool,
    /// `further-base-urls`: where clients reach it beside `base-url`.
    pub further_base_urls: Vec<Url>,
}

impl DpopSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let requires_nonce = section.choice("nonce", |name| match name {
            "off" => Some(false),
            "required" => Some(true),
            _ => None,
        });
        let further_base_urls = section.texts("further-base-urls", check_base_url);
        Some(Self {
            requires_nonce: requires_nonce?,
            further_base_urls: further_base_urls?,
        })
    }
}
