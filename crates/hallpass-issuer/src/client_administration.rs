//! What `hallpass client add`, `list` and `remove` do: clients of the store, whether or not an issuer is running on it. A running issuer follows
//! by itself.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_config::{Secret, without_comments};
use hallpass_token::{ClientId, UnixTime};

use crate::clients::secret_digest::SecretDigest;
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::stored_client::{self, Unusable};
use crate::store::Store;
use crate::stored_clients::fits;

/// Most clients that a store has, those of the configuration not counted.
const MAX_CLIENTS: usize = 1_000;

/// A client that was registered in the store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddedClient {
    /// Its name.
    pub client_id: ClientId,
    /// The secret that was made for it, in clear for the only time; `None` where it proves itself otherwise, or the digest of its secret was given.
    pub client_secret: Option<Secret>,
}

/// A client of the store, for a person to look at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredClient {
    /// Its name.
    pub client_id: String,
    /// What it is registered for. `None` for the first client, which the issuer has made itself.
    pub settings: Option<ClientSettings>,
    /// Why it is left out with these settings.
    pub problem: Option<String>,
}

/// Registers the one client of `text`, which has the form of the configuration (`issuer.clients`) and which problems call `name`.
///
/// A client that proves itself by a secret and has none gets one. `show` sees the client before it is stored: the store keeps a digest only. The
/// store is created when there is none. Not stored are secrets in clear, files and comments; what belongs to others is refused.
///
/// # Errors
/// [`Error::Registration`] when the text cannot be used, or the name is taken; [`Error::FirstClientNotShown`] when `show` fails; the errors
/// of opening and writing the store. Nothing is stored then.
pub async fn add_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    (name, text): (&str, &str),
    show: impl FnOnce(&AddedClient) -> std::io::Result<()>,
) -> Result<AddedClient, Error> {
    let (registration, client, client_secret) = read(name, text)?;
    let refused = |problem: String| Error::Registration {
        client_id: client.client_id.to_string(),
        problem,
    };
    fits(settings, &client).map_err(refused)?;
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open(settings.place(), settings.sealing_keys()).await?;
    let added = AddedClient {
        client_id: client.client_id.clone(),
        client_secret,
    };
    let taken = store.client_names().await?;
    if taken.contains(added.client_id.as_str()) {
        return Err(refused(
            "the store has a client of this name: remove that first".to_owned(),
        ));
    }
    if taken.len() >= MAX_CLIENTS {
        return Err(refused(format!(
            "the store has {MAX_CLIENTS} clients, which is the most"
        )));
    }
    show(&added).map_err(|source| Error::FirstClientNotShown { source })?;
    let now = UnixTime::from(clock.now());
    store
        .register_client(&added.client_id, registration, now)
        .await?;
    store.close().await;
    Ok(added)
}

/// The text as it is kept, what it says, and the secret that was made for it.
fn read(
    name: &str,
    text: &str,
) -> Result<(StoredRegistration, ClientSettings, Option<Secret>), Error> {
    let refused = |unusable: Unusable| Error::Registration {
        client_id: name.to_owned(),
        problem: unusable.to_string(),
    };
    let stored = |settings: &str, secret_digest| StoredRegistration {
        settings: settings.to_owned(),
        secret_digest,
    };
    // First as it was written: problems are told with its lines.
    let (secret, digest) = match stored_client::read_new(name, &stored(text, None)) {
        Ok(_) => (None, None),
        // Only then: a digest would go before a secret that the text has in clear.
        Err(Unusable::WithoutSecret) => {
            let (secret, digest) = SecretDigest::generate()?;
            let digest = digest.to_string();
            let with_secret = stored(text, Some(digest.clone()));
            stored_client::read_new(name, &with_secret).map_err(|problem| {
                refused(match problem {
                    // The first entry has a secret now, so another one has none.
                    Unusable::WithoutSecret => stored_client::not_one(name),
                    problem => problem,
                })
            })?;
            (Some(secret), Some(digest))
        }
        Err(unusable) => return Err(refused(unusable)),
    };
    let kept = without_comments(text).ok_or_else(|| Error::Registration {
        client_id: name.to_owned(),
        problem: format!("{name}: must be one YAML document"),
    })?;
    let kept = stored(&kept, digest);
    let client = stored_client::read_new(name, &kept).map_err(refused)?;
    Ok((kept, client, secret))
}

/// The clients of the store, and which of them fit these settings.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn stored_clients(settings: &IssuerSettings) -> Result<Vec<StoredClient>, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let registrations = store.registrations().await?;
    let first = store.clients().await?;
    store.close().await;
    let mut all: Vec<_> = first
        .iter()
        .map(|client| StoredClient {
            client_id: client.client_id.to_string(),
            settings: None,
            problem: None,
        })
        .collect();
    for (client_id, registration) in registrations {
        let read = stored_client::read(&client_id, &registration);
        let problem = match &read {
            Ok(client) => fits(settings, client).err(),
            Err(unusable) => Some(unusable.to_string()),
        };
        all.push(StoredClient {
            client_id,
            settings: read.ok(),
            problem,
        });
    }
    all.sort_by(|one, other| one.client_id.cmp(&other.client_id));
    Ok(all)
}

/// Takes a client out of the store: it gets no token from then on. Those that it has are good until they end, unless they are revoked.
/// `false`: the store had none of this name.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and writing the store.
pub async fn remove_client(settings: &IssuerSettings, client_id: &str) -> Result<bool, Error> {
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let removed = store.remove_client(client_id).await?;
    store.close().await;
    Ok(removed)
}
