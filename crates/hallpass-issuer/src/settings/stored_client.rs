//! A client of the store: read by the parser of `issuer.clients`, from a text of the same form.

use hallpass_config::{
    Configuration, Key, Kind, Loader, Problem, Problems, Secret, Section, YamlText, detect_prefix,
    report_doubles, without_comments,
};
use hallpass_token::Issuer;

use crate::clients::client_document::ClientDocument;
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
/// The digest of no secret: it stands in for one that a client has elsewhere, while the rest is read.
const NO_DIGEST: &str = "$sha256$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// `issuer.clients`, and nothing else of `issuer`.
struct Clients(Vec<(ClientSettings, ClientDocument)>);

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
        report_doubles(&clients, "client-id");
        // Whom the issuer trusts may change; that is looked at whenever the client is used.
        let issuers = Issuers {
            own: None,
            trusted: None,
        };
        let read = clients.iter().map(|section| {
            let client = ClientSettings::read(section, issuers)?;
            report_not_kept(section, &client);
            let written = section.written()?;
            Some((client, ClientDocument::of(written.expose())?))
        });
        let read: Vec<_> = read.collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// A client of a text that is to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewClient {
    pub(crate) settings: ClientSettings,
    pub(crate) document: ClientDocument,
    /// Whether it proves itself by a secret, and the text has no digest of it: what `settings` have is of nothing.
    pub(crate) lacks_secret: bool,
}

/// The client of a registration, which problems call `name`. The environment counts for nothing.
///
/// # Errors
/// What is wrong, a line each; never a secret.
pub(crate) fn read(name: &str, stored: &StoredRegistration) -> Result<ClientSettings, String> {
    read_whole(name, stored).map(|(client, _)| client)
}

/// The same with its document.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_whole(
    name: &str,
    stored: &StoredRegistration,
) -> Result<(ClientSettings, ClientDocument), String> {
    if stored.settings.len() > MAX_BYTES {
        return Err(format!("{name}: is longer than 64 KiB"));
    }
    let text = Text::of(name, &stored.settings);
    let digest = stored.secret_digest.iter();
    let (clients, _) = text
        .load(digest.map(|digest| (0, digest.as_str())))
        .map_err(|problems| problems.to_string())?;
    let (mut client, document) = one(name, clients)?;
    // It stands in no file.
    client.written_at.clear();
    Ok((client, document))
}

/// The clients of a text that has the form of the configuration, or is the list `issuer.clients` itself. Nothing else may stand in it, since
/// the store keeps what is written there.
///
/// # Errors
/// All that is wrong, a line each; never a secret.
pub(crate) fn read_new(name: &str, text: &str) -> Result<Vec<NewClient>, String> {
    if without_comments(text).is_none() {
        return Err(format!("{name}: must be one YAML document"));
    }
    let written = Text::of(name, text);
    let lacking = match written.load(None.into_iter()) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            let others = problems.iter().filter(|it| without_secret(it).is_none());
            let others: Vec<_> = others.map(ToString::to_string).collect();
            if !others.is_empty() {
                return Err(others.join("\n"));
            }
            problems.iter().filter_map(without_secret).collect()
        }
    };
    let digests = lacking.iter().map(|index| (*index, NO_DIGEST));
    let loaded = written.load(digests);
    let (clients, others) = loaded.map_err(|problems| problems.to_string())?;
    if !others.is_empty() {
        return Err(format!(
            "{name}: must have nothing beside the clients, since the store keeps all of it in clear:\n{}",
            others.join("\n")
        ));
    }
    let clients = clients.into_iter().enumerate();
    let clients = clients.map(|(index, (settings, document))| NewClient {
        lacks_secret: lacking.contains(&index),
        settings,
        document,
    });
    let clients: Vec<_> = clients.collect();
    let halves: Vec<_> = clients.iter().filter_map(NewClient::half).collect();
    match halves.is_empty() {
        true => Ok(clients),
        false => Err(halves.join("\n")),
    }
}

impl NewClient {
    /// What is wrong with a client that has the digest of its previous secret alone.
    fn half(&self) -> Option<String> {
        let secrets = self.settings.authentication.secrets()?;
        let is_half = self.lacks_secret && secrets.previous.is_some();
        let place = &self.settings.written_at;
        is_half.then(|| {
            format!(
                "{place}: previous-client-secret-digest: needs `client-secret-digest` beside it"
            )
        })
    }
}

/// The one client that a text must have.
///
/// # Errors
/// That it has none, or several.
pub(crate) fn one<T>(name: &str, mut clients: Vec<T>) -> Result<T, String> {
    let client = clients.pop().filter(|_| clients.is_empty());
    client.ok_or_else(|| format!("{name}: must have one client in `issuer.clients`"))
}

/// A text with clients, and what it is called.
struct Text {
    loader: Loader,
    root: &'static str,
}

/// What was read, and where the text has what belongs to others.
type Read = (Vec<(ClientSettings, ClientDocument)>, Vec<String>);

impl Text {
    fn of(name: &str, text: &str) -> Self {
        let root = detect_prefix(text).unwrap_or("hallpass");
        let as_list = YamlText::new(name, Secret::new(text));
        // Whoever registers clients is not somebody who may read this machine's files.
        let loader = Loader::new(root).without_files();
        let loader = match as_list.is_list() {
            true => loader.texts([as_list.below(&[root, "issuer", "clients"])]),
            false => loader.text(name, text),
        };
        Self { loader, root }
    }

    /// What it says, where the clients of these numbers in it have these digests.
    fn load<'d>(&self, digests: impl Iterator<Item = (usize, &'d str)>) -> Result<Read, Problems> {
        let root = self.root.to_uppercase();
        let variables = digests.map(|(index, digest)| {
            let name = format!("{root}_ISSUER_CLIENTS_{index}_CLIENT_SECRET_DIGEST");
            (name, digest)
        });
        let loader = self.loader.clone().environment(variables);
        let loaded = loader.load::<Clients>()?;
        let others = loaded.left_alone().to_vec();
        let Clients(clients) = loaded.into_settings();
        Ok((clients, others))
    }
}

/// The number of the client that has no secret, if that is what the problem is about.
fn without_secret(problem: &Problem) -> Option<usize> {
    let path = problem.key_path.strip_suffix("].client-secret")?;
    let (_, number) = path.rsplit_once('[')?;
    let is_absent = problem.message.contains("is required");
    number.parse().ok().filter(|_| is_absent)
}

/// What would be in the store in clear, or is not in the store at all.
fn report_not_kept(section: &Section<'_>, client: &ClientSettings) {
    const IN_CLEAR: &str = "a secret is not stored in clear: leave it out and one is made, or give `client-secret-digest`";
    const A_FILE: &str =
        "a file stays outside the store: use `jwks` or `jwks-url` in place of `jwks-file`";
    match &client.authentication {
        ClientAuthentication::Secret(secrets) => {
            let previous = secrets.previous.as_ref();
            let previous = previous.map(|old| ("previous-client-secret", &old.secret));
            let all = std::iter::once(("client-secret", &secrets.current)).chain(previous);
            for (key, _) in all.filter(|(_, it)| matches!(it, ClientSecret::Clear(_))) {
                section.problem(key, IN_CLEAR);
            }
        }
        ClientAuthentication::PrivateKeyJwt(key) if matches!(key.keys, ClientKeys::File(_)) => {
            section.problem("jwks-file", A_FILE);
        }
        ClientAuthentication::SelfSignedTlsClientAuth(ClientKeys::File(_)) => {
            section.problem("jwks-file", A_FILE);
        }
        ClientAuthentication::PrivateKeyJwt(_)
        | ClientAuthentication::SelfSignedTlsClientAuth(_)
        | ClientAuthentication::TlsClientAuth(_)
        | ClientAuthentication::FederatedJwt(_) => {}
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
