//! A client of the store, for a person or a program to look at.

use crate::client_administration::kept_secrets::KeptSecrets;
use crate::clients::client_document::ClientDocument;
use crate::clients::revision::Revision;
use crate::clients::secret_digest::SecretDigest;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::stored_client;
use crate::store::client_changes::KeptClient;
use crate::stored_clients::fits;
use crate::uses::SecretUse;

/// A client of the store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredClient {
    /// Its name.
    pub client_id: String,
    /// Which state of it this is.
    pub revision: Revision,
    /// What it is registered for; no secret and no digest. `None` where the store has what cannot be read any more.
    pub document: Option<ClientDocument>,
    /// The same as the issuer takes it.
    pub settings: Option<ClientSettings>,
    /// Whether the issuer has made it itself at its first start, and nobody has changed it since.
    pub is_first: bool,
    /// When it was registered, in seconds since 1970.
    pub created_at: u64,
    /// Its secrets, the present one first; none where it proves itself otherwise.
    pub secrets: Vec<StoredSecret>,
    /// Why the issuer leaves it out with these settings.
    pub problem: Option<String>,
}

/// A secret of a client of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSecret {
    /// Whether a person may have chosen it.
    pub is_chosen: bool,
    /// When it ends, in seconds since 1970; `None` for the present one.
    pub until: Option<u64>,
    /// When it was used last, in seconds since 1970, as far as a running issuer has written it down: to the day, of one that ends to the minute.
    /// `None`: never, or not in the last 400 days.
    pub last_used: Option<u64>,
}

impl StoredClient {
    /// What `kept` is under `settings`; `uses` say when its secrets were used.
    pub(super) fn of(kept: &KeptClient, settings: &IssuerSettings, uses: &[SecretUse]) -> Self {
        let read = stored_client::read_whole(&kept.client_id, &kept.registration);
        let problem = match &read {
            Ok((client, _)) => fits(settings, client).err(),
            Err(problem) => Some(problem.clone()),
        };
        let (client, document) = read.ok().unzip();
        Self {
            client_id: kept.client_id.clone(),
            revision: kept.revision,
            secrets: client
                .as_ref()
                .map(|client| secrets(client, uses))
                .unwrap_or_default(),
            document,
            settings: client,
            is_first: kept.is_first,
            created_at: kept.created_at,
            problem,
        }
    }

    /// Whether it gets tokens, as far as it says itself.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.settings.as_ref().is_some_and(|client| client.enabled)
    }
}

fn secrets(client: &ClientSettings, uses: &[SecretUse]) -> Vec<StoredSecret> {
    let last_used = |digest: &SecretDigest| {
        let mark = digest.to_live().mark()?;
        let is_it =
            |it: &&SecretUse| it.secret == mark && it.client_id == client.client_id.as_str();
        Some(uses.iter().find(is_it)?.used_at.as_secs())
    };
    let KeptSecrets { current, previous } = KeptSecrets::of(client);
    let current = current.map(|digest| (digest, None));
    let previous = previous.map(|(digest, until)| (digest, Some(until.as_secs())));
    let secret = |(digest, until): (SecretDigest, _)| StoredSecret {
        is_chosen: digest.is_of_chosen(),
        until,
        last_used: last_used(&digest),
    };
    current.into_iter().chain(previous).map(secret).collect()
}
