//! Who may have which token: an immutable snapshot in memory, swapped as a whole when it changes.
//!
//! Sources are the settings (YAML) and the store; where both know a client, the settings win. Everything is
//! deny by default: a client gets the scopes, the audiences and the grants that it is registered for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{Audience, ClientId, Scope, Subject, UnixTime};
use prometheus_client::metrics::counter::Counter;

use crate::CLIENT_CREDENTIALS;
use crate::clients::secret::{self, Candidate, LiveSecret};
use crate::error::Error;
use crate::metrics::{MAX_CLIENT_LABELS, Metrics, OTHER_CLIENTS};
use crate::store::StoredClient;
use crate::token::refusal::Refusal;
use crate::token::request::Target;

/// Live secrets a client may have: the current one and the one before it.
const MAX_LIVE_SECRETS: usize = 2;
/// Scopes that the metadata document lists at most.
const MAX_SCOPES_SUPPORTED: usize = 1_000;
/// The longest life a registration may ask for: a day. Internal tokens can not be revoked one by one.
const MAX_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// All registered clients.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Looked up by what a caller sent, so by the hasher that resists chosen collisions.
    clients: HashMap<Box<str>, Arc<Client>>,
    scopes_supported: BTreeSet<Box<str>>,
    /// Checked in place of the secret of a client that does not exist.
    decoy: LiveSecret,
    /// Most chosen secrets that one client has.
    costly_runs: usize,
}

/// One registered client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) subject: Subject,
    pub(crate) token_life: Duration,
    scope: Scope,
    targets: Box<[RegisteredTarget]>,
    secrets: Box<[LiveSecret]>,
    client_credentials: bool,
}

/// A service that a client may call, and the count of tokens issued for it.
#[derive(Debug)]
pub(crate) struct RegisteredTarget {
    pub(crate) audience: Audience,
    pub(crate) issued: Counter,
}

impl Registry {
    /// Builds a snapshot from registrations; of two with one id the first one wins.
    ///
    /// Hashes nothing unless a client has a secret that a person chose: then it makes a decoy of the same cost.
    ///
    /// # Errors
    /// [`Error::Registration`] for a registration that can not be used.
    pub(crate) fn build(
        registrations: Vec<StoredClient>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let mut clients = HashMap::with_capacity(registrations.len());
        let mut scopes_supported = BTreeSet::new();
        let labelled = registrations.len() <= MAX_CLIENT_LABELS;
        let mut costly_runs = 0;
        for registration in registrations {
            let label = if labelled { None } else { Some(OTHER_CLIENTS) };
            let client = Client::parse(registration, label, metrics)?;
            if clients.contains_key(client.id.as_str()) {
                tracing::warn!(
                    client_id = client.id.as_str(),
                    "the settings replace this client of the store"
                );
                continue;
            }
            costly_runs = costly_runs.max(
                client
                    .secrets
                    .iter()
                    .filter(|secret| secret.is_costly())
                    .count(),
            );
            for scope in client.scope.iter() {
                if scopes_supported.len() < MAX_SCOPES_SUPPORTED {
                    scopes_supported.insert(Box::from(scope));
                }
            }
            clients.insert(Box::from(client.id.as_str()), Arc::new(client));
        }
        metrics
            .clients
            .set(i64::try_from(clients.len()).unwrap_or(i64::MAX));
        let decoy = if costly_runs > 0 {
            secret::costly_decoy()?
        } else {
            LiveSecret::hash(&secret::generate()?)?
        };
        Ok(Self {
            clients,
            scopes_supported,
            decoy,
            costly_runs,
        })
    }

    pub(crate) fn find(&self, unverified_client_id: &str) -> Option<&Arc<Client>> {
        self.clients.get(unverified_client_id)
    }

    /// argon2id runs that every failed check costs: what the client with the most chosen secrets needs.
    pub(crate) const fn costly_runs(&self) -> usize {
        self.costly_runs
    }

    /// A secret that nothing matches.
    pub(crate) const fn decoy(&self) -> &LiveSecret {
        &self.decoy
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Every scope that some client is registered for.
    pub(crate) fn scopes_supported(&self) -> impl Iterator<Item = &str> {
        self.scopes_supported.iter().map(AsRef::as_ref)
    }
}

impl Client {
    fn parse(
        registration: StoredClient,
        label: Option<&str>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let StoredClient {
            client_id,
            scope,
            audiences,
            grants,
            token_life,
            secrets,
        } = registration;
        let problem = |problem: String| Error::Registration {
            client_id: client_id.clone(),
            problem,
        };
        let id: ClientId = client_id
            .parse()
            .map_err(|error| problem(format!("client id: {error}")))?;
        let subject: Subject = client_id
            .parse()
            .map_err(|error| problem(format!("client id: {error}")))?;
        let scope: Scope = scope
            .parse()
            .map_err(|error| problem(format!("scope: {error}")))?;
        if token_life.as_secs() == 0 || token_life > MAX_TOKEN_LIFE {
            return Err(problem(
                "token life: at least a second, at most a day".into(),
            ));
        }
        if secrets.len() > MAX_LIVE_SECRETS {
            return Err(problem(format!(
                "more than {MAX_LIVE_SECRETS} live secrets"
            )));
        }
        let targets: Result<Box<[_]>, _> = audiences
            .iter()
            .map(|audience| {
                audience.parse::<Audience>().map(|parsed| RegisteredTarget {
                    issued: metrics.issued(label.unwrap_or(&client_id), label.unwrap_or(audience)),
                    audience: parsed,
                })
            })
            .collect();
        let targets = targets.map_err(|error| problem(format!("audience: {error}")))?;
        let client_credentials = grants.iter().any(|grant| grant == CLIENT_CREDENTIALS);
        Ok(Self {
            id,
            subject,
            token_life,
            scope,
            targets,
            secrets: secrets.into(),
            client_credentials,
        })
    }

    /// Whether a live secret matches without any costly hash.
    pub(crate) fn matches_cheaply(&self, candidate: &Candidate<'_>, now: UnixTime) -> bool {
        self.live_secrets(now)
            .any(|secret| secret.matches_cheaply(candidate))
    }

    /// Secrets that are not past their end.
    pub(crate) fn live_secrets(&self, now: UnixTime) -> impl Iterator<Item = &LiveSecret> {
        self.secrets
            .iter()
            .filter(move |secret| secret.is_live(now))
    }

    /// # Errors
    /// [`Refusal::UnsupportedGrant`] or [`Refusal::UnregisteredGrant`].
    pub(crate) fn check_grant(&self, grant_type: &str) -> Result<(), Refusal> {
        match grant_type {
            CLIENT_CREDENTIALS if self.client_credentials => Ok(()),
            CLIENT_CREDENTIALS => Err(Refusal::UnregisteredGrant),
            _ => Err(Refusal::UnsupportedGrant),
        }
    }

    /// The scope to grant: what was asked when all of it is registered, nothing when nothing was asked.
    ///
    /// # Errors
    /// [`Refusal::MalformedScope`] or [`Refusal::UnregisteredScope`].
    pub(crate) fn grant_scope(&self, requested: Option<&str>) -> Result<Scope, Refusal> {
        let Some(requested) = requested else {
            return Ok(Scope::empty());
        };
        let requested: Scope = requested.parse().map_err(|_| Refusal::MalformedScope)?;
        if requested == self.scope {
            return Ok(self.scope.clone());
        }
        if self.scope.contains_all(&requested) {
            Ok(requested)
        } else {
            Err(Refusal::UnregisteredScope)
        }
    }

    /// Which registered target the token is for.
    ///
    /// # Errors
    /// One of the `invalid_target` refusals (RFC 8707 section 2).
    pub(crate) fn choose_target(&self, requested: &Target<'_>) -> Result<usize, Refusal> {
        match requested {
            Target::Several => Err(Refusal::SeveralTargets),
            Target::One(name) => self
                .targets
                .iter()
                .position(|target| target.audience.as_str() == name.as_ref())
                .ok_or(Refusal::UnregisteredTarget),
            Target::Absent => match self.targets.len() {
                0 => Err(Refusal::NoTarget),
                1 => Ok(0),
                _ => Err(Refusal::MissingTarget),
            },
        }
    }

    pub(crate) fn target(&self, index: usize) -> Option<&RegisteredTarget> {
        self.targets.get(index)
    }

    /// The audience's name, for the log.
    pub(crate) fn audience(&self, index: usize) -> &str {
        self.target(index)
            .map_or("", |target| target.audience.as_str())
    }
}
