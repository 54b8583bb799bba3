//! `issuer.ca`: the certificate authority.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

use crate::spiffe;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SIXTY: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "trust-domain",
        Kind::Text {
            what: "a trust domain such as `shop.example`",
        },
        "What the SPIFFE ids of its certificates begin with, after `spiffe://`. With another one a new authority signs at once.",
    )
    .required(),
    Key::new(
        "certificate-life-seconds",
        Kind::seconds(300, 86_400),
        "How long a certificate counts, unless its client says otherwise. It is renewed when half of that is over, and is not taken back \
        before: short is safe.",
    )
    .or("3600"),
    Key::new(
        "rotation-days",
        Kind::count(1, 3_650),
        "How long one generation of the authority signs. The next one is announced ahead.",
    )
    .or("30"),
    Key::new(
        "announce-seconds",
        Kind::seconds(60, 604_800),
        "How long the next generation is in the bundle before it signs: longer than any peer keeps a bundle. At the first start nothing \
        waits.",
    )
    .or("600"),
    Key::new(
        "bundle-file",
        Kind::File,
        "Where the issuer writes the bundle whenever that changes, in PEM: for `issuer.tls.client-ca-file`, say.",
    ),
    Key::new(
        "certificates-per-client-per-hour",
        Kind::count(1, 100_000),
        "How many certificates one client gets in an hour, all of them at once if it likes. Beyond it the response is 429.",
    )
    .or("60"),
];

/// `ca`: certificates for registered clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaSettings {
    /// `trust-domain`: such as `shop.example`.
    pub trust_domain: String,
    /// `certificate-life-seconds`: how long a certificate counts; a day at most.
    pub certificate_life: Duration,
    /// `rotation-days`: how long one generation signs.
    pub rotation: Duration,
    /// `announce-seconds`: how long one is in the bundle before it signs.
    pub announce: Duration,
    /// `bundle-file`: where the bundle is written.
    pub bundle_file: Option<PathBuf>,
    /// `certificates-per-client-per-hour`.
    pub certificates_per_client_per_hour: NonZeroU32,
}

impl CaSettings {
    /// For a trust domain, with all else as it is by default.
    #[must_use]
    pub fn new(trust_domain: impl Into<String>) -> Self {
        Self {
            trust_domain: trust_domain.into(),
            certificate_life: Duration::from_secs(3_600),
            rotation: DAY * 30,
            announce: Duration::from_secs(600),
            bundle_file: None,
            certificates_per_client_per_hour: SIXTY,
        }
    }

    /// `Some(None)` without the section.
    pub(super) fn read(issuer: &Section<'_>) -> Option<Option<Self>> {
        let section = issuer.section("ca");
        if !section.is_given() {
            return Some(None);
        }
        let trust_domain = section.required("trust-domain", |section, key| {
            section.checked(key, check_trust_domain)
        });
        let certificate_life = section.seconds("certificate-life-seconds");
        let rotation = section.count("rotation-days");
        let announce = section.seconds("announce-seconds");
        let bundle_file = section
            .has("bundle-file")
            .then(|| section.file("bundle-file"));
        let most = section.count("certificates-per-client-per-hour");
        Some(Some(Self {
            trust_domain: trust_domain?,
            certificate_life: certificate_life?,
            rotation: DAY * rotation?,
            announce: announce?,
            bundle_file: bundle_file.flatten(),
            certificates_per_client_per_hour: most.and_then(NonZeroU32::new)?,
        }))
    }
}

fn check_trust_domain(text: &str) -> Result<String, &'static str> {
    let id = format!("spiffe://{text}");
    match spiffe::trust_domain(&id) == Some(id.as_str()) {
        true => Ok(text.to_owned()),
        false => {
            Err("must be a trust domain in lower case, such as `shop.example`, without `spiffe://`")
        }
    }
}
