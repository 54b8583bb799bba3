//! Who may have which token: an immutable snapshot in memory, swapped as a whole when it changes. The next snapshot shares with the one
//! before all that has not changed.
//!
//! Sources are the settings (YAML) and the store; where both know a client, the settings win. Everything is
//! deny by default: a client gets the scopes, the audiences and the grants that it is registered for.

mod client;
mod facts;
mod metrics;
mod table;

use std::sync::Arc;
use std::time::Duration;

use self::client::{Making, SharedRights};
use self::facts::Facts;
use self::table::ClientTable;

pub(crate) use self::client::{
    Client, Exchange, MAX_REFRESH_LIFE, MAX_TOKEN_LIFE, RegisteredTarget,
};
pub(crate) use self::facts::ClientUse;
pub(crate) use self::metrics::ClientMetrics;

use crate::clients::registration::Registration;
use crate::clients::secret::{self, LiveSecret};
use crate::error::Error;
use crate::trusted_issuers::TrustedIssuers;

/// Clients that get a label of their own; the tokens of all others are counted under `_other`.
const MAX_CLIENT_LABELS: usize = 1_000;

/// All registered clients.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    clients: ClientTable,
    /// Those who prove themselves with tokens of trusted issuers, which need not name them.
    federated: Arc<Vec<Arc<Client>>>,
    facts: Facts,
    /// Checked in place of the secret of a client that does not exist.
    decoy: LiveSecret,
}

impl Registry {
    /// One without clients.
    fn new() -> Self {
        Self {
            clients: ClientTable::new(),
            federated: Arc::default(),
            facts: Facts::default(),
            decoy: secret::decoy(false),
        }
    }

    /// Builds a snapshot from registrations; of two with one id the first one wins.
    ///
    /// What `known`, the snapshot before, remembers of secrets is kept.
    ///
    /// # Errors
    /// [`Error::Registration`] for a registration that cannot be used.
    pub(crate) fn build(
        registrations: Vec<Registration>,
        known: Option<&Self>,
        metrics: &ClientMetrics,
    ) -> Result<Self, Error> {
        let mut shared = SharedRights::default();
        let mut making = Making {
            metrics,
            shared: &mut shared,
            is_labelled: registrations.len() <= MAX_CLIENT_LABELS,
        };
        let mut registry = Self::new();
        for registration in registrations {
            let id = &registration.client_id;
            if registry.find(id.as_str()).is_some() {
                tracing::warn!(
                    client_id = id.as_str(),
                    "the settings replace this client of the store"
                );
                continue;
            }
            let before = known.and_then(|known| known.find(id.as_str()));
            let client = Client::parse(registration, before.map(AsRef::as_ref), &mut making)?;
            registry.put(Arc::new(client));
        }
        metrics.set_registered(registry.len());
        Ok(registry)
    }

    /// Registers a client, in the place of one of the same id.
    fn put(&mut self, client: Arc<Client>) {
        self.facts.add(&client);
        let is_federated = |client: &Client| !client.assertion_rules().is_empty();
        let added = is_federated(&client).then(|| Arc::clone(&client));
        let before = self.clients.put(client);
        if let Some(before) = &before {
            self.facts.take_away(before);
        }
        let taken = before.filter(|before| is_federated(before));
        if added.is_some() || taken.is_some() {
            let federated = Arc::make_mut(&mut self.federated);
            if let Some(taken) = taken {
                federated.retain(|it| !Arc::ptr_eq(it, &taken));
            }
            federated.extend(added);
        }
        self.bait();
    }

    /// What is checked in place of the secrets of a client that does not exist costs what those of others do.
    fn bait(&mut self) {
        let is_costly = self.costly_runs() > 0;
        if self.decoy.is_costly() != is_costly {
            self.decoy = secret::decoy(is_costly);
        }
    }

    pub(crate) fn find(&self, unverified_client_id: &str) -> Option<&Arc<Client>> {
        self.clients.find(unverified_client_id)
    }

    /// Those who prove themselves with tokens of trusted issuers.
    pub(crate) fn federated(&self) -> &[Arc<Client>] {
        &self.federated
    }

    /// # Errors
    /// [`Error::Registration`] for a client that is called like a subject of a trusted issuer.
    pub(crate) fn check_subjects(&self, trusted: &TrustedIssuers) -> Result<(), Error> {
        let clash = self.facts.with_separator().find_map(|id| {
            let issuer = trusted.has_subjects_like(id.as_str())?;
            Some((id.to_string(), issuer))
        });
        clash.map_or(Ok(()), |(client_id, issuer)| {
            let problem = format!(
                "client id: begins with `{issuer}|`, as subjects of that trusted issuer do"
            );
            Err(Error::Registration { client_id, problem })
        })
    }

    /// argon2id runs that every failed check costs: what the client with the most chosen secrets of the store needs.
    pub(crate) fn costly_runs(&self) -> usize {
        self.facts.most_costly_secrets()
    }

    /// What is compared in place of the secrets of a client that does not exist.
    pub(crate) const fn decoy(&self) -> &LiveSecret {
        &self.decoy
    }

    /// Whether some client uses it.
    pub(crate) fn uses(&self, wanted: ClientUse) -> bool {
        self.facts.uses(wanted)
    }

    /// How many clients there are.
    pub(crate) const fn len(&self) -> usize {
        self.clients.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of all, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().map(|client| client.id.as_str())
    }

    /// No token of a client lives longer.
    pub(crate) fn longest_token_life(&self) -> Duration {
        self.facts.longest_token_life()
    }

    /// Every scope that some client is registered for.
    pub(crate) fn scopes_supported(&self) -> impl Iterator<Item = &str> {
        self.facts.scopes()
    }
}

#[cfg(test)]
mod tests;
