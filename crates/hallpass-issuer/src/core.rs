//! What every request reads: immutable snapshots behind atomic swaps, and the state that is not swapped.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::settings::IssuerSettings;
use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::hmac;
use hallpass_clock::Clock;
use hallpass_token::{Issuer, UnixTime};
use http::HeaderValue;

use crate::audit::{self, Audit, AuditWriter};
use crate::clients::configured;
use crate::clients::registry::{ClientMetrics, Registry};
use crate::clients::secret::process_key;
use crate::error::Error;
use crate::http::metadata::Metadata;
use crate::http::public_urls::PublicUrls;
use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::ring::{KeyMetrics, KeyRing};
use crate::keys::rotation;
use crate::metrics::Metrics;
use crate::start_settings::StartSettings;
use crate::store::Store;
use crate::store::keys::{MAX_WRITES, StoredKeys};
use crate::token::client_auth::{Attempt, Authenticator};
use crate::token_shapes::TokenShapes;

/// One issuer, without its sockets.
#[derive(Debug)]
pub(crate) struct Core {
    urls: PublicUrls,
    clock: Arc<dyn Clock>,
    /// Random, never leaves the process: what is remembered of secrets is an HMAC under it.
    process_key: hmac::Key,
    start_settings: StartSettings,
    registry: ArcSwap<Registry>,
    keys: ArcSwap<KeyRing>,
    metadata: ArcSwap<Metadata>,
    authenticator: Authenticator,
    audit: Audit,
    metrics: Metrics,
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
    ) -> Result<(Self, AuditWriter), Error> {
        let store = Store::open(&settings.store, settings.sealing_key()).await?;
        let metrics = Metrics::new();
        let process_key = process_key()?;
        let registry =
            load_registry(settings, &store, None, &process_key, &metrics.clients).await?;
        let keys = load_keys(settings, &store, clock.as_ref(), &metrics.keys).await?;
        let metadata = Metadata::render(&urls, &registry, &keys)?;
        let (audit, writer) = audit::queue();
        let authenticator = Authenticator::new(process_key.clone());
        metrics.add(|registry| {
            store.register(registry);
            authenticator.register(registry);
            audit.register(registry);
        });
        let core = Self {
            urls,
            start_settings: StartSettings::new(settings, &process_key),
            registry: ArcSwap::from_pointee(registry),
            keys: ArcSwap::from_pointee(keys),
            metadata: ArcSwap::from_pointee(metadata),
            authenticator,
            process_key,
            audit,
            metrics,
            jwks_cache_control: jwks_cache_control(settings)?,
            clock,
            store,
            stopping: AtomicBool::new(false),
        };
        Ok((core, writer))
    }

    /// Reads keys and registry again and swaps them in; on an error everything stays as it was.
    ///
    /// Who was right from where, and what is remembered of secrets, outlives the change. Changed settings that need a
    /// restart are named in the log and have no effect.
    pub(crate) async fn apply(&self, settings: &IssuerSettings) -> Result<(), Error> {
        self.store.check_not_replaced()?;
        let known = self.registry();
        let registry = load_registry(
            settings,
            &self.store,
            Some(&known),
            &self.process_key,
            &self.metrics.clients,
        )
        .await?;
        let keys = load_keys(
            settings,
            &self.store,
            self.clock.as_ref(),
            &self.metrics.keys,
        )
        .await?;
        let metadata = Metadata::render(&self.urls, &registry, &keys)?;
        self.keys.store(Arc::new(keys));
        self.registry.store(Arc::new(registry));
        self.metadata.store(Arc::new(metadata));
        let now = StartSettings::new(settings, &self.process_key);
        for key in self.start_settings.changed_in(&now) {
            tracing::warn!(
                key = format!("issuer.{key}"),
                "a changed setting needs a restart"
            );
        }
        Ok(())
    }

    /// An attempt that comes from `source` now.
    pub(crate) fn attempt(&self, source: Option<IpAddr>) -> Attempt {
        Attempt {
            source,
            now: UnixTime::from(self.clock.now()),
            monotonic: self.clock.monotonic(),
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

    pub(crate) fn keys(&self) -> Guard<Arc<KeyRing>> {
        self.keys.load()
    }

    pub(crate) fn metadata(&self) -> Guard<Arc<Metadata>> {
        self.metadata.load()
    }

    pub(crate) const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    pub(crate) const fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
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
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

async fn load_registry(
    settings: &IssuerSettings,
    store: &Store,
    known: Option<&Arc<Registry>>,
    process_key: &hmac::Key,
    metrics: &ClientMetrics,
) -> Result<Registry, Error> {
    let mut registrations = configured::registrations(settings, process_key)?;
    registrations.extend(store.clients().await?);
    let registry = Registry::build(registrations, known.map(Arc::as_ref), metrics)?;
    if registry.is_empty() {
        tracing::warn!("no client is registered: every token request will be refused");
    }
    Ok(registry)
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

/// The keys of the store, with new ones in it for the algorithms that have none.
///
/// Another process may change the keys between reading and writing: then its keys are read first.
async fn load_keys(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    metrics: &KeyMetrics,
) -> Result<KeyRing, Error> {
    for _ in 0..MAX_WRITES {
        let stored = store.keys().await?;
        if let Some(ring) = complete_keys(settings, store, stored, clock, metrics).await? {
            return Ok(ring);
        }
    }
    Err(store.busy())
}

/// `None` when the store does not have the keys of `stored` any more. Nothing is written that could not be published.
///
/// At the first start keys sign at once, since no verifier knows any; later a new key is announced first.
async fn complete_keys(
    settings: &IssuerSettings,
    store: &Store,
    mut stored: StoredKeys,
    clock: &dyn Clock,
    metrics: &KeyMetrics,
) -> Result<Option<KeyRing>, Error> {
    let now = UnixTime::from(clock.now());
    let shapes = TokenShapes::new(&settings.audiences);
    let records = &mut stored.records;
    let is_first = !records.iter().any(|key| key.state == KeyState::Signing);
    let state = if is_first {
        KeyState::Signing
    } else {
        KeyState::Announced
    };
    let mut created = Vec::new();
    for algorithm in std::iter::once(settings.algorithm).chain(shapes.algorithms()) {
        let has_key =
            |key: &KeyRecord| key.algorithm == algorithm && key.state != KeyState::Published;
        if !records.iter().any(has_key) {
            let key = KeyRecord::generate(algorithm, state, now).await?;
            created.push((key.kid.clone(), algorithm));
            records.push(key);
        }
    }
    let mut changed = rotation::advance(records, now, settings.key_announce());
    changed.extend(created.iter().map(|(kid, _)| kid.clone()));
    let (algorithm, announce) = (settings.algorithm, settings.key_announce());
    let ring = KeyRing::new(records, algorithm, announce, shapes)
        .map_err(|problem| store.damaged(problem))?;
    if !changed.is_empty() {
        let keys = stored.records.iter();
        let keys: Vec<_> = keys.filter(|key| changed.contains(&key.kid)).collect();
        if !store.add_keys(&stored, keys).await? {
            return Ok(None);
        }
    }
    for (kid, algorithm) in created {
        tracing::info!(%kid, algorithm = algorithm.as_str(), state = state.as_str(), "created a signing key");
    }
    metrics.set(&stored.records);
    Ok(Some(ring))
}
