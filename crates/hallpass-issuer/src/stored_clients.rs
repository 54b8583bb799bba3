//! The clients of the store beside those of the settings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hallpass_token::ClientId;

use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client_certificates;
use crate::settings::listener_tls::unmet_need;
use crate::settings::profile;
use crate::settings::stored_client;
use crate::store::Store;

/// What was read before: a text is parsed once, and what is wrong is said once, however often the store changes.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    read: BTreeMap<StoredRegistration, Result<ClientSettings, String>>,
    /// Why clients are left out, by their names.
    left_out: BTreeMap<String, String>,
}

/// `settings` with the clients that are registered in the store.
///
/// One that does not fit the settings any more, such as one whose rules name an issuer that is not trusted now, is left out, and the log
/// says so: the others go on, and so does all else that is read from the store.
pub(crate) async fn with_stored<'s>(
    settings: &'s IssuerSettings,
    store: &Store,
    parsed: &mut Parsed,
) -> Result<Cow<'s, IssuerSettings>, Error> {
    let stored = store.registrations().await?;
    let mut before = std::mem::take(parsed);
    if stored.is_empty() {
        return Ok(Cow::Borrowed(settings));
    }
    let mut all = settings.clone();
    for (id, registration) in stored {
        let known = before.read.remove(&registration);
        let read = known.unwrap_or_else(|| stored_client::read(&id, &registration));
        let usable = read.as_ref().map_err(Clone::clone);
        match usable.and_then(|client| fits(settings, client)) {
            Ok(client) => all.clients.push(client.clone()),
            Err(problem) => {
                if before.left_out.get(&id) != Some(&problem) {
                    tracing::error!(client_id = id, problem, "a client of the store is left out");
                }
                parsed.left_out.insert(id, problem);
            }
        }
        parsed.read.insert(registration, read);
    }
    Ok(Cow::Owned(all))
}

/// The client, where nobody of the settings has its name, those that its rules name are trusted, and nothing that is demanded of a client
/// of the settings beside its own keys is missing: what is not found here would be found when all clients are put together, and then
/// nothing of the store could be followed any more, revocations neither.
///
/// # Errors
/// What is in the way.
pub(crate) fn fits<'c>(
    settings: &IssuerSettings,
    client: &'c ClientSettings,
) -> Result<&'c ClientSettings, String> {
    let id = &client.client_id;
    if settings.clients.iter().any(|it| it.client_id == *id) {
        return Err("a client of this name stands in the configuration".to_owned());
    }
    if let Some(name) = subjects_like(settings, id) {
        return Err(format!(
            "subjects of the trusted issuer `{name}` are called so"
        ));
    }
    let trusted = &settings.trusted_issuers;
    stored_client::check_issuers(client, &settings.name, trusted)?;
    let of_profile = profile::problems(client, settings.algorithm, &settings.audiences);
    let of_listener = unmet_need(client, settings.tls.as_ref());
    let of_listener = of_listener.map(|(key, message)| (key, message.to_owned()));
    let of_ca = client_certificates::unmet_need(client, settings.ca.as_ref());
    let problems: Vec<_> = of_profile
        .into_iter()
        .chain(of_listener)
        .chain(of_ca)
        .map(|(key, message)| format!("{key} {message}"))
        .collect();
    match problems.is_empty() {
        true => Ok(client),
        false => Err(problems.join("; ")),
    }
}

fn subjects_like<'s>(settings: &'s IssuerSettings, id: &ClientId) -> Option<&'s str> {
    let mut names = settings.trusted_issuers.iter().map(|it| it.name.as_str());
    names.find(|name| {
        let rest = id.as_str().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('|'))
    })
}
