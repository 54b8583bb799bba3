//! Registrations that differ in the name of the client and in its secret alone are parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use hallpass_token::ClientId;

use crate::clients::secret_digest::SecretDigest;
use crate::clients::stored_registration::StoredRegistration;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::client::secrets::{ClientSecret, ClientSecrets};
use crate::settings::stored_client;

/// Most forms that are kept, of those that were read first.
const MAX_TEMPLATES: usize = 10_000;
/// What stands before the name of a client in a text, and after it.
const BEFORE_NAME: &str = "\"client-id\":\"";
const AFTER_NAME: char = '"';
/// Longest name that is cut out.
const MAX_NAME: usize = 128;

/// Forms of registrations, by their text without the name.
#[derive(Debug, Default)]
pub(super) struct Templates(HashMap<String, Arc<Template>>);

/// What all registrations of one form say.
#[derive(Debug)]
pub(super) struct Template {
    client: ClientSettings,
    secrets: ClientSecrets,
    /// Why such a client cannot be used with the present settings, whatever it is called.
    problem: Option<String>,
}

impl Templates {
    /// With other settings nothing is known any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What `stored` says. `fits` says why it cannot be used with the settings, whatever its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        &mut self,
        settings: &IssuerSettings,
        (id, stored): (&ClientId, &StoredRegistration),
        fits: impl Fn(&IssuerSettings, &ClientSettings) -> Result<(), String>,
    ) -> Result<ClientSettings, String> {
        let form = form(id.as_str(), stored);
        let known = form.as_ref().and_then(|form| self.0.get(form));
        if let Some(known) = known
            && let Some(client) = known.client_of(id, stored)
        {
            return match &known.problem {
                None => Ok(client),
                Some(problem) => Err(problem.clone()),
            };
        }
        let client = stored_client::read(id.as_str(), stored)?;
        let problem = fits(settings, &client).err();
        if let Some(form) = form
            && self.0.len() < MAX_TEMPLATES
            && let Some(template) = Template::of(&client, problem.clone())
        {
            self.0.insert(form, Arc::new(template));
        }
        problem.map_or(Ok(client), Err)
    }
}

impl Template {
    /// `None` for a client that has more of its own than its name and one digest.
    fn of(client: &ClientSettings, problem: Option<String>) -> Option<Self> {
        let ClientAuthentication::Secret(secrets) = &client.authentication else {
            return None;
        };
        let is_of_digest = matches!(secrets.current, ClientSecret::Digest(_));
        let has_more = secrets.previous.is_some() || client.certificate.is_some();
        (is_of_digest && !has_more).then(|| Self {
            client: client.clone(),
            secrets: secrets.clone(),
            problem,
        })
    }

    /// `None` when the digest cannot be read: what is wrong with it is said by the parser.
    fn client_of(&self, id: &ClientId, stored: &StoredRegistration) -> Option<ClientSettings> {
        let digest: SecretDigest = stored.secret_digest.as_ref()?.parse().ok()?;
        Some(ClientSettings {
            client_id: id.clone(),
            authentication: ClientAuthentication::Secret(ClientSecrets {
                current: ClientSecret::Digest(digest),
                ..self.secrets.clone()
            }),
            // It stands in the store alone.
            written_at: String::new(),
            ..self.client.clone()
        })
    }
}

/// The text without the name, with the kind of the digest beside it; `None` where the name stands elsewhere too, or is not a plain one: nothing in
/// it may mean anything to a parser.
fn form(id: &str, stored: &StoredRegistration) -> Option<String> {
    let digest = stored.secret_digest.as_ref()?;
    let (kind, _) = digest.strip_prefix('$')?.split_once('$')?;
    let is_plain = id.len() <= MAX_NAME
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_plain {
        return None;
    }
    let (before, after) = stored.settings.split_once(id)?;
    let is_name = before.ends_with(BEFORE_NAME) && after.starts_with(AFTER_NAME);
    (is_name && !after.contains(id)).then(|| format!("{kind}\0{before}\0{after}"))
}
