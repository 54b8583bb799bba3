//! The issuers: how each is started, and how it is asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Failure;
use crate::proxy_tools::{hallpass, target};

/// Also in `bench/issuers`. A secret of the shape that Hallpass makes.
const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// The same as Spring's own encoder writes it, at its usual cost.
const BCRYPT: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeiOyeLa3C61c9h29EfS9gXc3qHQikwVq";
const CLIENT: &str = "internal-service-client";

/// An issuer with one set of settings.
pub(super) struct Product {
    pub(super) name: &'static str,
    kind: Kind,
    algorithm: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Hallpass,
    OidcProvider,
    /// And how it keeps secrets.
    Spring(&'static str),
    Keycloak,
}

const fn product(name: &'static str, kind: Kind, algorithm: &'static str) -> Product {
    Product {
        name,
        kind,
        algorithm,
    }
}

pub(super) const PRODUCTS: [Product; 8] = [
    product("Hallpass, ES256", Kind::Hallpass, "ES256"),
    product("Hallpass, RS256", Kind::Hallpass, "RS256"),
    product("oidc-provider, ES256", Kind::OidcProvider, "ES256"),
    product("oidc-provider, RS256", Kind::OidcProvider, "RS256"),
    product(
        "Spring Authorization Server, ES256, secret in clear",
        Kind::Spring("clear"),
        "ES256",
    ),
    product(
        "Spring Authorization Server, RS256, secret in clear",
        Kind::Spring("clear"),
        "RS256",
    ),
    product(
        "Spring Authorization Server, RS256, bcrypt",
        Kind::Spring("bcrypt"),
        "RS256",
    ),
    product("Keycloak, RS256", Kind::Keycloak, "RS256"),
];

impl Product {
    /// Its program, which listens on this port of loopback; it is started in `folder`.
    pub(super) fn command(&self, port: u16, folder: &Path) -> Result<Command, Failure> {
        match self.kind {
            Kind::Hallpass => {
                std::fs::write(
                    folder.join("service-auth.yaml"),
                    hallpass_file(port, self.algorithm),
                )?;
                let mut command = Command::new(hallpass()?);
                command.args(["issuer", "--config", "service-auth.yaml"]);
                Ok(command)
            }
            Kind::OidcProvider => {
                let server = prepared("oidc-provider/server.mjs")?;
                let mut command = Command::new("env");
                command.args(["NODE_ENV=production", "node"]).arg(server);
                command.args([&port.to_string(), self.algorithm]);
                Ok(command)
            }
            Kind::Spring(secrets) => {
                let mut command = Command::new("java");
                command.arg("-jar").arg(prepared("spring/issuer.jar")?);
                command.args(spring_arguments(port, self.algorithm, secrets));
                Ok(command)
            }
            Kind::Keycloak => {
                let mut command = Command::new(prepared("keycloak/bin/kc.sh")?);
                command.args(["start-dev", "--import-realm", "--http-host=127.0.0.1"]);
                command.arg(format!("--http-port={port}"));
                Ok(command)
            }
        }
    }

    pub(super) fn url(&self, port: u16) -> String {
        let path = match self.kind {
            Kind::Hallpass | Kind::Spring(_) => "/oauth2/token",
            Kind::OidcProvider => "/token",
            Kind::Keycloak => "/realms/internal/protocol/openid-connect/token",
        };
        format!("http://127.0.0.1:{port}{path}")
    }

    /// What a service sends.
    pub(super) fn form(&self) -> String {
        let target = match self.kind {
            Kind::Hallpass => "&scope=internal-service&audience=service-system",
            Kind::OidcProvider => "&scope=internal-service&resource=urn:service-system",
            // Spring names the caller itself as the audience, Keycloak whom its mapper says.
            Kind::Spring(_) => "&scope=internal-service",
            Kind::Keycloak => "",
        };
        format!("grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}{target}")
    }
}

fn hallpass_file(port: u16, algorithm: &str) -> String {
    format!(
        "hallpass:\n  issuer:\n    listen: 127.0.0.1:{port}\n    name: internal\n    algorithm: {algorithm}\n    store: service-auth.db\n    \
         clients:\n      - client-id: {CLIENT}\n        client-secret: {SECRET}\n        scopes: [internal-service]\n        \
         audiences: [service-system]\n"
    )
}

fn spring_arguments(port: u16, algorithm: &str, secrets: &str) -> Vec<String> {
    let secret = match secrets {
        "bcrypt" => BCRYPT,
        _ => SECRET,
    };
    let client = "--spring.security.oauth2.authorizationserver.client.internal";
    let of_client = [
        ("registration.client-id", CLIENT),
        ("registration.client-secret", secret),
        (
            "registration.client-authentication-methods",
            "client_secret_post",
        ),
        (
            "registration.authorization-grant-types",
            "client_credentials",
        ),
        ("registration.scopes", "internal-service"),
        ("token.access-token-time-to-live", "600s"),
    ];
    let mut arguments = vec![
        "--server.address=127.0.0.1".to_owned(),
        format!("--server.port={port}"),
        format!("--algorithm={algorithm}"),
        format!("--secrets={secrets}"),
    ];
    arguments.extend(of_client.map(|(key, value)| format!("{client}.{key}={value}")));
    arguments
}

/// What `bench/issuers/prepare.sh` has made.
fn prepared(path: &str) -> Result<PathBuf, Failure> {
    let folder = target()?.join("tmp/issuers");
    let file = folder.join(path);
    match file.exists() {
        true => Ok(file),
        false => Err(format!(
            "{} is missing: bench/issuers/prepare.sh {}",
            file.display(),
            folder.display()
        )
        .into()),
    }
}
