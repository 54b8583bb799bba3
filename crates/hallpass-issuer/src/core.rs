//! What every request reads: immutable snapshots behind atomic swaps, and the state that is not swapped.

mod administration;
mod applying;
mod authorities;
mod first;
mod revocation_queue;
mod revocations;
mod uses;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use self::revocation_queue::RevocationQueue;
use crate::settings::IssuerSettings;
use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::hmac;
use hallpass_clock::Clock;
use hallpass_token::{ClientId, Issuer, UnixTime};
use hallpass_upstream::{Reminders, ReplayStore};
use http::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::audit::queue::{self, Audit, AuditWriter};
use crate::authority::authorities::Authorities;
use crate::clients::key_network::KeyNetwork;
use crate::clients::registry::Registry;
use crate::clients::secret::process_key;
use crate::deny_list::DenyList;
use crate::error::Error;
use crate::http::metadata::Metadata;
use crate::http::public_urls::PublicUrls;
use crate::key_upkeep::{self, Kept};
use crate::keys::adoption::Verifiers;
use crate::keys::record::KeyState;
use crate::keys::ring::{KeyRing, Stage};
use crate::metrics::Metrics;
use crate::refresh_families::{RefreshFamilies, RefreshWork};
use crate::replays::Replays;
use crate::start_settings::StartSettings;
use crate::store::Store;
use crate::stored_clients::Followed;
use crate::token::attempt::Attempt;
use crate::token::client_auth::Authenticator;
use crate::token::client_rate::ClientRate;
use crate::token::possession::Proofs;
use crate::trusted_issuers::Trust;
use crate::uses::Uses;

/// One issuer, without its sockets.
#[derive(Debug)]
pub(crate) struct Core {
    urls: PublicUrls,
    clock: Arc<dyn Clock>,
    /// Random, never leaves the process: what is remembered of secrets is an HMAC under it.
    process_key: hmac::Key,
    start_settings: StartSettings,
    /// What was applied last.
    settings: ArcSwap<IssuerSettings>,
    /// One change at a time: an older snapshot must not come over a newer one.
    changing: Semaphore,
    registry: ArcSwap<Registry>,
    /// What is known of the store's clients; taken out while it is brought up to date.
    followed_clients: Mutex<Followed>,
    trust: Arc<Trust>,
    key_network: ArcSwap<KeyNetwork>,
    keys: ArcSwap<KeyRing>,
    /// The state of each key when it was last looked at.
    key_states: ArcSwap<Vec<(String, KeyState)>>,
    /// When the state of a key changes next by itself, in seconds since 1970.
    next_moment: AtomicU64,
    /// Whether a key waits until verifiers have it.
    awaits_adoption: AtomicBool,
    verifiers: Verifiers,
    authorities: Authorities,
    metadata: ArcSwap<Metadata>,
    deny_list: Arc<DenyList>,
    /// Whether something was written that may not count yet.
    revocations_behind: AtomicBool,
    revocation_queue: RevocationQueue,
    revocation_rate: ClientRate,
    refresh_families: RefreshFamilies,
    authenticator: Authenticator,
    proofs: Proofs,
    audit: Audit,
    /// What was used and is not written down yet.
    uses: Arc<Uses>,
    metrics: Metrics,
    /// What each request would say again.
    said: Reminders,
    jwks_cache_control: HeaderValue,
    store: Store,
    stopping: AtomicBool,
}

impl Core {
    /// Opens the store, loads keys and registry, and renders the documents.
    pub(crate) async fn open(
        settings: &IssuerSettings,
        urls: PublicUrls,
        clock: Arc<dyn Clock>,
        replay_store: Option<Arc<dyn ReplayStore>>,
    ) -> Result<(Self, AuditWriter), Error> {
        let store = Store::open(settings.place(), settings.sealing_keys()).await?;
        let metrics = Metrics::new();
        let process_key = process_key()?;
        let read = first::clients(settings, &store, &clock, (&process_key, &metrics));
        let (registry, network, followed_clients) = read.await?;
        let trust = first::trust(settings, &urls, &clock, &registry).await?;
        let life = registry.longest_token_life();
        let (verifiers, kept) = first::keys(settings, &store, clock.as_ref(), life).await?;
        metrics.keys.set(&kept.records);
        let authorities = Authorities::first(settings, &store, clock.as_ref()).await?;
        let metadata = Metadata::render(&urls, &registry, &kept.ring)?;
        let deny_list = first::deny_list(&store, &kept.records, clock.as_ref()).await?;
        let refresh_families = RefreshFamilies::open(&store).await?;
        store.serve().await?;
        let (audit, writer) = queue::start(&settings.audit, settings.admin.is_some()).await?;
        let replays = Arc::new(Replays::new(&urls, &settings.dpop, replay_store, &clock));
        let proofs = Proofs::new(&settings.dpop, &urls, store.shared_secret(), &replays)?;
        let uses = Arc::<Uses>::default();
        let authenticator =
            Authenticator::new(&process_key, &urls, (&trust, &deny_list), &replays, &uses);
        let core = Self {
            urls,
            start_settings: StartSettings::new(settings, &process_key),
            settings: ArcSwap::from_pointee(settings.clone()),
            changing: Semaphore::new(1),
            registry: ArcSwap::from_pointee(registry),
            followed_clients: Mutex::new(followed_clients),
            trust,
            key_network: ArcSwap::from_pointee(network),
            key_states: ArcSwap::from_pointee(kept.states()),
            next_moment: AtomicU64::new(moment(&kept)),
            awaits_adoption: AtomicBool::new(awaits_adoption(&kept)),
            keys: ArcSwap::from_pointee(kept.ring),
            verifiers,
            authorities,
            metadata: ArcSwap::from_pointee(metadata),
            deny_list,
            revocations_behind: AtomicBool::new(false),
            revocation_queue: RevocationQueue::new(),
            revocation_rate: ClientRate::default(),
            refresh_families,
            authenticator,
            proofs,
            process_key,
            audit,
            uses,
            metrics,
            said: Reminders::default(),
            jwks_cache_control: jwks_cache_control(settings)?,
            clock,
            store,
            stopping: AtomicBool::new(false),
        };
        core.register_parts();
        Ok((core, writer))
    }

    /// What its parts count is shown with its own.
    fn register_parts(&self) {
        let metrics = &self.metrics;
        metrics.add_named(|registry| self.trust.metrics.register(registry));
        metrics.add_named(|registry| self.replays().register(registry));
        metrics.add(|registry| {
            self.store.register(registry);
            self.authorities.register(registry);
            self.authenticator.register(registry);
            self.proofs.register(registry);
            self.audit.register(registry);
            self.deny_list.register(registry);
            self.refresh_families.register(registry);
        });
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.changing.acquire().await.ok()
    }

    /// Whether the state of a key, or of a certificate authority, changes by itself now.
    pub(crate) fn has_due_key(&self) -> bool {
        let now = self.now();
        now.as_secs() >= self.next_moment.load(Ordering::Relaxed) || self.authorities.is_due(now)
    }

    /// Whether something was revoked here that may not count yet.
    pub(crate) fn has_revocations_behind(&self) -> bool {
        self.revocations_behind.load(Ordering::Relaxed)
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }

    /// Keeps what verifiers have fetched over a restart, and lets a key that awaited them go on.
    pub(crate) async fn write_down_verifiers(&self) -> Result<(), Error> {
        let settings = self.settings.load_full();
        let live_since = key_upkeep::live_since(&settings, self.now());
        let unsaved = self.verifiers.take_unsaved(live_since);
        if !unsaved.is_empty() {
            self.store
                .put_verifiers(&unsaved, live_since.as_secs())
                .await?;
        }
        if self.awaits_adoption.load(Ordering::Relaxed) {
            self.refresh().await?;
        }
        if self.show_adoption() {
            // Some may have asked another issuer on the same store.
            self.verifiers.learn(self.store.verifiers().await?);
            self.show_adoption();
        }
        Ok(())
    }

    /// Shows how many verifiers lack each key that signs or will. Whether any does.
    fn show_adoption(&self) -> bool {
        let live_since = key_upkeep::live_since(&self.settings.load(), self.now());
        let mut is_lacking = false;
        for (kid, state) in self.key_states.load().iter() {
            if matches!(state, KeyState::Announced | KeyState::Signing) {
                let without = self.verifiers.without(kid, live_since);
                is_lacking |= without > 0;
                self.metrics.keys.lacking(kid, *state, without);
            }
        }
        is_lacking
    }

    /// The verifier `name` gets the key set that holds now.
    pub(crate) fn saw_verifier(&self, name: &str, keys: &Stage) {
        self.verifiers.saw(name, keys.kids(), self.now());
    }

    /// An attempt that comes from `source` now.
    pub(crate) fn attempt(&self, source: Option<IpAddr>) -> Attempt {
        Attempt {
            source,
            now: UnixTime::from(self.clock.now()),
            monotonic: self.clock.monotonic(),
            trace: None,
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(crate) const fn urls(&self) -> &PublicUrls {
        &self.urls
    }

    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.urls.issuer
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// The other issuers that it believes.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    pub(crate) fn keys(&self) -> Guard<Arc<KeyRing>> {
        self.keys.load()
    }

    pub(crate) fn metadata(&self) -> Guard<Arc<Metadata>> {
        self.metadata.load()
    }

    pub(crate) const fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    pub(crate) fn deny_list(&self) -> &DenyList {
        &self.deny_list
    }

    pub(crate) const fn revocation_rate(&self) -> &ClientRate {
        &self.revocation_rate
    }

    /// What is done with refresh tokens.
    pub(crate) fn refreshing(&self) -> RefreshWork<'_> {
        self.refresh_families.of(&self.store, self.clock())
    }

    /// What was applied last.
    pub(crate) fn settings(&self) -> Guard<Arc<IssuerSettings>> {
        self.settings.load()
    }

    /// Whether this client may ask about the tokens of every service.
    pub(crate) fn introspects_all(&self, client: &ClientId) -> bool {
        let settings = self.settings.load();
        settings.introspection_clients.contains(client)
    }

    pub(crate) const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    pub(crate) const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    pub(crate) fn replays(&self) -> &Replays {
        self.proofs.everywhere()
    }

    /// What it was started with.
    pub(crate) const fn started_with(&self) -> &StartSettings {
        &self.start_settings
    }

    pub(crate) const fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) fn uses(&self) -> &Uses {
        &self.uses
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) const fn said(&self) -> &Reminders {
        &self.said
    }

    pub(crate) const fn jwks_cache_control(&self) -> &HeaderValue {
        &self.jwks_cache_control
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// From now on `/health/ready` says no, so that a load balancer sends nothing new.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.deny_list.end_streams();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

fn moment(kept: &Kept) -> u64 {
    kept.next_moment.map_or(u64::MAX, UnixTime::as_secs)
}

fn awaits_adoption(kept: &Kept) -> bool {
    kept.records.iter().any(|key| key.awaits_adoption)
}

/// How long the key set and the metadata may be kept.
fn jwks_cache_control(settings: &IssuerSettings) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(format!(
        "public, max-age={}",
        settings.jwks_max_age.as_secs()
    ))
    .map_err(|_| Error::Internal {
        operation: "writing Cache-Control",
    })
}
