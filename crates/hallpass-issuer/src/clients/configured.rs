//! The clients of the settings, with what they prove themselves by as the registry keeps it.

use aws_lc_rs::hmac;

use crate::clients::authentication::{
    Authentication, CertificateAuthentication, KeyAuthentication,
};
use crate::clients::client_keys::{ClientKeySource, ClientKeys};
use crate::clients::key_network::KeyNetwork;
use crate::clients::registration::Registration;
use crate::clients::registry::MAX_REFRESH_LIFE;
use crate::clients::secret::{Candidate, LiveSecret};
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::client::secrets::{ClientSecret, ClientSecrets, SecretKind};
use crate::settings::profile;

const TOO_SHORT: &str =
    "a generated secret has at least 32 characters; for a shorter one use secret-kind: chosen";

const NOT_CONNECTED: Error = Error::Internal {
    operation: "connecting to the keys of clients",
};

/// Whether the client has its keys behind a URL, so that they are fetched over the network.
pub(crate) const fn fetches_keys(client: &ClientSettings) -> bool {
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(key) => matches!(key.keys, ClientKeys::Url(_)),
        ClientAuthentication::SelfSignedTlsClientAuth(keys) => matches!(keys, ClientKeys::Url(_)),
        ClientAuthentication::Secret(_)
        | ClientAuthentication::TlsClientAuth(_)
        | ClientAuthentication::FederatedJwt(_) => false,
    }
}

/// The registrations of the clients in the settings. Costs some microseconds a client, whatever kind its secret is.
///
/// # Errors
/// [`Error::Registration`] for a secret that is empty, or called generated and too short, and for what contradicts the profile of a
/// client.
pub(crate) fn registrations(
    settings: &IssuerSettings,
    process_key: &hmac::Key,
    network: &KeyNetwork,
) -> Result<Vec<Registration>, Error> {
    // One that is disabled is like one that is not there, to whoever asks.
    let clients = settings.clients.iter().filter(|client| client.enabled);
    clients
        .map(|client| {
            let (algorithm, audiences) = (settings.algorithm, &settings.audiences);
            if let Some((key, message)) = profile::problems(client, algorithm, audiences).pop() {
                return Err(Error::Registration {
                    client_id: client.client_id.to_string(),
                    problem: format!("{key} {message}"),
                });
            }
            registration(settings, client, process_key, network)
        })
        .collect()
}

/// The registration of one client, of the store too. That it does not contradict its profile was looked at.
///
/// # Errors
/// [`Error::Registration`] for its secret.
pub(crate) fn registration(
    settings: &IssuerSettings,
    client: &ClientSettings,
    process_key: &hmac::Key,
    network: &KeyNetwork,
) -> Result<Registration, Error> {
    Ok(Registration {
        client_id: client.client_id.clone(),
        scope: client.scope.clone(),
        audiences: client.audiences.clone(),
        grants: client.grant_types,
        token_life: client.token_life.unwrap_or(settings.token_life),
        is_dpop_bound: client.dpop_bound_access_tokens,
        is_certificate_bound: client.tls_client_certificate_bound_access_tokens,
        profile: client.profile,
        refresh_life: client.refresh_token_life.unwrap_or(MAX_REFRESH_LIFE),
        exchange: client.exchange.clone(),
        may_revoke: client.may_revoke.clone(),
        calls: client.calls.clone(),
        claims: client.claims.clone(),
        certificate_names: client.certificate.clone(),
        authentication: authentication(client, process_key, network)?,
    })
}

fn authentication(
    client: &ClientSettings,
    process_key: &hmac::Key,
    network: &KeyNetwork,
) -> Result<Authentication, Error> {
    match &client.authentication {
        ClientAuthentication::Secret(secrets) => Ok(Authentication::Secrets {
            secrets: live_secrets(client, secrets, process_key)?.into(),
            place: secrets.place,
        }),
        ClientAuthentication::FederatedJwt(rules) => {
            Ok(Authentication::Federated(rules.clone().into()))
        }
        ClientAuthentication::TlsClientAuth(name) => {
            let named = CertificateAuthentication::Named(name.clone());
            Ok(Authentication::Certificate(Box::new(named)))
        }
        ClientAuthentication::SelfSignedTlsClientAuth(keys) => {
            let keys = ClientKeySource::new(keys, network).ok_or(NOT_CONNECTED)?;
            let registered = CertificateAuthentication::Registered(keys);
            Ok(Authentication::Certificate(Box::new(registered)))
        }
        ClientAuthentication::PrivateKeyJwt(key) => {
            let keys = ClientKeySource::new(&key.keys, network);
            Ok(Authentication::Key(Box::new(KeyAuthentication {
                keys: keys.ok_or(NOT_CONNECTED)?,
                takes_token_endpoint: key.dangerous_token_endpoint_audience,
            })))
        }
    }
}

fn live_secrets(
    client: &ClientSettings,
    secrets: &ClientSecrets,
    process_key: &hmac::Key,
) -> Result<Vec<LiveSecret>, Error> {
    let problem = |problem: &str| Error::Registration {
        client_id: client.client_id.to_string(),
        problem: problem.to_owned(),
    };
    let live = |secret: &ClientSecret| match (secret, secrets.kind) {
        (ClientSecret::Digest(digest), _) => Ok(digest.to_live()),
        (ClientSecret::Clear(secret), _) if secret.expose().is_empty() => {
            Err(problem("a secret must not be empty"))
        }
        (ClientSecret::Clear(secret), SecretKind::Generated) => {
            LiveSecret::generated(secret.expose()).ok_or_else(|| problem(TOO_SHORT))
        }
        (ClientSecret::Clear(secret), SecretKind::Chosen) => Ok(LiveSecret::chosen(
            &Candidate::new(secret.expose(), process_key),
        )),
    };
    let mut all = vec![live(&secrets.current)?];
    if let Some(previous) = &secrets.previous {
        all.push(live(&previous.secret)?.until(Some(previous.until)));
    }
    Ok(all)
}
