//! From the checked settings to what this crate works with.

use std::time::Duration;

use hallpass_config::{IssuerSettings, RegisteredClient, SecretKind};
use hallpass_token::Algorithm;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::clients::secret::LiveSecret;
use crate::error::Error;
use crate::store::{Store, StoredClient};

/// The store that the settings name.
pub(crate) async fn open_store(settings: &IssuerSettings) -> Result<Store, Error> {
    let key_encryption_key = settings
        .key_encryption_key
        .as_ref()
        .map(hallpass_config::Secret::expose);
    Store::open(&settings.store, key_encryption_key).await
}

/// What new tokens are signed with.
pub(crate) fn algorithm(settings: &IssuerSettings) -> Result<Algorithm, Error> {
    settings
        .algorithm
        .as_str()
        .parse()
        .map_err(|_| Error::Internal {
            operation: "reading the algorithm's name",
        })
}

/// How long the key set and the metadata may be kept.
pub(crate) fn jwks_cache_control(settings: &IssuerSettings) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(format!(
        "public, max-age={}",
        settings.jwks_max_age.as_secs()
    ))
    .map_err(|_| Error::Internal {
        operation: "writing Cache-Control",
    })
}

/// The clients of the settings, their secrets hashed.
///
/// A secret that a person chose costs some 16 ms of a core, each time the settings are read; all cores share the work.
pub(crate) async fn registrations(settings: &IssuerSettings) -> Result<Vec<StoredClient>, Error> {
    let token_life = settings.token_life;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = settings.clients.len().div_ceil(cores).max(1);
    // Every share is one thread at most: a thread per client would take 19 MiB for each of them at once.
    let shares: Vec<_> = settings
        .clients
        .chunks(share)
        .map(|clients| {
            let clients = clients.to_vec();
            let hash = move || {
                clients
                    .into_iter()
                    .map(|client| registration(client, token_life))
                    .collect()
            };
            tokio::task::spawn_blocking(hash)
        })
        .collect();
    let mut registrations = Vec::with_capacity(settings.clients.len());
    for share in shares {
        let hashed: Result<Vec<StoredClient>, Error> =
            share.await.map_err(|_| Error::Internal {
                operation: "hashing the client secrets",
            })?;
        registrations.extend(hashed?);
    }
    Ok(registrations)
}

fn registration(client: RegisteredClient, token_life: Duration) -> Result<StoredClient, Error> {
    let secret = Zeroizing::new(client.client_secret.expose().to_owned());
    let hashed = match client.secret_kind {
        SecretKind::Generated => LiveSecret::digest(&secret).ok_or_else(|| Error::Registration {
            client_id: client.client_id.clone(),
            problem: "a generated secret has at least 32 characters; for a shorter one use secret-kind: chosen".into(),
        })?,
        SecretKind::Chosen => LiveSecret::hash(&secret)?,
    };
    Ok(StoredClient {
        scope: client.scopes.join(" "),
        audiences: client.audiences,
        grants: client
            .grant_types
            .iter()
            .map(|grant| grant.as_str().to_owned())
            .collect(),
        token_life: client.token_life.unwrap_or(token_life),
        secrets: vec![hashed],
        client_id: client.client_id,
    })
}
