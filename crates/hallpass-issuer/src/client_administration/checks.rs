//! What a registration must be before it is stored, and how it is read back.

use crate::client_administration::kept_secrets::KeptSecrets;
use crate::clients::client_document::ClientDocument;
use crate::clients::client_fault::ClientFault;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::stored_client::{self, NewClient};
use crate::store::client_changes::KeptClient;
use crate::stored_clients::fits;

/// A text with clients: what problems call it, and what it says.
pub(crate) type ClientText<'t> = (&'t str, &'t str);

/// Whether the one client of a text could be registered, as far as its name and the settings tell.
///
/// # Errors
/// [`Error::Registration`], and [`Error::Client`] for one of the configuration.
pub(super) fn check_text(
    settings: &IssuerSettings,
    (name, text): ClientText<'_>,
) -> Result<(), Error> {
    check_use(settings, &read(name, text)?.settings)
}

/// The one client of a text.
///
/// # Errors
/// [`Error::Registration`] with all that is wrong.
pub(super) fn read(name: &str, text: &str) -> Result<NewClient, Error> {
    let read = stored_client::read_new(name, text);
    let read = read.and_then(|clients| stored_client::one(name, clients));
    read.map_err(|problem| Error::Registration {
        client_id: name.to_owned(),
        problem,
    })
}

/// Whether a client fits the settings, and none of theirs has its name.
///
/// # Errors
/// [`Error::Registration`], and [`Error::Client`] for one of the configuration.
pub(super) fn check_use(settings: &IssuerSettings, client: &ClientSettings) -> Result<(), Error> {
    check_not_configured(settings, client.client_id.as_str())?;
    let used = fits(settings, client).map(|_| ());
    used.map_err(|problem| Error::Registration {
        client_id: client.client_id.to_string(),
        problem,
    })
}

/// Whether no client of the configuration has this name.
///
/// # Errors
/// [`Error::Client`] with the place where it stands.
pub(super) fn check_not_configured(
    settings: &IssuerSettings,
    client_id: &str,
) -> Result<(), Error> {
    let mut configured = settings.clients.iter();
    let found = configured.find(|client| client.client_id.as_str() == client_id);
    found.map_or(Ok(()), |client| {
        let place = client.written_at.clone();
        let fault = ClientFault::OfConfiguration { place };
        Err(Error::client(&client.client_id, fault))
    })
}

/// Whether a document says all that was read: what is kept is read again, and a key that got lost on the way could be one that limits the
/// client.
pub(super) fn check_written(
    client: &ClientSettings,
    document: &ClientDocument,
) -> Result<(), Error> {
    let kept = KeptSecrets::of(client).registration(document);
    let again = stored_client::read(client.client_id.as_str(), &kept);
    let mut again = again.map_err(|problem| Error::Registration {
        client_id: client.client_id.to_string(),
        problem,
    })?;
    again.written_at.clone_from(&client.written_at);
    match format!("{again:?}") == format!("{client:?}") {
        true => Ok(()),
        false => Err(Error::Internal {
            operation: "writing down a client",
        }),
    }
}

/// What the store has of a client, read by the parser of the settings.
pub(super) fn read_kept(kept: &KeptClient) -> Result<(ClientSettings, ClientDocument), Error> {
    let read = stored_client::read_whole(&kept.client_id, &kept.registration);
    read.map_err(|problem| Error::Registration {
        client_id: kept.client_id.clone(),
        problem,
    })
}
