//! `certificates`: where certificates come from, where they are written, and when they are renewed.

use std::path::PathBuf;
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};
use hallpass_tls::{ClientTlsSettings, IssuedFiles, KeyPairSettings};
use hallpass_upstream::EndpointUrl;

const NAME: &str = "certificates";

const KEYS: &[Key] = &[
    Key::new(
        "from",
        Kind::Text {
            what: "an https URL or `lb://SERVICE/PATH`",
        },
        "The authority: `/ca/v1/certificate` of the issuer. It is asked as the client of `internal-token`, and trusted as `tls` says.",
    )
    .required(),
    Key::new(
        "folder",
        Kind::File,
        "Where `current/tls.crt`, `current/tls.key` and `current/ca.crt` are written, readable by this user alone. It is made when it is \
        not there, and belongs to one process.",
    )
    .required(),
    Key::new(
        "renew-at-percent",
        Kind::count(10, 80),
        "After how much of its life a certificate is renewed.",
    )
    .or("50"),
    Key::new(
        "jitter-percent",
        Kind::count(0, 10),
        "By how much of its life that may be sooner or later, so that many do not ask at once.",
    )
    .or("10"),
    Key::new(
        "bundle-seconds",
        Kind::seconds(10, 3_600),
        "How often the bundle of authorities is fetched: more often than `issuer.ca.announce-seconds`, and as often as an authority that is \
        trusted no more may still be trusted here.",
    )
    .or("300"),
    Key::new(
        "start-limit-seconds",
        Kind::seconds(0, 3_600),
        "How long the start waits for the first certificate while the issuer cannot be reached. One in the folder that still counts is taken \
        at once.",
    )
    .or("60"),
    Key::new(
        "certificate-file",
        Kind::File,
        "PEM: the certificate that the first request is proven with, for a client with `client-authentication: tls_client_auth` \
        (`self_signed_tls_client_auth`).",
    )
    .otherwise("`tls.certificate-file`"),
    Key::new(
        "private-key-file",
        Kind::File,
        "PEM, not encrypted: the private key of that certificate.",
    )
    .otherwise("required with `certificate-file`"),
];

/// `certificates`: a certificate of the issuer's authority, kept good by the process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// `from`: the authority (`/ca/v1/certificate`).
    pub from: EndpointUrl,
    /// `folder`: where the files are; it is made when it is not there, readable by its owner alone.
    pub folder: PathBuf,
    /// `renew-at-percent`: after how much of its life a certificate is renewed; 50 by default, 10 to 80.
    pub renew_at_percent: u32,
    /// `jitter-percent`: by how much of its life that may be sooner or later; 10 by default, at most 10.
    pub jitter_percent: u32,
    /// `bundle-seconds`: how often the bundle is fetched; every five minutes by default. More often than the issuer announces an
    /// authority.
    pub bundle_every: Duration,
    /// `start-limit-seconds`: how long [`CertificateAgent::start`](crate::CertificateAgent::start) waits for the first one; a minute by
    /// default.
    pub start_limit: Duration,
    /// Whom the connections to the issuer trust, and what they show before there is a certificate of the authority: `tls`, and
    /// `certificate-file` with `private-key-file` of this section.
    pub tls: ClientTlsSettings,
}

impl CertificateSettings {
    /// The key of the section.
    pub const KEY: Key = Key::new(
        NAME,
        Kind::Section(KEYS),
        "A certificate of the issuer's authority that this process gets, renews and serves by itself, and the authorities of its peers. With \
        this section `service.tls`, `gateway.tls`, `sidecar.inbound.tls`, `authz.tls` and `tls` need name no files. See [certificates.md](certificates.md).",
    );

    /// For this authority and folder, with all else as it is by default.
    #[must_use]
    pub fn new(from: EndpointUrl, folder: impl Into<PathBuf>) -> Self {
        Self {
            from,
            folder: folder.into(),
            renew_at_percent: 50,
            jitter_percent: 10,
            bundle_every: Duration::from_secs(300),
            start_limit: Duration::from_secs(60),
            tls: ClientTlsSettings::default(),
        }
    }

    /// The files that it writes.
    #[must_use]
    pub fn files(&self) -> IssuedFiles {
        IssuedFiles::below(&self.folder)
    }

    /// Reads the section; `Some(None)` without it. Whom connections to the issuer trust stands elsewhere: [`by`](Self::by).
    #[must_use]
    pub fn read(root: &Section<'_>) -> Option<Option<Self>> {
        let section = root.section(NAME);
        if !section.is_given() {
            return Some(None);
        }
        let read = section.read_all(Self::read_section)?;
        Some(Some(read))
    }

    /// The same by connections that trust what `tls` says, and show its certificate where the section names none itself.
    #[must_use]
    pub fn by(mut self, tls: &ClientTlsSettings) -> Self {
        self.tls = ClientTlsSettings {
            key_pair: self.tls.key_pair.or_else(|| tls.key_pair.clone()),
            ..tls.clone()
        };
        self
    }

    fn read_section(section: &Section<'_>) -> Option<Self> {
        let from = section.required("from", Section::parsed);
        let folder = section.required("folder", Section::file);
        let renew_at_percent = section.count("renew-at-percent");
        let jitter_percent = section.count("jitter-percent");
        let bundle_every = section.seconds("bundle-seconds");
        let start_limit = section.seconds("start-limit-seconds");
        let key_pair = read_key_pair(section);
        Some(Self {
            from: from?,
            folder: folder?,
            renew_at_percent: renew_at_percent?,
            jitter_percent: jitter_percent?,
            bundle_every: bundle_every?,
            start_limit: start_limit?,
            tls: ClientTlsSettings {
                key_pair: key_pair?,
                ..ClientTlsSettings::default()
            },
        })
    }
}

/// `Some(None)` where there is none.
fn read_key_pair(section: &Section<'_>) -> Option<Option<KeyPairSettings>> {
    let certificate_file = section.file("certificate-file");
    let private_key_file = section.file("private-key-file");
    match (certificate_file, private_key_file) {
        (Some(certificate_file), Some(private_key_file)) => Some(Some(KeyPairSettings {
            certificate_file,
            private_key_file,
        })),
        (None, None) => Some(None),
        (Some(_), None) => {
            section.missing("private-key-file", "is required with `certificate-file`");
            None
        }
        (None, Some(_)) => {
            section.missing("certificate-file", "is required with `private-key-file`");
            None
        }
    }
}
