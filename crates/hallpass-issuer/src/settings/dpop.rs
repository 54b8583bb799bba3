//! `issuer.dpop`: tokens that are bound to a key of their client (RFC 9449).

use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::ReplaySharing;
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
    Key::new(
        "shared-replay",
        Kind::Flag,
        "Whether the instances of this issuer tell each other over Redis which proofs, and which assertions that count once, were \
        shown to them, so that one counts once for all of them and over a restart; instances are those with the same `name`. It \
        counts for something where there is a section `redis`. `false`: each process takes one once.",
    )
    .or("true"),
    Key::new(
        "without-replay-store",
        Kind::Choice(&["own-memory", "refuse"]),
        "What becomes of a proof or an assertion while Redis does not respond: it counts if this process has not seen it, which an \
        error in the log and `hallpass_replay_store_available` say; or the request is refused by a 503 with `Retry-After`.",
    )
    .or("own-memory"),
];

/// `issuer.dpop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DpopSettings {
    /// `nonce`: whether a proof must repeat what the issuer gave lately.
    pub requires_nonce: bool,
    /// `further-base-urls`: where clients reach it beside `base-url`.
    pub further_base_urls: Vec<Url>,
    /// `shared-replay` and `without-replay-store`: whether what counts once is looked for in what the instances share.
    pub sharing: ReplaySharing,
}

impl DpopSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let requires_nonce = section.choice("nonce", |name| match name {
            "off" => Some(false),
            "required" => Some(true),
            _ => None,
        });
        let further_base_urls = section.texts("further-base-urls", check_base_url);
        let is_shared = section.flag("shared-replay");
        let refuses = section.choice("without-replay-store", |name| match name {
            "own-memory" => Some(false),
            "refuse" => Some(true),
            _ => None,
        });
        Some(Self {
            requires_nonce: requires_nonce?,
            further_base_urls: further_base_urls?,
            sharing: ReplaySharing::of(is_shared?, refuses?),
        })
    }
}
