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

use self::facts::Facts;
use self::table::ClientTable;

pub(crate) use self::client::{
    Client, Exchange, MAX_REFRESH_LIFE, MAX_TOKEN_LIFE, Making, RegisteredTarget, SharedRights,
};
pub(crate) use self::facts::ClientUse;
pub(crate) use self::metrics::ClientMetrics;

use hallpass_token::ClientId;

use crate::clients::registration::Registration;
use crate::clients::secret::{self, LiveSecret};
use crate::error::Error;
use crate::trusted_issuers::TrustedIssuers;

/// Clients that get a label of their own; the tokens of all others are counted under `_other`.
pub(crate) const MAX_CLIENT_LABELS: usize = 1_000;

/// All registered clients.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    clients: ClientTable,
    /// Those who prove themselves with tokens of trusted issuers, which need not name them.
    federated: Arc<Vec<Arc<Client>>>,
    facts: Facts,
    /// Checked in place of the secret of a client that does not exist.
    decoy: LiveSecret,
    is_labelled: bool,
}

impl Registry {
    /// One without clients. `is_labelled`: each has a label of its own.
    pub(crate) fn new(is_labelled: bool) -> Self {
        Self {
            is_labelled,
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
    #[cfg(test)]
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
        let mut registry = Self::new(making.is_labelled);
        for registration in registrations {
            if registry.find(registration.client_id.as_str()).is_some() {
                continue;
            }
            registry.register(registration, known, &mut making)?;
        }
        metrics.set_registered(registry.len());
        Ok(registry)
    }

    /// Registers a client, in the place of one of the same id. What `known`, the snapshot before, remembers of its secrets is kept.
    ///
    /// Of two clients with one SPIFFE id the second gets no certificates: nobody could tell the two apart. In the settings that is a problem
    /// at start; a client of the store may come later.
    ///
    /// # Errors
    /// [`Error::Registration`] for a registration that cannot be used.
    pub(crate) fn register(
        &mut self,
        mut registration: Registration,
        known: Option<&Self>,
        making: &mut Making<'_>,
    ) -> Result<(), Error> {
        let id = &registration.client_id;
        if let Some(names) = &registration.certificate_names
            && !self.facts.has_room_for(&names.spiffe_id, id)
        {
            tracing::error!(
                client_id = id.as_str(),
                "the SPIFFE id of this client is that of another one: it gets no certificates"
            );
            registration.certificate_names = None;
        }
        let before = known.and_then(|known| known.find(id.as_str()));
        let client = Client::parse(registration, before.map(AsRef::as_ref), making)?;
        self.put(Arc::new(client));
        Ok(())
    }

    /// Takes a client away.
    pub(crate) fn remove(&mut self, client_id: &str) {
        let Some(client) = self.clients.remove(client_id) else {
            return;
        };
        self.facts.take_away(&client);
        if !client.assertion_rules().is_empty() {
            Arc::make_mut(&mut self.federated).retain(|it| !Arc::ptr_eq(it, &client));
        }
        self.bait();
    }

    /// Whether another client, which gets no certificates, may get some once this one is changed or gone.
    pub(crate) fn frees_spiffe_id(&self, client_id: &ClientId) -> bool {
        let client = self.find(client_id.as_str());
        self.facts.has_clash() && client.is_some_and(|client| client.certificate_names.is_some())
    }

    /// Whether each client has a label of its own.
    pub(crate) const fn is_labelled(&self) -> bool {
        self.is_labelled
    }

    fn put(&mut self, client: Arc<Client>) {
        if let Some(before) = self.clients.find(client.id.as_str()) {
            self.facts.take_away(before);
        }
        self.facts.add(&client);
        let is_federated = |client: &Client| !client.assertion_rules().is_empty();
        let added = is_federated(&client).then(|| Arc::clone(&client));
        let taken = self
            .clients
            .put(client)
            .filter(|before| is_federated(before));
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
