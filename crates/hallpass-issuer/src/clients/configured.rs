//! The clients of the settings, with their secrets as the registry keeps them.

use aws_lc_rs::hmac;

use crate::clients::registration::Registration;
use crate::clients::secret::{Candidate, LiveSecret};
use crate::error::Error;
use crate::settings::{ClientSettings, IssuerSettings, SecretKind};
use hallpass_config::Secret;

/// The registrations of the clients in the settings. Costs some microseconds a client, whatever kind its secret is.
///
/// # Errors
/// [`Error::Registration`] for a secret called generated that is too short.
pub(crate) fn registrations(
    settings: &IssuerSettings,
    process_key: &hmac::Key,
) -> Result<Vec<Registration>, Error> {
    let clients = settings.clients.iter();
    clients
        .map(|client| {
            Ok(Registration {
                client_id: client.client_id.clone(),
                scope: client.scope.clone(),
                audiences: client.audiences.clone(),
                grants: client.grant_types,
                token_life: client.token_life.unwrap_or(settings.token_life),
                secrets: secrets(client, process_key)?,
            })
        })
        .collect()
}

fn secrets(client: &ClientSettings, process_key: &hmac::Key) -> Result<Vec<LiveSecret>, Error> {
    let live = |secret: &Secret| {
        match client.secret_kind {
        SecretKind::Generated => {
            LiveSecret::generated(secret.expose()).ok_or_else(|| Error::Registration {
                client_id: client.client_id.to_string(),
                problem: "a generated secret has at least 32 characters; for a shorter one use secret-kind: chosen".into(),
            })
        }
        SecretKind::Chosen => {
            Ok(LiveSecret::chosen(&Candidate::new(secret.expose(), process_key)))
        }
    }
    };
    Ok(vec![live(&client.client_secret)?])
}
