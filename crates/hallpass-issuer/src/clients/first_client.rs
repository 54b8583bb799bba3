//! The first client of an issuer that was started without any.

use std::time::Duration;

use hallpass_config::Secret;

use crate::clients::registration::{GrantType, Registration};
use crate::clients::secret::{LiveSecret, generate};
use crate::error::Error;

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
    /// Its generated secret: `hallpass_` and 43 characters. The store keeps only a digest, so it cannot be read again.
    pub client_secret: Secret,
    /// The scope it is registered for: `internal-service`.
    pub scope: String,
    /// The audience it is registered for: `service-system`.
    pub audience: String,
}

/// A new first client: with its secret to be shown once, and as the store keeps it.
pub(crate) fn create(token_life: Duration) -> Result<(FirstClient, Registration), Error> {
    let secret = generate()?;
    let registration = Registration {
        client_id: CLIENT_ID.to_owned(),
        scope: SCOPE.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        grants: [GrantType::ClientCredentials].into_iter().collect(),
        token_life,
        secrets: vec![LiveSecret::hash(&secret)?],
    };
    let shown = FirstClient {
        client_id: CLIENT_ID.to_owned(),
        client_secret: Secret::new(secret.as_str()),
        scope: SCOPE.to_owned(),
        audience: AUDIENCE.to_owned(),
    };
    Ok((shown, registration))
}
