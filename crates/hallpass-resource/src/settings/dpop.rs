//! `security.internal-jwt.dpop`: proofs of possession.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use hallpass_config::{Key, Kind, Secret, Section, has_credentials, strict_url};
use hallpass_upstream::ReplaySharing;
use url::Url;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "public-url",
        Kind::Texts { what: "URLs" },
        "Where callers reach this service: what a proof names must be one of these and the path of the request. Set it wherever a proxy \
        stands in front that changes host or path, and list the address of the instance too (`http://${POD_IP}:8080`) where \
        callers choose one themselves (`lb://`). Empty: what the request names as its `Host`, which its sender chooses, so that \
        the audience of the token alone keeps a proof for another service out.",
    )
    .or(""),
    Key::new(
        "nonce",
        Kind::Choice(&["off", "required"]),
        "Whether a proof must repeat what this service gave a minute or two ago (`DPoP-Nonce`), so that none can be made ahead. \
        A caller that has no nonce yet needs one more request for it.",
    )
    .or("off"),
    Key::new(
        "nonce-secret",
        Kind::Secret,
        "What nonces are made with: processes that share it take each other's, which several behind one address must.",
    )
    .otherwise("random, each process its own"),
    Key::new(
        "nonce-secret-file",
        Kind::File,
        "The file that contains `nonce-secret`.",
    ),
    Key::new(
        "shared-replay",
        Kind::Flag,
        "Whether the instances of this service tell each other over Redis which proofs were shown to them, so that one counts once \
        for all of them; instances are those with the same `service.name`. It counts for something where there is a section \
        `redis`. `false`: each instance takes a proof once.",
    )
    .or("true"),
    Key::new(
        "without-replay-store",
        Kind::Choice(&["own-memory", "refuse"]),
        "What becomes of a proof while Redis does not respond: it counts if this process has not seen it, which an error in the log \
        and `hallpass_replay_store_available` say; or the call is refused by a 503 with `Retry-After`.",
    )
    .or("own-memory"),
];

/// `dpop`: proofs of possession that come with bound tokens (RFC 9449).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DpopSettings {
    /// `public-url`: where callers reach this service; empty: where a request says that it is.
    pub public_urls: Vec<Url>,
    /// `nonce`: whether a proof must repeat what this service gave lately.
    pub requires_nonce: bool,
    /// `nonce-secret`: what nonces are made with; `None`: random, each process its own.
    pub nonce_secret: Option<NonceSecret>,
    /// `shared-replay` and `without-replay-store`: whether proofs are looked for in what the instances of the service share.
    pub sharing: ReplaySharing,
}

/// What nonces are made with. Only a digest of it is kept, and `Debug` hides that.
#[derive(Clone, PartialEq, Eq)]
pub struct NonceSecret([u8; 32]);

impl NonceSecret {
    /// Of a secret that the processes share; 32 random bytes are enough, and how random they are cannot be checked.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.expose().trim().as_bytes()).as_ref());
        Self(bytes)
    }

    /// One that no other process has; `None` when the system has no random numbers.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NonceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSecret(***)")
    }
}

impl DpopSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let public_urls = section.texts("public-url", check_public_url);
        let requires_nonce = section.choice("nonce", |name| match name {
            "off" => Some(false),
            "required" => Some(true),
            _ => None,
        });
        let nonce_secret = section.secret("nonce-secret");
        let is_shared = section.flag("shared-replay");
        let refuses = section.choice("without-replay-store", |name| match name {
            "own-memory" => Some(false),
            "refuse" => Some(true),
            _ => None,
        });
        Some(Self {
            public_urls: public_urls?,
            requires_nonce: requires_nonce?,
            nonce_secret: nonce_secret.as_ref().map(NonceSecret::new),
            sharing: ReplaySharing::of(is_shared?, refuses?),
        })
    }
}

fn check_public_url(text: &str) -> Result<Url, &'static str> {
    let url = strict_url(text).ok_or("is not a URL")?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && !has_credentials(&url);
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    match is_http && is_plain {
        true => Ok(url),
        false => Err("must be an http or https URL without user name, query and fragment"),
    }
}
