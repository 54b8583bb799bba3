//! Which files a listener or the outgoing connections of a process use.

use std::path::{Path, PathBuf};

use hallpass_config::{Key, Kind, Section};

/// The certificate that a process shows, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairSettings {
    /// `certificate-file`: PEM, the own certificate first, then those of the authorities between it and the root.
    pub certificate_file: PathBuf,
    /// `private-key-file`: PEM, not encrypted.
    pub private_key_file: PathBuf,
}

/// The certificate of a process, its private key and the authorities of its estate, as an agent (`hallpass-certificates`) keeps them in
/// a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFiles {
    /// Certificate and private key, for servers and for clients.
    pub key_pair: KeyPairSettings,
    /// PEM: the authorities of the estate, whose certificates the others of the estate show.
    pub ca_file: PathBuf,
}

/// What a listener shows and what it demands; the section `tls` of `issuer` and of `service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// `certificate-file` and `private-key-file`.
    pub key_pair: KeyPairSettings,
    /// `client-auth`, with `client-ca-file`.
    pub client_auth: ClientAuth,
}

/// Whether a listener asks callers for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `none`: it does not ask.
    #[default]
    None,
    /// `want`: who shows none is served; a certificate that is shown must be good.
    Want {
        /// `client-ca-file`: PEM, the authorities that callers' certificates come from.
        ca_file: PathBuf,
    },
    /// `any`: who shows none is served, and of a certificate that is shown only the private key must be the caller's. For clients
    /// whose certificates are registered one by one (RFC 8705 section 2.2).
    Any {
        /// `client-ca-file`: PEM, the authorities whose certificates count as verified all the same.
        ca_file: Option<PathBuf>,
    },
    /// `need`: who shows none gets no connection.
    Need {
        /// `client-ca-file`: PEM, the authorities that callers' certificates come from.
        ca_file: PathBuf,
    },
}

/// Whom outgoing connections trust, and what they show; most of the section `tls` at the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTlsSettings {
    /// `system-roots`: whether the authorities of the operating system are trusted.
    pub system_roots: bool,
    /// `ca-file`: PEM, authorities that are trusted too.
    pub ca_file: Option<PathBuf>,
    /// `certificate-file` and `private-key-file`, for servers that ask.
    pub key_pair: Option<KeyPairSettings>,
}

impl IssuedFiles {
    /// Where they are below `folder`: `tls.crt`, `tls.key` and `ca.crt` in `current`, a link that is replaced when they change. Nothing is
    /// looked at.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        Self::in_generation(&folder.join("current"))
    }

    /// The same in the folder of one generation.
    #[must_use]
    pub fn in_generation(folder: &Path) -> Self {
        Self {
            key_pair: KeyPairSettings {
                certificate_file: folder.join("tls.crt"),
                private_key_file: folder.join("tls.key"),
            },
            ca_file: folder.join("ca.crt"),
        }
    }
}

impl ClientAuth {
    /// The authorities, if there are any.
    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Want { ca_file } | Self::Need { ca_file } => Some(ca_file),
            Self::Any { ca_file } => ca_file.as_ref(),
        }
    }
}

impl Default for ClientTlsSettings {
    fn default() -> Self {
        Self {
            system_roots: true,
            ca_file: None,
            key_pair: None,
        }
    }
}

impl ServerTlsSettings {
    /// The keys of the section.
    pub const KEYS: &[Key] = &[
        Key::new(
            "certificate-file",
            Kind::File,
            "PEM: the certificate of this listener first, then those of the authorities between it and the root. The \
             files of this section are looked at every 5 seconds; what they hold then is used for new connections.",
        )
        .otherwise("required in this section; in `service`, `gateway`, `sidecar` and `authz` the section `certificates` brings it as well"),
        Key::new(
            "private-key-file",
            Kind::File,
            "PEM, not encrypted: the private key of that certificate.",
        )
        .otherwise("required in this section; in `service`, `gateway`, `sidecar` and `authz` the section `certificates` brings it as well"),
        Key::new(
            "client-auth",
            Kind::Choice(&["none", "want", "need", "any"]),
            "Whether callers are asked for a certificate. `want`: who shows none is served, and one that is shown must \
             be good; `need`: no connection without one; `any`: who shows none is served, and one that is shown may come from \
             anybody. It then proves nothing but that the caller has its key: it counts where the very certificate was \
             registered (`self_signed_tls_client_auth`) or a token is bound to it, and nowhere else.",
        )
        .or("none"),
        Key::new(
            "client-ca-file",
            Kind::File,
            "PEM: the authorities that callers' certificates come from; no others are trusted. With `client-auth: any` others \
             may connect, and are not trusted.",
        )
        .otherwise("required with `want` and `need`; in `service`, `gateway`, `sidecar` and `authz` the section `certificates` brings it as well"),
    ];

    /// Reads the section, if it is there.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        Self::read_or_issued(section, None)
    }

    /// As [`read`](Self::read): files that it does not name are `issued`, where there are such. A pair is never half of each.
    pub fn read_or_issued(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        if !section.is_given() {
            return None;
        }
        let key_pair = read_key_pair(section, issued);
        let client_auth = section.choice("client-auth", |name| {
            ["none", "want", "need", "any"]
                .into_iter()
                .find(|known| *known == name)
        });
        let mut ca_file = section.file("client-ca-file");
        if client_auth != Some("none")
            && !section.has("client-ca-file")
            && let Some(issued) = issued
        {
            derived(section, "client-ca-file", &issued.ca_file);
            ca_file = Some(issued.ca_file.clone());
        }
        let client_auth = match (client_auth?, ca_file) {
            ("want", Some(ca_file)) => ClientAuth::Want { ca_file },
            ("need", Some(ca_file)) => ClientAuth::Need { ca_file },
            ("any", ca_file) => ClientAuth::Any { ca_file },
            ("none", None) => ClientAuth::None,
            ("none", Some(_)) => {
                let message = "has no effect without `client-auth: need`, `want` or `any`; say which is meant";
                section.problem("client-ca-file", message);
                return None;
            }
            _ => {
                section.missing("client-ca-file", "is required with `client-auth`");
                return None;
            }
        };
        Some(Self {
            key_pair: key_pair?,
            client_auth,
        })
    }
}

fn read_key_pair(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<KeyPairSettings> {
    let names = ["certificate-file", "private-key-file"];
    match issued {
        Some(issued) if !names.iter().any(|name| section.has(name)) => {
            let pair = issued.key_pair.clone();
            derived(section, "certificate-file", &pair.certificate_file);
            derived(section, "private-key-file", &pair.private_key_file);
            Some(pair)
        }
        _ => {
            let [certificate_file, private_key_file] =
                names.map(|name| section.required(name, Section::file));
            Some(KeyPairSettings {
                certificate_file: certificate_file?,
                private_key_file: private_key_file?,
            })
        }
    }
}

fn derived(section: &Section<'_>, key: &str, file: &Path) {
    section.record_derived(key, &file.display().to_string(), "certificates.folder");
}

impl ClientTlsSettings {
    /// Reads the keys `system-roots`, `ca-file`, `certificate-file` and `private-key-file` of a section that has them.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let system_roots = section.flag("system-roots");
        let ca_file = section.file("ca-file");
        let certificate_file = section.file("certificate-file");
        let private_key_file = section.file("private-key-file");
        let key_pair = match (certificate_file, private_key_file) {
            (Some(certificate_file), Some(private_key_file)) => Some(KeyPairSettings {
                certificate_file,
                private_key_file,
            }),
            (Some(_), None) => {
                section.missing("private-key-file", "is required with `certificate-file`");
                return None;
            }
            (None, Some(_)) => {
                section.missing("certificate-file", "is required with `private-key-file`");
                return None;
            }
            (None, None) => None,
        };
        if system_roots == Some(false) && ca_file.is_none() {
            section.missing(
                "ca-file",
                "is required with `system-roots: false`: nobody would be trusted",
            );
            return None;
        }
        Some(Self {
            system_roots: system_roots?,
            ca_file,
            key_pair,
        })
    }
}
