//! `issuer.database`: a PostgreSQL that several issuers share.

use std::net::IpAddr;
use std::path::PathBuf;

use hallpass_config::{Key, Kind, Preferred, Secret, Section, has_credentials, strict_url};
use hallpass_tls::KeyPairSettings;
use url::Url;

/// The port of PostgreSQL.
const DEFAULT_PORT: u16 = 5_432;
/// How its URLs begin.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text {
            what: "`postgres://host:5432/name`",
        },
        "Which database: host, port and name, and nothing else. The issuer makes its tables there, in the first schema of the user's \
        `search_path`.",
    )
    .required(),
    Key::new(
        "username",
        Kind::Text { what: "" },
        "Whose tables they are. No other user needs to read or write them.",
    )
    .required(),
    Key::new("password", Kind::Secret, "The password of that user.").required(),
    Key::new(
        "password-file",
        Kind::File,
        "The file that `password` stands in. It is read again before a connection is opened, so a mounted password may change without a \
        restart.",
    ),
    Key::new(
        "tls",
        Kind::Section(TLS_KEYS),
        "How connections are protected. To other machines they are TLS with or without this section; to loopback only with it.",
    ),
    Key::new(
        "dangerous-plain-tcp",
        Kind::Flag,
        "Lets connections go to other machines without TLS. Private keys and what refresh tokens grant are sealed in any case; names and \
        settings of clients are not, and who can change what goes by can keep changes from the database.",
    )
    .or("false"),
    Key::not_ours("driver-class-name", "leave it out: there is one driver, for PostgreSQL"),
    Key::not_ours("hikari", "leave it out: the issuer opens a few connections at most, and none for a token"),
    Key::not_ours("jdbc-url", "here it is `url`, without `jdbc:`: `postgres://host:5432/name`"),
    Key::not_ours("user", "here it is `username`"),
    Key::not_ours("ssl", "here it is the section `tls`"),
    Key::not_ours("ssl-mode", "leave it out: connections to other machines are TLS, and the name in the certificate must be that of the host"),
];

const TLS_KEYS: &[Key] = &[
    Key::new(
        "ca-file",
        Kind::File,
        "PEM: authorities that the server's certificate may come from, beside the public ones that the executable knows. The files of \
        this section are read for each new connection.",
    )
    .otherwise("the public ones alone"),
    Key::new(
        "certificate-file",
        Kind::File,
        "PEM: the certificate that is shown to a server that asks.",
    )
    .otherwise("none"),
    Key::new(
        "private-key-file",
        Kind::File,
        "PEM, not encrypted: the private key of that certificate.",
    )
    .otherwise("none"),
];

/// `database`: a PostgreSQL that several issuers share.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `url`: the host.
    pub host: String,
    /// `url`: the port.
    pub port: u16,
    /// `url`: the name of the database.
    pub name: String,
    /// `username`: whose tables they are.
    pub username: String,
    /// `password`.
    pub password: Secret,
    /// `password-file`, where the password stands in one: it is read again before each connection is opened.
    pub password_file: Option<PathBuf>,
    /// `tls`: with which files; `None` is plain TCP.
    pub tls: Option<DatabaseTlsSettings>,
}

/// Whom connections to the database trust beside the public authorities, and what they show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseTlsSettings {
    /// `ca-file`: PEM, authorities that are trusted too.
    pub ca_file: Option<PathBuf>,
    /// `certificate-file` and `private-key-file`, for servers that ask.
    pub key_pair: Option<KeyPairSettings>,
}

impl DatabaseSettings {
    /// How errors call it: without the user, and without the password.
    #[must_use]
    pub fn shown(&self) -> String {
        let Self {
            host, port, name, ..
        } = self;
        match host.contains(':') {
            true => format!("postgres://[{host}]:{port}/{name}"),
            false => format!("postgres://{host}:{port}/{name}"),
        }
    }

    /// `Some(None)` without the section.
    pub(super) fn read(issuer: &Section<'_>) -> Option<Option<Self>> {
        let section = issuer.section("database");
        if !section.is_given() {
            return Some(None);
        }
        let at = section.required("url", |section, key| section.checked(key, Address::parse));
        let username = section.required("username", Section::name);
        let password = read_password(&section);
        let password_file = match section.prefer("password", "password-file") {
            Some(Preferred::Second) => section.file("password-file"),
            Some(Preferred::First) | None => None,
        };
        let tls_section = section.section("tls");
        let tls = DatabaseTlsSettings::read(&tls_section);
        let is_plain = section.flag("dangerous-plain-tcp");
        if tls_section.is_given() && is_plain == Some(true) {
            let message = "contradicts `tls`: give the one that is meant";
            section.problem("dangerous-plain-tcp", message);
            return None;
        }
        let (at, tls) = (at?, tls?);
        let has_tls = tls_section.is_given() || !(is_plain? || at.is_loopback());
        if !has_tls && !at.is_loopback() {
            let message = "connections to the database go over plain TCP, where everybody on the way can read and change them";
            section.warn("dangerous-plain-tcp", message);
        }
        Some(Some(Self {
            host: at.host,
            port: at.port,
            name: at.name,
            username: username?,
            password: password?,
            password_file,
            tls: has_tls.then_some(tls),
        }))
    }
}

impl PartialEq for DatabaseSettings {
    /// A password that stands in a file is not compared: it may change without a restart.
    fn eq(&self, other: &Self) -> bool {
        let password = |it: &Self| match &it.password_file {
            Some(_) => None,
            None => Some(it.password.expose().to_owned()),
        };
        let rest = |it: &Self| {
            let Self {
                username,
                password_file,
                tls,
                ..
            } = it.clone();
            (it.shown(), username, password_file, tls)
        };
        password(self) == password(other) && rest(self) == rest(other)
    }
}

impl DatabaseTlsSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let file = |key: &str| section.has(key).then(|| section.file(key));
        let ca_file = file("ca-file");
        let key_pair = match (file("certificate-file"), file("private-key-file")) {
            (Some(certificate_file), Some(private_key_file)) => Some(KeyPairSettings {
                certificate_file: certificate_file?,
                private_key_file: private_key_file?,
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
        let ca_file = match ca_file {
            Some(file) => Some(file?),
            None => None,
        };
        Some(Self { ca_file, key_pair })
    }
}

fn read_password(section: &Section<'_>) -> Option<Secret> {
    if !section.has("password") && !section.has("password-file") {
        section.missing("password", "is required, or `password-file`");
        return None;
    }
    section.secret("password")
}

/// What the URL says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    name: String,
}

impl Address {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "must be `postgres://host:5432/name`";
        if text.starts_with("jdbc:") {
            return Err("must be `postgres://host:5432/name`, without `jdbc:`");
        }
        let url = strict_url(text).ok_or(SHAPE)?;
        if has_credentials(&url) {
            return Err("must not hold a user name or password: give `username` and `password`");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(
                "must not hold options: give the section `tls`, and the rest on the server",
            );
        }
        let is_ours = SCHEMES.contains(&url.scheme());
        let name = url.path().strip_prefix('/').unwrap_or_default();
        let host = host(&url).filter(|_| is_ours).ok_or(SHAPE)?;
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(
                "must name the database after the host, in letters, digits, `_`, `-` and `.`",
            );
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            name: name.to_owned(),
        })
    }

    fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        self.host == "localhost" || address.is_ok_and(is_loopback)
    }
}

/// Without the brackets of an address of version 6.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_name = host.chars().all(is_plain);
    let is_address = bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok());
    (is_name || is_address).then(|| bare.unwrap_or(host).to_owned())
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, u16, String), &'static str> {
        Address::parse(text).map(|at| (at.host, at.port, at.name))
    }

    #[test]
    fn a_url_says_host_port_and_name_and_nothing_else() {
        let of = |host: &str, port, name: &str| Ok((host.to_owned(), port, name.to_owned()));
        assert_eq!(parse("postgres://db/auth"), of("db", 5_432, "auth"));
        assert_eq!(
            parse("postgresql://db.example:6000/a-b_c"),
            of("db.example", 6_000, "a-b_c")
        );
        assert_eq!(parse("postgres://[::1]:1/a"), of("::1", 1, "a"));
        for (text, says) in [
            ("jdbc:postgresql://db/auth", "without `jdbc:`"),
            ("postgres://u:p@db/auth", "`username`"),
            ("postgres://u@db/auth", "`username`"),
            ("postgres://db/auth?sslmode=disable", "options"),
            ("postgres://db", "name the database"),
            ("postgres://db/", "name the database"),
            ("postgres://db/a/b", "name the database"),
            ("postgres:///auth", "must be `postgres://"),
            ("mysql://db/auth", "must be `postgres://"),
            ("postgres://%2Ftmp/auth", "must be `postgres://"),
            ("db/auth", "must be `postgres://"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (text, is_loopback) in [
            ("postgres://localhost/a", true),
            ("postgres://127.0.0.2/a", true),
            ("postgres://[::1]/a", true),
            ("postgres://[::ffff:127.0.0.1]/a", true),
            ("postgres://localhost.example/a", false),
            ("postgres://127.0.0.1.example/a", false),
            ("postgres://10.0.0.1/a", false),
        ] {
            assert_eq!(
                Address::parse(text).unwrap().is_loopback(),
                is_loopback,
                "{text}"
            );
        }
    }
}
