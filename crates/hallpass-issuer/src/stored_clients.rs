//! The clients of the store beside those of the settings: followed one by one.

mod template;

use std::collections::{BTreeMap, HashSet};

use aws_lc_rs::hmac;
use hallpass_token::ClientId;

use self::template::Templates;
use crate::clients::configured;
use crate::clients::key_network::KeyNetwork;
use crate::clients::registration::Registration;
use crate::clients::registry::{ClientMetrics, MAX_CLIENT_LABELS, Making, Registry, SharedRights};
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client_certificates;
use crate::settings::listener_tls::unmet_need;
use crate::settings::profile;
use crate::settings::stored_client;
use crate::store::Store;
use crate::store::known_clients::{ClientPage, FollowedClient, KnownClients, ReadClients};

/// Most clients that the log tells of when they are left out.
const MAX_LEFT_OUT: usize = 1_000;

/// What is known of the clients of the store: what is needed to take a change of one of them without reading the others.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    known: KnownClients,
    shared: SharedRights,
    templates: Templates,
    left_out: LeftOut,
}

/// Why clients are left out, by their names: what is wrong is said once, however often the store changes.
#[derive(Clone, Debug, Default)]
struct LeftOut(BTreeMap<ClientId, String>);

/// What clients are made with.
#[derive(Clone, Copy)]
pub(crate) struct Ingredients<'a> {
    pub(crate) settings: &'a IssuerSettings,
    pub(crate) process_key: &'a hmac::Key,
    pub(crate) metrics: &'a ClientMetrics,
}

/// A registry that is brought up to date, while the one before it goes on.
struct Following<'a> {
    of: Ingredients<'a>,
    /// The one before: what it remembers of secrets is kept.
    before: Option<&'a Registry>,
    /// Names that stand in the settings.
    configured: HashSet<&'a ClientId>,
    registry: Registry,
    network: KeyNetwork,
    left_out: LeftOut,
    shared: &'a mut SharedRights,
    templates: &'a mut Templates,
}

/// What following has brought, until it counts.
pub(crate) struct Brought {
    pub(crate) registry: Registry,
    pub(crate) network: KeyNetwork,
    read: ReadClients,
    left_out: LeftOut,
}

impl Followed {
    /// Reads all of them for the first time.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub(crate) async fn begin(
        of: Ingredients<'_>,
        store: &Store,
        network: &KeyNetwork,
    ) -> Result<(Registry, KeyNetwork, Self), Error> {
        let mut followed = Self::default();
        let brought = followed.follow(of, store, (None, network), true).await?;
        let (registry, network) = followed.keep(brought);
        of.metrics.set_registered(registry.len());
        Ok((registry, network, followed))
    }

    /// The clients of the settings and of the store. Of the store only what has changed is read; all of it where the settings are other ones
    /// (`before` is `None`, or `is_anew`), or there is no other way.
    ///
    /// One that does not fit the settings any more, such as one whose rules name an issuer that is not trusted now, is left out, and the log
    /// says so: the others go on, and so does all else that is read from the store. What was brought is not known before [`keep`](Self::keep).
    ///
    /// # Errors
    /// Those of the store; [`Error::Registration`] for a client of the settings, and [`Error::ClientKeys`].
    pub(crate) async fn follow(
        &mut self,
        of: Ingredients<'_>,
        store: &Store,
        (before, network): (Option<&Registry>, &KeyNetwork),
        is_anew: bool,
    ) -> Result<Brought, Error> {
        let Self {
            known,
            shared,
            templates,
            left_out,
        } = self;
        if is_anew || before.is_none() {
            templates.clear();
        }
        let mut following = Following {
            of,
            before,
            configured: of.settings.clients.iter().map(|it| &it.client_id).collect(),
            registry: before.map_or_else(|| Registry::new(true), Registry::clone),
            network: network.clone(),
            left_out: left_out.clone(),
            shared,
            templates,
        };
        let mut reading = known.reading(is_anew || before.is_none());
        loop {
            let page = store.read_clients(&mut reading).await?;
            let (changes, is_last) = match page {
                ClientPage::Anew { count } => {
                    following.begin_anew(count).await?;
                    continue;
                }
                ClientPage::Part(changes) => (changes, false),
                ClientPage::Last(changes) => (changes, true),
            };
            let is_over = following.take(changes).await?;
            let is_labelled = following.is_labelled(reading.count());
            let is_other = is_last && is_labelled != following.registry.is_labelled();
            if (is_over || is_other) && !reading.is_anew() {
                reading = known.reading(true);
            } else if is_last {
                break;
            }
        }
        let was_empty = before.is_some_and(Registry::is_empty);
        if following.registry.is_empty() && !was_empty {
            tracing::warn!("no client is registered: every token request will be refused");
        }
        following.left_out.say(left_out);
        Ok(Brought {
            registry: following.registry,
            network: following.network,
            read: reading.finish(),
            left_out: following.left_out,
        })
    }

    /// Knows what was brought: it counts now. Gives the registry and the way to the keys of its clients.
    pub(crate) fn keep(&mut self, brought: Brought) -> (Registry, KeyNetwork) {
        self.known.take(brought.read);
        self.left_out = brought.left_out;
        (brought.registry, brought.network)
    }
}

impl Following<'_> {
    fn is_labelled(&self, stored: u64) -> bool {
        let stored = usize::try_from(stored).unwrap_or(usize::MAX);
        let all = self.of.settings.clients.len().saturating_add(stored);
        all <= MAX_CLIENT_LABELS
    }

    /// From the clients of the settings on; so many of the store are still to come.
    async fn begin_anew(&mut self, count: u64) -> Result<(), Error> {
        self.left_out = LeftOut::default();
        self.registry = Registry::new(self.is_labelled(count));
        let settings = self.of.settings;
        let is_needed = settings.clients.iter().any(configured::fetches_keys);
        self.make_ready(is_needed).await?;
        let all = configured::registrations(settings, self.of.process_key, &self.network)?;
        for registration in all {
            if self
                .registry
                .find(registration.client_id.as_str())
                .is_none()
            {
                self.register(registration)?;
            }
        }
        Ok(())
    }

    async fn make_ready(&mut self, is_needed: bool) -> Result<(), Error> {
        let tls = &self.of.settings.client_keys_tls;
        self.network = self.network.ready(is_needed, tls).await?;
        Ok(())
    }

    fn register(&mut self, registration: Registration) -> Result<(), Error> {
        let mut making = Making {
            metrics: self.of.metrics,
            shared: self.shared,
            is_labelled: self.registry.is_labelled(),
        };
        self.registry
            .register(registration, self.before, &mut making)
    }

    /// Whether it must be done anew: of two clients that wanted one SPIFFE id one is gone.
    async fn take(&mut self, changes: Vec<FollowedClient>) -> Result<bool, Error> {
        let mut must_begin_anew = false;
        for change in changes {
            let id = match &change {
                FollowedClient::Registered(id, _) | FollowedClient::Gone(id) => id,
                FollowedClient::MadeHere(registration) => &registration.client_id,
            };
            if self.configured.contains(id) && !matches!(change, FollowedClient::Gone(_)) {
                let problem = "a client of this name stands in the configuration".to_owned();
                self.left_out.add(id, problem);
                continue;
            }
            if !self.configured.contains(id) {
                must_begin_anew |= self.registry.frees_spiffe_id(id);
            }
            match change {
                FollowedClient::Registered(id, stored) => self.take_one(&id, &stored).await?,
                FollowedClient::MadeHere(registration) => self.register(*registration)?,
                FollowedClient::Gone(id) => self.forget(&id),
            }
        }
        Ok(must_begin_anew)
    }

    async fn take_one(&mut self, id: &ClientId, stored: &StoredRegistration) -> Result<(), Error> {
        let settings = self.of.settings;
        let read = match subjects_like(settings, id) {
            Some(name) => Err(called_like_subjects(name)),
            None => self.templates.read(settings, (id, stored), fits_settings),
        };
        let client = match read {
            Ok(client) => client,
            Err(problem) => {
                self.forget(id);
                self.left_out.add(id, problem);
                return Ok(());
            }
        };
        self.left_out.0.remove(id);
        if !client.enabled {
            self.forget(id);
            return Ok(());
        }
        if configured::fetches_keys(&client) {
            self.make_ready(true).await?;
        }
        let made = configured::registration(settings, &client, self.of.process_key, &self.network);
        match made.and_then(|registration| self.register(registration)) {
            Err(Error::Registration { problem, .. }) => {
                self.forget(id);
                self.left_out.add(id, problem);
                Ok(())
            }
            taken => taken,
        }
    }

    fn forget(&mut self, id: &ClientId) {
        self.left_out.0.remove(id);
        if !self.configured.contains(id) {
            self.registry.remove(id.as_str());
        }
    }
}

impl LeftOut {
    fn add(&mut self, id: &ClientId, problem: String) {
        if self.0.len() < MAX_LEFT_OUT || self.0.contains_key(id) {
            self.0.insert(id.clone(), problem);
        }
    }

    /// Says what is new, and not what `before` said.
    fn say(&self, before: &Self) {
        for (id, problem) in &self.0 {
            if before.0.get(id) != Some(problem) {
                let client_id = id.as_str();
                tracing::error!(client_id, problem, "a client of the store is left out");
            }
        }
    }
}

/// The client, where nobody of the settings has its name, those that its rules name are trusted, and nothing that is demanded of a client
/// of the settings beside its own keys is missing: what is not found here would be found when all clients are put together, and then
/// nothing of the store could be followed any more, revocations neither.
///
/// # Errors
/// What is in the way.
pub(crate) fn fits<'c>(
    settings: &IssuerSettings,
    client: &'c ClientSettings,
) -> Result<&'c ClientSettings, String> {
    let id = &client.client_id;
    if settings.clients.iter().any(|it| it.client_id == *id) {
        return Err("a client of this name stands in the configuration".to_owned());
    }
    if let Some(name) = subjects_like(settings, id) {
        return Err(called_like_subjects(name));
    }
    fits_settings(settings, client).map(|()| client)
}

/// The same whatever the client is called.
fn fits_settings(settings: &IssuerSettings, client: &ClientSettings) -> Result<(), String> {
    let trusted = &settings.trusted_issuers;
    stored_client::check_issuers(client, &settings.name, trusted)?;
    let of_profile = profile::problems(client, settings.algorithm, &settings.audiences);
    let of_listener = unmet_need(client, settings.tls.as_ref());
    let of_listener = of_listener.map(|(key, message)| (key, message.to_owned()));
    let of_ca = client_certificates::unmet_need(client, settings.ca.as_ref());
    let problems: Vec<_> = of_profile
        .into_iter()
        .chain(of_listener)
        .chain(of_ca)
        .map(|(key, message)| format!("{key} {message}"))
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("; ")),
    }
}

fn called_like_subjects(name: &str) -> String {
    format!("subjects of the trusted issuer `{name}` are called so")
}

fn subjects_like<'s>(settings: &'s IssuerSettings, id: &ClientId) -> Option<&'s str> {
    let mut names = settings.trusted_issuers.iter().map(|it| it.name.as_str());
    names.find(|name| {
        let rest = id.as_str().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('|'))
    })
}

#[cfg(test)]
mod tests;
