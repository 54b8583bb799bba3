//! The first client of an issuer that was started without any.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_config::{IssuerSettings, Secret};
use hallpass_token::UnixTime;

use crate::CLIENT_CREDENTIALS;
use crate::clients::secret::{LiveSecret, generate};
use crate::error::Error;
use crate::settings;
use crate::store::StoredClient;

/// The id of the first client: the one of the published example configuration.
const CLIENT_ID: &str = "internal-service-client";
const SCOPE: &str = "internal-service";
const AUDIENCE: &str = "service-system";

/// A client that was just created, with its secret in clear for the only time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirstClient {
    /// `internal-service-client`.
    pub client_id: String,
    /// Its generated secret. The store keeps a digest; nobody can read it again.
    pub client_secret: Secret,
    /// The scope it is registered for: `internal-service`.
    pub scope: String,
    /// The audience it is registered for: `service-system`.
    pub audience: String,
}

/// Creates a client in the store when neither the settings nor the store know one; `None` when one exists.
///
/// The store is created when there is none.
///
/// # Errors
/// Whatever opening or writing the store may answer.
pub async fn first_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Option<FirstClient>, Error> {
    if !settings.clients.is_empty() {
        return Ok(None);
    }
    let store = settings::open_store(settings).await?;
    if !store.clients().await?.is_empty() {
        store.close().await;
        return Ok(None);
    }
    let secret = generate()?;
    let client = StoredClient {
        client_id: CLIENT_ID.to_owned(),
        scope: SCOPE.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        grants: vec![CLIENT_CREDENTIALS.to_owned()],
        token_life: settings.token_life,
        secrets: vec![LiveSecret::hash(&secret)?],
    };
    store
        .add_client(&client, UnixTime::from(clock.now()))
        .await?;
    store.close().await;
    Ok(Some(FirstClient {
        client_id: client.client_id,
        client_secret: Secret::new(secret.as_str()),
        scope: client.scope,
        audience: AUDIENCE.to_owned(),
    }))
}
