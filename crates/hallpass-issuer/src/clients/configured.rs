//! The clients of the settings: their secrets are hashed here, each once as long as it stays the same.

use std::sync::Arc;
use std::time::Duration;

use crate::settings::{ClientSettings, IssuerSettings, SecretKind};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::clients::registration::Registration;
use crate::clients::registry::Registry;
use crate::clients::secret::{Candidate, LiveSecret};
use crate::error::Error;

/// The registrations of the clients in the settings.
///
/// A secret that a person chose costs some 16 ms of a core, unless `known` has it already; all cores share
/// the work. `process_key` is the one that `known` was built with.
///
/// # Errors
/// [`Error::Registration`] for a secret called generated that is too short, [`Error::Internal`].
pub(crate) async fn registrations(
    settings: &IssuerSettings,
    known: Option<&Arc<Registry>>,
    process_key: &hmac::Key,
) -> Result<Vec<Registration>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = settings.clients.len().div_ceil(cores).max(1);
    // Every share is one thread at most: a thread per client would take 19 MiB for each of them at once.
    let shares: Vec<_> = settings
        .clients
        .chunks(share)
        .map(|clients| {
            let clients = clients.to_vec();
            let hashing = Hashing {
                known: known.map(Arc::clone),
                process_key: process_key.clone(),
                token_life: settings.token_life,
            };
            tokio::task::spawn_blocking(move || {
                let hashed = clients.into_iter().map(|client| hashing.run(client));
                hashed.collect::<Result<Vec<_>, _>>()
            })
        })
        .collect();
    let mut registrations = Vec::with_capacity(settings.clients.len());
    for share in shares {
        let hashed = share.await.map_err(|_| Error::Internal {
            operation: "hashing the client secrets",
        })?;
        registrations.extend(hashed?);
    }
    Ok(registrations)
}

/// What one share of the work needs.
struct Hashing {
    known: Option<Arc<Registry>>,
    process_key: hmac::Key,
    token_life: Duration,
}

impl Hashing {
    fn run(&self, client: ClientSettings) -> Result<Registration, Error> {
        let secret = Zeroizing::new(client.client_secret.expose().to_owned());
        let hashed = match client.secret_kind {
            SecretKind::Generated => {
                LiveSecret::digest(&secret).ok_or_else(|| Error::Registration {
                    client_id: client.client_id.to_string(),
                    problem: "a generated secret has at least 32 characters; for a shorter one use secret-kind: chosen".into(),
                })?
            }
            SecretKind::Chosen => self.chosen(client.client_id.as_str(), &secret)?,
        };
        Ok(Registration {
            scope: client.scope,
            audiences: client.audiences,
            grants: client.grant_types,
            token_life: client.token_life.unwrap_or(self.token_life),
            secrets: vec![hashed],
            client_id: client.client_id,
        })
    }

    /// What the client's secret was hashed to before, else a new hash.
    fn chosen(&self, client_id: &str, secret: &str) -> Result<LiveSecret, Error> {
        let candidate = Candidate::new(secret, &self.process_key);
        let known = self.known.as_ref().and_then(|known| known.find(client_id));
        match known.and_then(|client| client.secret_hashed_from(&candidate)) {
            Some(kept) => Ok(kept.clone()),
            None => LiveSecret::hash_configured(&candidate),
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::Secret;

    use super::*;
    use crate::clients::registration::GrantType;
    use crate::clients::registry::ClientMetrics;
    use crate::clients::secret::process_key;

    fn settings(secrets: impl Iterator<Item = String>) -> IssuerSettings {
        let client = |(n, secret): (usize, String)| ClientSettings {
            client_id: format!("client-{n}").parse().unwrap(),
            client_secret: Secret::new(&secret),
            secret_kind: SecretKind::Chosen,
            scope: hallpass_token::Scope::empty(),
            audiences: vec!["a".parse().unwrap()],
            grant_types: [GrantType::ClientCredentials].into_iter().collect(),
            token_life: None,
        };
        IssuerSettings {
            clients: secrets.enumerate().map(client).collect(),
            ..IssuerSettings::default()
        }
    }

    async fn load(
        settings: &IssuerSettings,
        known: Option<&Arc<Registry>>,
        key: &hmac::Key,
    ) -> Arc<Registry> {
        let registrations = registrations(settings, known, key).await.unwrap();
        let known = known.map(Arc::as_ref);
        Arc::new(Registry::build(registrations, known, &ClientMetrics::default()).unwrap())
    }

    /// What each client's secret is kept as. A new argon2id run draws a new salt, so it would show.
    fn verifiers(registry: &Registry, now: hallpass_token::UnixTime) -> Vec<String> {
        let stored = |n: usize| {
            let client = registry.find(&format!("client-{n}")).unwrap();
            client.live_secrets(now).next().unwrap().to_stored().1
        };
        (0..20).map(stored).collect()
    }

    #[tokio::test]
    async fn a_reload_of_many_unchanged_chosen_secrets_runs_no_argon2() {
        let key = process_key().unwrap();
        let now = hallpass_token::UnixTime::from_secs(1);
        let before = settings((0..20).map(|n| format!("chosen {n}")));
        let first = load(&before, None, &key).await;
        let second = load(&before, Some(&first), &key).await;
        assert_eq!(verifiers(&second, now), verifiers(&first, now));
        let decoy = |registry: &Registry| registry.decoy().to_stored().1;
        assert_eq!(decoy(&second), decoy(&first), "nor does the decoy");

        let changed = settings((0..20).map(|n| format!("chosen {}", if n == 7 { 70 } else { n })));
        let third = load(&changed, Some(&second), &key).await;
        let (old, new) = (verifiers(&second, now), verifiers(&third, now));
        let differing: Vec<_> = (0..20).filter(|n| old[*n] != new[*n]).collect();
        assert_eq!(differing, [7], "only what changed is hashed");
    }

    #[tokio::test]
    async fn what_was_proven_before_a_reload_is_still_cheap_after_it() {
        let key = process_key().unwrap();
        let now = hallpass_token::UnixTime::from_secs(1);
        let settings = settings((0..20).map(|n| format!("chosen {n}")));
        let first = load(&settings, None, &key).await;
        let right = Candidate::new("chosen 3", &key);
        let client = |registry: &Registry| Arc::clone(registry.find("client-3").unwrap());
        assert!(!client(&first).matches_cheaply(&right, now));
        for secret in client(&first).live_secrets(now) {
            secret.remember(&right);
        }
        let second = load(&settings, Some(&first), &key).await;
        assert!(client(&second).matches_cheaply(&right, now));
    }
}
