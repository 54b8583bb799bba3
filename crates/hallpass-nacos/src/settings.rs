//! What is configured of Nacos: `nacos`, and `discovery.nacos`.

mod config;
mod discovery;
mod names;

use std::path::PathBuf;
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Preferred, Section};

use crate::credential::Credential;
use crate::server_address::ServerAddress;

use names::checked_name;

pub use config::{ConfigSettings, DocumentSettings};
pub use discovery::{DiscoverySettings, RegisterSettings};

const KEYS: &[Key] = &[
    Key::new(
        "server-addr",
        Kind::Texts {
            what: "`host:port`, or `https://host:port` where the server speaks TLS",
        },
        "The Nacos servers; one of them is used, and the next when it fails. Without a port it is 8848. gRPC is expected \
        at that port plus `grpc-port-offset`. Trust for `https` comes from the section `tls`.",
    )
    .otherwise("Nacos is not used"),
    Key::new(
        "namespace",
        Kind::Text {
            what: "id of a namespace",
        },
        "Where documents and services are looked for; not its display name. Empty: the public one.",
    )
    .or(""),
    Key::new("username", Kind::Text { what: "" }, "A user of Nacos; its token is renewed before it ends.")
        .otherwise("no login"),
    Key::new("password", Kind::Secret, "The user's password.").otherwise("required with `username`"),
    Key::new("password-file", Kind::File, "A file with the password. It is read again before each login, so that it may change."),
    Key::new(
        "access-key",
        Kind::Text { what: "" },
        "The name of a key of Alibaba Cloud (MSE), in place of a user: every request is signed.",
    ),
    Key::new("secret-key", Kind::Secret, "That key.").otherwise("required with `access-key`"),
    Key::new("secret-key-file", Kind::File, "A file with that key. It is read again when a server refuses the key, so that it may change."),
    Key::new(
        "timeout-ms",
        Kind::millis(100, 60_000),
        "Longest wait for a connection, and for an answer.",
    )
    .or("3000"),
    Key::new(
        "grpc-port-offset",
        Kind::count(0, 65_535),
        "What is added to a server's port for gRPC.",
    )
    .or("1000"),
    Key::new(
        "snapshot-directory",
        Kind::File,
        "A folder for what was last good, so that this process starts while no Nacos server answers. The documents stand \
        there as they are, secrets included: readable for the user of this process alone (mode 0600).",
    )
    .otherwise("no snapshots"),
    Key::new(
        "dangerous-plain-text",
        Kind::Flag,
        "Lets credentials and documents, with the secrets in them, come from another host without TLS. Everybody on the \
        way reads them and can put in others. For networks that encrypt by themselves. Without it, a server without \
        `https://` must be on loopback.",
    )
    .or("false"),
    Key::new(
        "config",
        Kind::Section(config::KEYS),
        "Which documents are part of this configuration. They win over files, and environment and flags win over them. \
        Only files, environment and flags are asked for the section `nacos` itself.",
    ),
];

/// `nacos`: the servers, and the documents that are configuration.
#[derive(Clone, Debug)]
pub struct NacosSettings {
    /// `server-addr`: none when Nacos is not used.
    pub servers: Vec<ServerAddress>,
    /// `namespace`; empty for the public one.
    pub namespace: String,
    /// `username` and `password`, or `access-key` and `secret-key`.
    pub credential: Credential,
    /// `password-file` or `secret-key-file`, where the secret of `credential` stands in one: it is read again before each
    /// login, and when the server refuses the credential.
    pub credential_file: Option<PathBuf>,
    /// `timeout-ms`: longest wait for a connection, and for an answer.
    pub timeout: Duration,
    /// `grpc-port-offset`: what is added to a server's port for gRPC.
    pub grpc_port_offset: u16,
    /// `snapshot-directory`: where what was last good is kept.
    pub snapshot_directory: Option<PathBuf>,
    /// `dangerous-plain-text`: whether a server elsewhere may be reached without TLS.
    pub dangerous_plain_text: bool,
    /// `config`: which documents are configuration.
    pub config: ConfigSettings,
}

impl NacosSettings {
    /// For these servers, with the defaults of all keys.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = ServerAddress>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            namespace: String::new(),
            credential: Credential::None,
            credential_file: None,
            timeout: Duration::from_secs(3),
            grpc_port_offset: 1_000,
            snapshot_directory: None,
            dangerous_plain_text: false,
            config: ConfigSettings::default(),
        }
    }

    /// Whether `other` asks for something else. Passwords and keys are not compared.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        // Secrets are shown as stars.
        format!("{self:?}") != format!("{other:?}")
    }

    /// Whether there is a server to ask.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.servers.is_empty()
    }
}

impl Default for NacosSettings {
    fn default() -> Self {
        Self::new([])
    }
}

impl Configuration for NacosSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "nacos",
            Kind::Section(KEYS),
            "Nacos as a source of configuration. A change needs a restart.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("nacos");
        match section.is_given() {
            true => section.read_all(read),
            // Nothing of it is in effect, so nothing of it is shown.
            false => Some(Self::default()),
        }
    }
}

fn read(section: &Section<'_>) -> Option<NacosSettings> {
    let servers = match section.has("server-addr") {
        true => section.texts("server-addr", str::parse::<ServerAddress>),
        false => Some(Vec::new()),
    };
    let namespace = section.checked("namespace", |text| match text {
        // How the console calls the one without an id.
        "public" => Ok(String::new()),
        id => checked_name(id),
    });
    let credential = credential(section);
    let credential_file = match &credential {
        Some(Credential::Password { .. }) => secret_file(section, "password", "password-file"),
        Some(Credential::AccessKey { .. }) => secret_file(section, "secret-key", "secret-key-file"),
        Some(Credential::None) | None => None,
    };
    let timeout = section.millis("timeout-ms");
    let grpc_port_offset = section.whole("grpc-port-offset");
    let snapshot_directory = section.file("snapshot-directory");
    let dangerous_plain_text = section.flag("dangerous-plain-text");
    let config = section.section("config").read_all(ConfigSettings::read);
    let (servers, dangerous_plain_text) = (servers?, dangerous_plain_text?);
    let is_open = servers.iter().any(ServerAddress::is_plain_text_elsewhere);
    if is_open && !dangerous_plain_text {
        let message = "has a server that is neither https nor on loopback: secrets would be sent and taken in the open; \
            write `https://host:port`, or see `nacos.dangerous-plain-text`";
        section.problem("server-addr", message);
        return None;
    }
    let servers = servers
        .into_iter()
        .map(|server| match dangerous_plain_text {
            true => server.dangerous_plain_text(),
            false => server,
        });
    let config = config?;
    let servers: Vec<_> = servers.collect();
    if servers.is_empty() && !config.documents.is_empty() {
        section.missing("server-addr", "is required: `nacos.config` names documents");
    }
    Some(NacosSettings {
        servers,
        namespace: namespace?,
        credential: credential?,
        credential_file,
        timeout: timeout?,
        grpc_port_offset: u16::try_from(grpc_port_offset?).ok()?,
        snapshot_directory,
        dangerous_plain_text,
        config,
    })
}

/// The file with the secret, if it is that one which counts.
fn secret_file(section: &Section<'_>, key: &str, file: &str) -> Option<PathBuf> {
    match section.prefer(key, file) {
        Some(Preferred::Second) => section.file(file),
        Some(Preferred::First) | None => None,
    }
}

fn credential(section: &Section<'_>) -> Option<Credential> {
    let (username, access_key) = (section.has("username"), section.has("access-key"));
    if username && access_key {
        let message = "cannot be used together with `username`: say which is meant";
        section.problem("access-key", message);
        return None;
    }
    let text = |key: &str| section.checked(key, |text| Ok::<_, &str>(text.to_owned()));
    if username {
        let (username, password) = (
            text("username"),
            section.required("password", Section::secret),
        );
        return Some(Credential::Password {
            username: username?,
            password: password?,
        });
    }
    if access_key {
        let (access_key, secret_key) = (
            text("access-key"),
            section.required("secret-key", Section::secret),
        );
        return Some(Credential::AccessKey {
            access_key: access_key?,
            secret_key: secret_key?,
        });
    }
    for orphan in ["password", "password-file", "secret-key", "secret-key-file"] {
        if section.has(orphan) {
            let message = "has no effect without `username` or `access-key`";
            section.problem(orphan, message);
            return None;
        }
    }
    Some(Credential::None)
}

#[cfg(test)]
mod tests;
