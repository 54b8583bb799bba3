//! The first client of an issuer that was started without any.

use std::time::Duration;

use hallpass_config::Secret;
use hallpass_token::{Audience, ClientId, InvalidName, Scope};

use crate::clients::authentication::Authentication;
use crate::clients::registration::{GrantType, Registration};
use crate::clients::registry::MAX_REFRESH_LIFE;
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
    pub client_id: ClientId,
    /// Its generated secret: `hallpass_` and 43 characters. The store keeps only a digest, so it cannot be read again.
    pub client_secret: Secret,
    /// The scope it is registered for: `internal-service`.
    pub scope: Scope,
    /// The audience it is registered for: `service-system`.
    pub audience: Audience,
}

/// A new first client: with its secret to be shown once, and as the store keeps it.
pub(crate) fn create(token_life: Duration) -> Result<(FirstClient, Registration), Error> {
    let secret = generate()?;
    let defect = |_: InvalidName| Error::Internal {
        operation: "naming the first client",
    };
    let client_id: ClientId = CLIENT_ID.parse().map_err(defect)?;
    let audience: Audience = AUDIENCE.parse().map_err(defect)?;
    let scope = Scope::from_word(SCOPE).unwrap_or_default();
    let registration = Registration {
        client_id: client_id.clone(),
        scope: scope.clone(),
        audiences: vec![audience.clone()],
        grants: [GrantType::ClientCredentials].into_iter().collect(),
        token_life,
        is_dpop_bound: false,
        is_certificate_bound: false,
        profile: None,
        refresh_life: MAX_REFRESH_LIFE,
        exchange: Vec::new(),
        may_revoke: Vec::new(),
        calls: Vec::new(),
        claims: serde_json::Map::new(),
        certificate_names: None,
        authentication: Authentication::by_secrets(
            LiveSecret::generated(&secret).into_iter().collect(),
        ),
    };
    let shown = FirstClient {
        client_id,
        client_secret: Secret::new(secret.as_str()),
        scope,
        audience,
    };
    Ok((shown, registration))
}
