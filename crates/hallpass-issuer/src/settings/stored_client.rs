//! A client of the store: read by the parser of `issuer.clients`, from a text of the same form.

use std::fmt;

use hallpass_config::{Configuration, Key, Kind, Loader, Problem, Section, detect_prefix};
use hallpass_token::Issuer;

use crate::clients::client_keys::ClientKeys;
use crate::clients::stored_registration::StoredRegistration;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::client::secrets::ClientSecret;
use crate::settings::client::{CLIENT_KEYS, ClientSettings};
use crate::settings::exchange::Issuers;
use crate::settings::trusted_issuer::TrustedIssuerSettings;

/// Longest text of one client, in bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

const KEYS: &[Key] =
    &[Key::new("clients", Kind::Sections(CLIENT_KEYS), "The client.").told_apart_by("client-id")];

/// `issuer.clients`, and nothing else of `issuer`.
struct Clients(Vec<ClientSettings>);

impl Configuration for Clients {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "issuer",
            Kind::Section(KEYS),
            "The client, as it would stand in the configuration of the issuer.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let clients = root.section("issuer").sections("clients");
        // Whom the issuer trusts may change; that is looked at whenever the client is used.
        let issuers = Issuers {
            own: None,
            trusted: None,
        };
        let read = clients
            .iter()
            .map(|client| ClientSettings::read(client, issuers));
        let read: Vec<_> = read.collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// Why a text is no registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The client proves itself by a secret and has none: all else is right.
    WithoutSecret,
    /// All that is wrong, a line each; never a secret.
    Problems(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutSecret => f.write_str("the client has no secret"),
            Self::Problems(problems) => f.write_str(problems),
        }
    }
}

/// The one client of the text, which problems call `name`. The environment counts for nothing.
///
/// # Errors
/// What is wrong.
pub(crate) fn read(name: &str, stored: &StoredRegistration) -> Result<ClientSettings, Unusable> {
    Ok(load(name, stored)?.0)
}

/// The same of one that is to be stored: nothing else may stand beside it, since the whole text is kept.
///
/// # Errors
/// What is wrong.
pub(crate) fn read_new(
    name: &str,
    stored: &StoredRegistration,
) -> Result<ClientSettings, Unusable> {
    let (client, others) = load(name, stored)?;
    match others.is_empty() {
        true => Ok(client),
        false => Err(Unusable::Problems(format!(
            "{name}: must have nothing beside the client, since the store keeps all of it in clear:\n{}",
            others.join("\n")
        ))),
    }
}

/// The client, and where the text has what belongs to others.
fn load(
    name: &str,
    stored: &StoredRegistration,
) -> Result<(ClientSettings, Vec<String>), Unusable> {
    let problem = |problem: &str| Unusable::Problems(format!("{name}: {problem}"));
    let text = stored.settings.as_str();
    if text.len() > MAX_BYTES {
        return Err(problem("is longer than 64 KiB"));
    }
    let root = detect_prefix(text).unwrap_or("hallpass");
    let digest = stored.secret_digest.iter().map(|digest| {
        let key = "ISSUER_CLIENTS_0_CLIENT_SECRET_DIGEST";
        (format!("{}_{key}", root.to_uppercase()), digest.as_str())
    });
    let loader = Loader::new(root).text(name, text).environment(digest);
    let loaded = loader.load::<Clients>().map_err(|problems| {
        let others = problems.iter().filter(|it| !is_about_no_secret(it));
        let others: Vec<_> = others.map(ToString::to_string).collect();
        match others.is_empty() {
            true => Unusable::WithoutSecret,
            false => Unusable::Problems(others.join("\n")),
        }
    });
    let loaded = loaded?;
    let others = loaded.left_alone().to_vec();
    let Clients(mut clients) = loaded.into_settings();
    let client = clients.pop().filter(|_| clients.is_empty());
    let client = client.ok_or_else(|| not_one(name))?;
    check_kept(&client).map_err(problem)?;
    Ok((client, others))
}

/// What is wrong with a text that has no client, or several.
pub(crate) fn not_one(name: &str) -> Unusable {
    Unusable::Problems(format!("{name}: must have one client in `issuer.clients`"))
}

fn is_about_no_secret(problem: &Problem) -> bool {
    problem.key_path.ends_with(".client-secret") && problem.message.contains("is required")
}

/// What would be in the store in clear, or is not in the store at all.
fn check_kept(client: &ClientSettings) -> Result<(), &'static str> {
    const IN_CLEAR: &str = "a secret is not stored in clear: leave it out and one is made, or give `client-secret-digest`";
    const A_FILE: &str =
        "a file stays outside the store: use `jwks` or `jwks-url` in place of `jwks-file`";
    match &client.authentication {
        ClientAuthentication::Secret(secrets) => {
            let previous = secrets.previous.as_ref().map(|old| &old.secret);
            let mut all = std::iter::once(&secrets.current).chain(previous);
            match all.any(|secret| matches!(secret, ClientSecret::Clear(_))) {
                true => Err(IN_CLEAR),
                false => Ok(()),
            }
        }
        ClientAuthentication::PrivateKeyJwt(key) if matches!(key.keys, ClientKeys::File(_)) => {
            Err(A_FILE)
        }
        ClientAuthentication::SelfSignedTlsClientAuth(ClientKeys::File(_)) => Err(A_FILE),
        ClientAuthentication::PrivateKeyJwt(_)
        | ClientAuthentication::SelfSignedTlsClientAuth(_)
        | ClientAuthentication::TlsClientAuth(_)
        | ClientAuthentication::FederatedJwt(_) => Ok(()),
    }
}

/// Whether those whom the rules of a client name are trusted by an issuer of that name.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_issuers(
    client: &ClientSettings,
    own: &Issuer,
    trusted: &[TrustedIssuerSettings],
) -> Result<(), String> {
    let issuers = Issuers {
        own: Some(own),
        trusted: Some(trusted),
    };
    let named = |issuer: &Issuer, problem| format!("{issuer} {problem}");
    for rule in &client.exchange {
        if let Some(issuer) = &rule.subject_issuer {
            let is_for_others = rule.by_assertion || !rule.scope_mapping.is_empty();
            let checked = match is_for_others {
                true => issuers.check_trusted(issuer.as_str()),
                false => issuers.check(issuer.as_str()),
            };
            checked.map_err(|problem| named(issuer, problem))?;
        }
    }
    if let ClientAuthentication::FederatedJwt(rules) = &client.authentication {
        for rule in rules {
            let checked = issuers.check_trusted(rule.issuer.as_str());
            checked.map_err(|problem| named(&rule.issuer, problem))?;
        }
    }
    Ok(())
}
