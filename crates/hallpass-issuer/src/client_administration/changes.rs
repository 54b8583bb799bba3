//! The one model of changes of clients of the store, behind the command line and whoever else administers an issuer.
//!
//! A change is prepared from what the store has, can be shown, and is made by [`commit`](ClientAdministration::commit): of that very state of the client
//! and of no other, so that nobody undoes what somebody else did meanwhile. An issuer that runs on the store sees what other processes write by
//! itself; what it writes itself counts once it has refreshed its core.

use std::collections::HashMap;
use std::time::Duration;

use hallpass_token::{ClientId, Revocation, RevocationDigest, RevocationKind, UnixTime};
use serde_json::Value;

use crate::client_administration::checks::{
    ClientText, check_not_configured, check_use, check_written, read, read_kept,
};
use crate::client_administration::kept_secrets::KeptSecrets;
use crate::client_administration::prepared::{PreparedChange, SecretRotation};
use crate::client_administration::view::StoredClient;
use crate::clients::client_document::ClientDocument;
use crate::clients::client_fault::ClientFault;
use crate::clients::revision::Revision;
use crate::clients::secret_digest::SecretDigest;
use crate::deny_list;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::stored_client::{self, NewClient};
use crate::store::Store;
use crate::store::client_changes::{ClientChange, KeptClient};
use crate::uses::SecretUse;

const ENABLED: &str = "enabled";
/// How long after a change tokens may still be issued by what there was before: the change waits for its turn and is committed after its moment was
/// taken, and another issuer on the same store learns of it at its next look, a fifth of a second later. Clocks of issuers differ by a little, too.
///
/// What it costs: who is enabled again or registered anew within these seconds gets tokens that are refused, until it asks again after them. A
/// client that stays disabled or deleted gets none in any case, and a secret that is followed by another one ends no tokens.
const UNTIL_IT_COUNTS: Duration = Duration::from_secs(5);

/// The clients of a store, for who changes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAdministration<'a> {
    settings: &'a IssuerSettings,
    store: &'a Store,
    now: UnixTime,
}

impl<'a> ClientAdministration<'a> {
    pub(crate) const fn new(settings: &'a IssuerSettings, store: &'a Store, now: UnixTime) -> Self {
        Self {
            settings,
            store,
            now,
        }
    }

    /// At most `most` clients whose names come after `after`, in the order of their names.
    ///
    /// # Errors
    /// Those of reading the store.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<StoredClient>, Error> {
        let mut kept = self.store.kept_clients().await?;
        kept.retain(|kept| after.is_none_or(|after| kept.client_id.as_str() > after));
        kept.sort_by(|one, other| one.client_id.cmp(&other.client_id));
        kept.truncate(most);
        let mut uses: HashMap<String, Vec<SecretUse>> = HashMap::new();
        for it in self.store.secret_uses(None).await? {
            uses.entry(it.client_id.clone()).or_default().push(it);
        }
        let client = |kept: &KeptClient| {
            let uses = uses.get(&kept.client_id);
            let uses = uses.map(Vec::as_slice).unwrap_or_default();
            StoredClient::of(kept, self.settings, uses)
        };
        Ok(kept.iter().map(client).collect())
    }

    /// The client of this name.
    ///
    /// # Errors
    /// [`Error::Client`] when the store has none, and those of reading it.
    pub(crate) async fn show(&self, client_id: &str) -> Result<StoredClient, Error> {
        let kept = self.kept(client_id).await?;
        let uses = self.store.secret_uses(Some(client_id)).await?;
        Ok(StoredClient::of(&kept, self.settings, &uses))
    }

    /// To register the one client of `text`. One that proves itself by a secret and has no digest of one gets a secret.
    ///
    /// # Errors
    /// [`Error::Registration`] for what cannot be used, [`Error::Client`] when the name is taken, and those of reading the store.
    pub(crate) async fn prepare_add(
        &self,
        (name, text): ClientText<'_>,
    ) -> Result<PreparedChange, Error> {
        let new = read(name, text)?;
        check_use(self.settings, &new.settings)?;
        let id = &new.settings.client_id;
        match self.store.kept_client(id.as_str()).await? {
            Some(_) => Err(Error::client(id, ClientFault::Taken)),
            None => self.prepare_new(new, None),
        }
    }

    /// To replace what the client of `text` is registered for, all of it. It keeps its secrets, unless the text has digests, or the client
    /// proves itself otherwise from then on.
    ///
    /// # Errors
    /// As [`prepare_add`](Self::prepare_add), and [`Error::Client`] when the store has no such client, or it is not in the state `expected`.
    pub(crate) async fn prepare_set(
        &self,
        (name, text): ClientText<'_>,
        expected: Option<Revision>,
    ) -> Result<PreparedChange, Error> {
        let new = read(name, text)?;
        let kept = self.expected(new.settings.client_id.as_str(), expected);
        let kept = kept.await?;
        check_use(self.settings, &new.settings)?;
        self.prepare_new(new, Some(&kept))
    }

    /// To give a client a new secret, which is made here. The present one counts beside it for as long as `rotation` says.
    ///
    /// # Errors
    /// [`Error::Client`] when there is no such client, it has no secret, it is not in the state `expected`, or has two that count.
    pub(crate) async fn prepare_rotation(
        &self,
        client_id: &str,
        rotation: SecretRotation,
        expected: Option<Revision>,
    ) -> Result<PreparedChange, Error> {
        let kept = self.expected(client_id, expected).await?;
        let (client, document) = read_kept(&kept)?;
        let fault = |fault| Err(Error::client(&client.client_id, fault));
        let secrets = KeptSecrets::of(&client).live(self.now);
        let Some(current) = secrets.current else {
            return fault(ClientFault::NoSecret);
        };
        if let Some((_, until)) = secrets.previous
            && !rotation.end_previous
        {
            return fault(ClientFault::TwoSecrets { until });
        }
        let (secret, digest) = SecretDigest::generate()?;
        let life = rotation.old_lives_for.min(SecretRotation::LONGEST);
        let until = (!life.is_zero()).then(|| self.now.saturating_add(life));
        let rotated = KeptSecrets {
            current: Some(digest),
            previous: until.map(|until| (current, until)),
        };
        // A kind that was said of a secret that a person chose is not one of this secret.
        let document = document.with("secret-kind", None);
        let mut prepared = self.change(&kept, Some((document, rotated)))?;
        prepared.secret = Some(secret);
        Ok(prepared)
    }

    /// To let a client get tokens, or none. What it has got ends with its being disabled, unless `keeps_tokens`.
    ///
    /// # Errors
    /// [`Error::Client`] when there is no such client, or it is not in the state `expected`.
    pub(crate) async fn prepare_enabling(
        &self,
        client_id: &str,
        (is_enabled, keeps_tokens): (bool, bool),
        expected: Option<Revision>,
    ) -> Result<PreparedChange, Error> {
        let kept = self.expected(client_id, expected).await?;
        let (client, document) = read_kept(&kept)?;
        let document = document.with(ENABLED, (!is_enabled).then_some(Value::Bool(false)));
        let secrets = KeptSecrets::of(&client).live(self.now);
        let mut prepared = self.change(&kept, Some((document, secrets)))?;
        prepared.ends_tokens = !is_enabled && !keeps_tokens;
        Ok(prepared)
    }

    /// To take a client out of the store. What it has got ends with it, unless `keeps_tokens`.
    ///
    /// # Errors
    /// As [`prepare_enabling`](Self::prepare_enabling).
    pub(crate) async fn prepare_deletion(
        &self,
        client_id: &str,
        keeps_tokens: bool,
        expected: Option<Revision>,
    ) -> Result<PreparedChange, Error> {
        let kept = self.expected(client_id, expected).await?;
        let mut prepared = self.prepare_removal(&kept)?;
        prepared.ends_tokens = !keeps_tokens;
        Ok(prepared)
    }

    /// To take `kept` out of the store, and what it has got.
    ///
    /// # Errors
    /// [`Error::Internal`] for a name that no client can have.
    pub(super) fn prepare_removal(&self, kept: &KeptClient) -> Result<PreparedChange, Error> {
        let mut prepared = self.change(kept, None)?;
        prepared.ends_tokens = true;
        Ok(prepared)
    }

    /// Every client of the store as it is kept.
    ///
    /// # Errors
    /// Those of reading the store.
    pub(super) async fn kept_clients(&self) -> Result<Vec<KeptClient>, Error> {
        self.store.kept_clients().await
    }

    /// Those of these that the store has.
    pub(super) async fn kept_named(
        &self,
        client_ids: impl Iterator<Item = &ClientId>,
    ) -> Result<Vec<KeptClient>, Error> {
        self.store.kept_named(client_ids).await
    }

    /// What the clients must fit.
    pub(super) const fn settings(&self) -> &IssuerSettings {
        self.settings
    }

    /// Makes all of `changes` in one transaction, or none.
    ///
    /// # Errors
    /// [`Error::Client`] when somebody else has changed one of the clients since, and those of writing the store.
    pub(crate) async fn commit(&self, changes: Vec<PreparedChange>) -> Result<(), Error> {
        let changes = changes.into_iter().filter(|change| !change.is_nothing());
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return Ok(());
        }
        // First what makes room.
        let (gone, others): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|it| it.change.to.is_none());
        let changes: Vec<_> = gone.into_iter().chain(others).collect();
        let ended = changes.iter().filter(|change| change.ends_tokens);
        let ended = ended.map(|change| all_until_now(&change.client_id, self.now));
        let ended: Vec<_> = ended.collect();
        let changes = changes.into_iter().map(|change| change.change).collect();
        self.store.change_clients(changes, &ended, self.now).await
    }

    /// What becomes of `kept`, or of nothing, by `new`, which fits the settings.
    ///
    /// # Errors
    /// [`Error::Registration`] where the store has what cannot be read any more.
    pub(super) fn prepare_new(
        &self,
        new: NewClient,
        kept: Option<&KeptClient>,
    ) -> Result<PreparedChange, Error> {
        let NewClient {
            settings: client,
            document,
            lacks_secret,
        } = new;
        check_written(&client, &document)?;
        let has_secret = matches!(client.authentication, ClientAuthentication::Secret(_));
        let before = kept.map(read_kept).transpose()?;
        let before = before.map(|(client, _)| KeptSecrets::of(&client).live(self.now));
        let (secrets, secret) = match (has_secret, lacks_secret, before) {
            (false, _, _) => (KeptSecrets::default(), None),
            (true, false, _) => (KeptSecrets::of(&client), None),
            (true, true, Some(before)) if before.current.is_some() => (before, None),
            (true, true, _) => {
                let (secret, digest) = SecretDigest::generate()?;
                let made = KeptSecrets {
                    current: Some(digest),
                    previous: None,
                };
                (made, Some(secret))
            }
        };
        let mut prepared = match kept {
            Some(kept) => self.change(kept, Some((document, secrets)))?,
            None => added(&client, document, &secrets),
        };
        prepared.secret = secret;
        Ok(prepared)
    }

    /// `kept` with another registration, or taken away.
    fn change(
        &self,
        kept: &KeptClient,
        to: Option<(ClientDocument, KeptSecrets)>,
    ) -> Result<PreparedChange, Error> {
        let client_id = checked_id(&kept.client_id)?;
        let read = read_kept(kept);
        let (before, secrets_before) = match &read {
            Ok((client, document)) => {
                let secrets = KeptSecrets::of(client).live(self.now);
                (Some(document.clone()), secrets.entries())
            }
            // What cannot be read any more can still be taken away.
            Err(_) if to.is_none() => (None, Vec::new()),
            Err(_) => return Err(read.err().unwrap_or_else(|| defect("reading a client"))),
        };
        let (after, secrets) = to.unzip();
        let registration = match (&after, &secrets) {
            (Some(document), Some(secrets)) => Some(secrets.registration(document)),
            _ => None,
        };
        if let Some(registration) = &registration {
            stored_client::read(&kept.client_id, registration).map_err(|problem| {
                Error::Registration {
                    client_id: kept.client_id.clone(),
                    problem,
                }
            })?;
        }
        let secrets_after = secrets.as_ref().map(KeptSecrets::entries);
        Ok(PreparedChange {
            changes_secrets: secrets_after.is_some_and(|after| after != secrets_before),
            previous_until: secrets.and_then(|it| it.previous).map(|(_, until)| until),
            before,
            after,
            ..PreparedChange::of(ClientChange {
                client_id,
                from: Some(kept.revision),
                to: registration,
            })
        })
    }

    async fn expected(
        &self,
        client_id: &str,
        expected: Option<Revision>,
    ) -> Result<KeptClient, Error> {
        let kept = self.kept(client_id).await?;
        match expected.is_none_or(|expected| expected == kept.revision) {
            true => Ok(kept),
            false => Err(Error::Client {
                client_id: client_id.to_owned(),
                fault: ClientFault::Changed,
            }),
        }
    }

    async fn kept(&self, client_id: &str) -> Result<KeptClient, Error> {
        if let Some(kept) = self.store.kept_client(client_id).await? {
            return Ok(kept);
        }
        check_not_configured(self.settings, client_id)?;
        Err(Error::Client {
            client_id: client_id.to_owned(),
            fault: ClientFault::Unknown,
        })
    }
}

/// A client that was not there.
fn added(
    client: &ClientSettings,
    document: ClientDocument,
    secrets: &KeptSecrets,
) -> PreparedChange {
    let change = ClientChange {
        client_id: client.client_id.clone(),
        from: None,
        to: Some(secrets.registration(&document)),
    };
    PreparedChange {
        after: Some(document),
        previous_until: secrets.previous.as_ref().map(|(_, until)| *until),
        ..PreparedChange::of(change)
    }
}

fn checked_id(client_id: &str) -> Result<ClientId, Error> {
    client_id
        .parse()
        .map_err(|_| defect("reading the name of a client"))
}

const fn defect(operation: &'static str) -> Error {
    Error::Internal { operation }
}

/// Takes back the tokens that a client has got until now, and with them what follows from its refresh tokens.
fn all_until_now(client_id: &ClientId, now: UnixTime) -> Revocation {
    let kind = RevocationKind::Client;
    Revocation {
        kind,
        digest: RevocationDigest::new(kind, client_id.as_str()),
        issued_before: Some(now.saturating_add(UNTIL_IT_COUNTS)),
        ends_at: deny_list::end_of_all_until(now),
    }
}
