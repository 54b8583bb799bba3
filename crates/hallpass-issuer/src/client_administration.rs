//! What `hallpass client ...` does: clients of the store, whether or not an issuer is running on it. A running issuer follows by itself.

pub(crate) mod changes;
mod checks;
pub(crate) mod edges;
pub(crate) mod exported;
mod kept_secrets;
pub(crate) mod plan;
pub(crate) mod prepared;
pub(crate) mod view;

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_token::{ClientId, UnixTime};

use crate::client_administration::changes::ClientAdministration;
use crate::client_administration::edges::EdgeReport;
use crate::client_administration::exported::ExportedClients;
use crate::client_administration::plan::{ApplyOptions, ClientPlan};
use crate::client_administration::prepared::{PreparedChange, SecretRotation};
use crate::client_administration::view::StoredClient;
use crate::clients::client_document::KeyChange;
use crate::clients::revision::Revision;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::store::Store;

/// A client that was registered in the store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddedClient {
    /// Its name.
    pub client_id: ClientId,
    /// The secret that was made for it, in clear for the only time; `None` where it proves itself otherwise, or the digest of its secret was given.
    pub client_secret: Option<Secret>,
}

/// A change of a client of the store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ClientChangeRequest<'r> {
    /// Replaces what it is registered for by the one client of a text, which problems call by the first of the two. It keeps its secrets.
    Set {
        /// What problems call the text, and the text.
        text: (&'r str, &'r str),
    },
    /// Gives it a new secret.
    RotateSecret {
        /// Its name.
        client_id: &'r str,
        /// What becomes of the present one.
        rotation: SecretRotation,
    },
    /// Lets it get no token any more, and takes back what it has.
    Disable {
        /// Its name.
        client_id: &'r str,
        /// Leaves what it has got until its end.
        keeps_tokens: bool,
    },
    /// Lets it get tokens again.
    Enable {
        /// Its name.
        client_id: &'r str,
    },
    /// Takes it out of the store, and takes back what it has.
    Delete {
        /// Its name.
        client_id: &'r str,
        /// Leaves what it has got until its end.
        keeps_tokens: bool,
    },
}

/// A change that was made, or that is about to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientChanged {
    /// Whose.
    pub client_id: ClientId,
    /// Which keys of its registration are other ones; none where secrets alone have changed.
    pub keys: Vec<KeyChange>,
    /// Whether there was nothing to change.
    pub is_nothing: bool,
    /// The secret that was made for it, in clear for the only time.
    pub client_secret: Option<Secret>,
    /// Until when the secret before that one counts, in seconds since 1970.
    pub previous_until: Option<u64>,
}

/// Registers the one client of `text`, which has the form of the configuration (`issuer.clients`) or is that list itself, and which problems
/// call `name`.
///
/// A client that proves itself by a secret and has none gets one. `show` sees the client before it is stored: the store keeps a digest only. The
/// store is created when there is none. Not stored are secrets in clear, files and comments; what belongs to others is refused.
///
/// # Errors
/// [`Error::Registration`] when the text cannot be used, [`Error::Client`] when the name is taken; [`Error::FirstClientNotShown`] when `show`
/// fails; the errors of opening and writing the store. Nothing is stored then.
pub async fn add_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    text: (&str, &str),
    show: impl FnOnce(&AddedClient) -> std::io::Result<()>,
) -> Result<AddedClient, Error> {
    // Before a store is made for it.
    checks::check_text(settings, text)?;
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let mut prepared = clients.prepare_add(text).await?;
    let added = AddedClient {
        client_id: prepared.client_id.clone(),
        client_secret: prepared.secret.take(),
    };
    show(&added).map_err(|source| Error::FirstClientNotShown { source })?;
    clients.commit(vec![prepared]).await?;
    store.close().await;
    Ok(added)
}

/// Changes a client of the store. `show` sees what is about to happen, a new secret among it, before it does: the store keeps a digest only.
/// With `expected` nothing is changed unless the client is in that very state.
///
/// # Errors
/// [`Error::Registration`] for a text that cannot be used; [`Error::Client`] when the store has no such client, it is in another state, stands
/// in the configuration, or cannot be changed so; [`Error::FirstClientNotShown`] when `show` fails; [`Error::StoreMissing`], and those of opening
/// and writing the store. Nothing is changed then.
pub async fn change_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    request: ClientChangeRequest<'_>,
    expected: Option<Revision>,
    show: impl FnOnce(&ClientChanged) -> std::io::Result<()>,
) -> Result<ClientChanged, Error> {
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let prepared = prepare(&clients, request, expected).await?;
    let changed = changed(&prepared);
    show(&changed).map_err(|source| Error::FirstClientNotShown { source })?;
    clients.commit(vec![prepared]).await?;
    store.close().await;
    Ok(changed)
}

async fn prepare(
    clients: &ClientAdministration<'_>,
    request: ClientChangeRequest<'_>,
    expected: Option<Revision>,
) -> Result<PreparedChange, Error> {
    use ClientChangeRequest::{Delete, Disable, Enable, RotateSecret, Set};
    match request {
        Set { text } => clients.prepare_set(text, expected).await,
        RotateSecret {
            client_id,
            rotation,
        } => {
            clients
                .prepare_rotation(client_id, rotation, expected)
                .await
        }
        Disable {
            client_id,
            keeps_tokens,
        } => {
            let disabled = clients.prepare_enabling(client_id, (false, keeps_tokens), expected);
            disabled.await
        }
        Enable { client_id } => {
            let enabled = clients.prepare_enabling(client_id, (true, true), expected);
            enabled.await
        }
        Delete {
            client_id,
            keeps_tokens,
        } => {
            clients
                .prepare_deletion(client_id, keeps_tokens, expected)
                .await
        }
    }
}

fn changed(prepared: &PreparedChange) -> ClientChanged {
    let keys = match (&prepared.before, &prepared.after) {
        (Some(before), Some(after)) => before.changes_to(after),
        _ => Vec::new(),
    };
    ClientChanged {
        client_id: prepared.client_id.clone(),
        keys,
        is_nothing: prepared.is_nothing(),
        client_secret: prepared.secret.clone(),
        previous_until: prepared.previous_until.map(UnixTime::as_secs),
    }
}

/// The clients of the store, and which of them fit these settings.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn stored_clients(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<StoredClient>, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let all = clients.page(None, usize::MAX).await;
    store.close().await;
    all
}

/// The client of the store that has this name.
///
/// # Errors
/// [`Error::Client`] when there is none; [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn stored_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    client_id: &str,
) -> Result<StoredClient, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let client = clients.show(client_id).await;
    store.close().await;
    client
}

/// The clients of the store called `client_ids`, or all of them, in the form of the configuration; with the digests of their secrets when that is
/// wanted.
///
/// # Errors
/// [`Error::Client`] when one is not there; [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn exported_clients(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    client_ids: &[String],
    with_digests: bool,
) -> Result<ExportedClients, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let exported = ExportedClients::of(&clients, client_ids, with_digests).await;
    store.close().await;
    exported
}

/// What has to change for the store to have the clients of all `texts` as these say, of which each is called by the first of the two. Nothing is changed.
///
/// # Errors
/// [`Error::Clients`] with all that is wrong in any of the texts, [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn plan_clients(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    texts: &[(String, Secret)],
    options: ApplyOptions,
) -> Result<ClientPlan, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let wanted = plan::read_all(&clients, texts)?;
    let prepared = plan::prepare(&clients, wanted, options).await;
    store.close().await;
    prepared.map(|prepared| prepared.plan)
}

/// Makes the store have the clients of all `texts` as these say, in one transaction. `show` sees the plan before, with the secrets that were made.
///
/// # Errors
/// As [`plan_clients`]; [`Error::Client`] when somebody else has changed one of the clients since the plan was made;
/// [`Error::FirstClientNotShown`] when `show` fails, and those of writing the store. Nothing is changed then.
pub async fn apply_clients(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    texts: &[(String, Secret)],
    options: ApplyOptions,
    show: impl FnOnce(&ClientPlan) -> std::io::Result<()>,
) -> Result<ClientPlan, Error> {
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let clients = ClientAdministration::new(settings, &store, UnixTime::from(clock.now()));
    let wanted = plan::read_all(&clients, texts)?;
    let prepared = plan::prepare(&clients, wanted, options).await?;
    show(&prepared.plan).map_err(|source| Error::FirstClientNotShown { source })?;
    clients.commit(prepared.changes).await?;
    store.close().await;
    Ok(prepared.plan)
}

/// Who may call whom with which scopes, of the clients of the settings and of the store, and what was used of it. What was not used for `unused_for` is
/// advised to be taken away, once uses are noted for as long.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn edge_report(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    unused_for: Duration,
) -> Result<EdgeReport, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let now = UnixTime::from(clock.now());
    let clients = ClientAdministration::new(settings, &store, now);
    let stored = clients.page(None, usize::MAX).await?;
    let kept = store.edge_uses().await?;
    store.close().await;
    let stored = stored.iter().filter(|client| client.problem.is_none());
    let stored =
        stored.filter_map(|client| Some((client.settings.as_ref()?, Some(client.created_at))));
    let configured = settings.clients.iter().map(|client| (client, None));
    let all: Vec<_> = configured.chain(stored).collect();
    Ok(EdgeReport::of(&all, &kept, (now, unused_for)))
}
