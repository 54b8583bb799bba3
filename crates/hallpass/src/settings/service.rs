//! `service`: who this process is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hallpass_config::{Configuration, Key, Kind, Section, check_service_name};
use hallpass_tls::{IssuedFiles, ServerTlsSettings};

const KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "The name other services call it by. Unless `security` says otherwise, tokens must bear it as their audience.",
    )
    .otherwise("`spring.application.name`"),
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where it listens.",
    )
    .otherwise("`server.port`, on all addresses or on `server.address`; else up to the program. Not of `hallpass issuer`, which \
        has `issuer.listen`"),
    Key::new(
        "zone",
        Kind::Text { what: "" },
        "The zone that this process runs in, such as `hz-a`: instances in it are called first, and Nacos is told of it. A change \
        needs a restart.",
    )
    .otherwise("none: with Nacos, `discovery.nacos.cluster-name` counts"),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on the listening address, for services that serve by `Hallpass::http_server`: with this section it speaks \
        nothing else.",
    ),
];

/// `service`: who this process is and where it listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `name`, else `spring.application.name`: the name other services call it by; the audience it expects in tokens unless
    /// `security` says otherwise.
    pub name: Option<String>,
    /// `listen`, else `server.address` and `server.port`: address and port to listen on.
    pub listen: Option<SocketAddr>,
    /// `zone`: where this process runs; instances there are called first.
    pub zone: Option<String>,
    /// `tls`: what [`Hallpass::http_server`](crate::Hallpass::http_server) shows and demands; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
}

impl Configuration for ServiceSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new("service", Kind::Section(KEYS), "Who this process is.").shared()]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        Self::read_or_issued(root, None)
    }
}

impl ServiceSettings {
    /// As [`read`](Configuration::read); files that `tls` does not name are `issued`.
    pub(crate) fn read_or_issued(root: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let section = root.section("service");
        let (name, listen) = (
            section
                .service_name("name")
                .or_else(|| name_of_spring(&section)),
            section
                .socket_address("listen")
                .or_else(|| listen_of_spring(&section)),
        );
        let zone = section.name("zone");
        let tls = section.section("tls");
        // A section that cannot be used must not become plain HTTP.
        let tls = match tls.is_given() {
            true => Some(ServerTlsSettings::read_or_issued(&tls, issued)?),
            false => None,
        };
        if tls.is_none() && listen.is_some() && !section.has("listen") {
            report_tls_of_spring(&section);
        }
        Some(Self {
            name,
            listen,
            zone,
            tls,
        })
    }
}

/// A port that speaks TLS there must not become one that speaks plain HTTP here.
fn report_tls_of_spring(section: &Section<'_>) {
    let given = |name: &str| section.property(name);
    if given("server.ssl.enabled").as_deref() == Some("false") {
        return;
    }
    let keys = ["certificate", "key-store", "bundle"];
    let named = keys.map(|key| format!("server.ssl.{key}"));
    if let Some(key) = named.iter().find(|key| given(key).is_some()) {
        let message = format!(
            "is not given, and {key} says that `server.port` speaks TLS: write `service.tls` with PEM files \
             (certificate-file, private-key-file; `hallpass issuer` has `issuer.tls`), or `service.listen` for plain HTTP behind something \
             that speaks TLS"
        );
        section.problem("tls", message);
    }
}

/// What a Spring service of this configuration is called, where ours says nothing.
fn name_of_spring(section: &Section<'_>) -> Option<String> {
    const NAME: &str = "spring.application.name";
    if section.has("name") {
        return None;
    }
    let name = section.property(NAME)?;
    match check_service_name(&name) {
        Ok(name) => {
            section.record_derived("name", &name, NAME);
            Some(name)
        }
        Err(message) => {
            let message = format!("is not given, and {NAME} cannot stand for it: it {message}");
            section.warn("name", &message);
            None
        }
    }
}

/// Where it listens. A port below zero is none, as there.
fn listen_of_spring(section: &Section<'_>) -> Option<SocketAddr> {
    const PORT: &str = "server.port";
    if section.has("listen") {
        return None;
    }
    let port = section.property(PORT)?;
    // Kubernetes says SERVER_PORT=tcp://10.0.0.1:80 of a service that is called `server`.
    if port.starts_with('-') || port.starts_with("tcp://") {
        return None;
    }
    let address = match section.property("server.address").as_deref() {
        None => Ok(Ipv4Addr::UNSPECIFIED.into()),
        Some("localhost") => Ok(Ipv4Addr::LOCALHOST.into()),
        Some(address) => address.parse::<IpAddr>(),
    };
    let (Ok(port), Ok(address)) = (port.parse::<u16>(), address) else {
        let message = format!(
            "is not given, and {PORT} or server.address cannot stand for it: they must be a port and an IP address"
        );
        section.warn("listen", &message);
        return None;
    };
    let listen = SocketAddr::new(address, port);
    section.record_derived("listen", &listen.to_string(), PORT);
    Some(listen)
}
