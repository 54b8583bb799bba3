//! Putting a token service together.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::{Clock, SystemClock};
use hallpass_upstream::{Body, Discover, HttpTransport, Network, TransportError};
use http::{Request, Response};
use tower_service::Service;

use super::AuthTokenService;
use super::entries::Entries;
use super::exchange::Exchanges;
use super::exchange::kept::SharedKept;
use super::flight::Flights;
use super::minting::Mint;
use super::notices::Notices;
use super::purge::Purge;
use super::revoked::{Held, Revoked};
use super::snapshot::{PlannedClient, Snapshot, SnapshotPlan};
use super::state::TokenServiceState;
use super::tiers::Tiers;
use crate::credential::Credential;
use crate::error::TokenSettingsError;
use crate::grant::{Issuers, TokenClient, TokenTransport};
use crate::internal_token_cache::InternalTokenCache;
use crate::metrics::ClientMetrics;
use crate::settings::InternalTokenSettings;

/// Default limit for one token request: finding the issuer, connecting, all attempts, the whole response.
const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Default shortest time between two forced renewals of one key.
const DEFAULT_MIN_FORCED_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer than for a token request of its own a process waits for the one of another process.
const LEASE_SLACK: Duration = Duration::from_secs(1);

/// Settings of an [`AuthTokenService`]; made by [`AuthTokenService::builder`].
#[derive(Debug)]
pub struct AuthTokenServiceBuilder {
    plan: SnapshotPlan,
    transport: TokenTransport,
    /// The same, where it is one whose certificate is known.
    shows: Option<HttpTransport>,
    clock: Arc<dyn Clock>,
    discovery: Option<Arc<dyn Discover>>,
    network: Option<Network>,
    shared: Vec<Arc<dyn InternalTokenCache>>,
    metrics: ClientMetrics,
    fetch_timeout: Duration,
    min_forced_interval: Duration,
}

impl AuthTokenService {
    /// A service that asks with `credential` over `transport`; all else as the builder's methods say.
    ///
    /// The transport is any tower service over HTTP, so that a test can script an issuer. It must not add
    /// an identity of its own. Of an [`HttpTransport`] it is known which certificate it shows: a token that is bound to that one
    /// (RFC 8705 section 3) goes over connections that show it, and is asked for again when the certificate changes.
    pub fn builder<T>(credential: Credential, transport: T) -> AuthTokenServiceBuilder
    where
        T: Service<Request<Body>, Response = Response<Body>, Error = TransportError>,
        T: Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
    {
        let plan = SnapshotPlan::new(Some(credential));
        let shows = (&transport as &dyn Any).downcast_ref().cloned();
        let builder = AuthTokenServiceBuilder::new(plan, TokenTransport::new(transport));
        AuthTokenServiceBuilder { shows, ..builder }
    }

    /// The service that the section `internal-token` describes. Switched off there, it refuses every token with
    /// [`TokenError::Disabled`](crate::TokenError::Disabled) until [`apply`](Self::apply) switches it on.
    ///
    /// # Errors
    /// When the settings cannot work. A section that was loaded has no such fault.
    pub fn from_settings(
        settings: &InternalTokenSettings,
        network: &Network,
    ) -> Result<Self, TokenSettingsError> {
        let builder = AuthTokenServiceBuilder::from_settings(settings, network)?;
        Ok(builder.build())
    }
}

impl AuthTokenServiceBuilder {
    fn new(plan: SnapshotPlan, transport: TokenTransport) -> Self {
        Self {
            plan,
            transport,
            shows: None,
            clock: Arc::new(SystemClock::new()),
            discovery: None,
            network: None,
            shared: Vec::new(),
            metrics: ClientMetrics::new(),
            fetch_timeout: DEFAULT_FETCH_TIMEOUT,
            min_forced_interval: DEFAULT_MIN_FORCED_INTERVAL,
        }
    }

    /// Credentials and memory of the section `internal-token`, asked for over `network`; for what the section does not
    /// say, such as shared tiers.
    ///
    /// # Errors
    /// As [`AuthTokenService::from_settings`].
    pub fn from_settings(
        settings: &InternalTokenSettings,
        network: &Network,
    ) -> Result<Self, TokenSettingsError> {
        let plan = SnapshotPlan::from_settings(settings)?;
        let transport = TokenTransport::new(network.transport.clone());
        let mut builder = Self::new(plan, transport).clock(Arc::clone(&network.clock));
        builder.shows = Some(network.transport.clone());
        let builder = builder.discovery(Arc::clone(&network.discovery));
        Ok(builder.revocations_over(network))
    }

    /// A further credential, for calls to its audience. Without an audience, or after another one for the
    /// same audience, it is never chosen.
    #[must_use]
    pub fn client(mut self, credential: Credential) -> Self {
        self.plan.clients.push(PlannedClient {
            name: None,
            credential,
        });
        self
    }

    /// A further credential, for [`handle_as`](AuthTokenService::handle_as) with its name, and for calls to its audience where it
    /// has one. After another one of the same name it is not found by it.
    #[must_use]
    pub fn named_client(mut self, name: &str, credential: Credential) -> Self {
        self.plan.clients.push(PlannedClient {
            name: Some(name.into()),
            credential,
        });
        self
    }

    /// Finds the instances of `lb://` token endpoints; the last known ones go on for some minutes while it fails. One that
    /// answers is asked again the next time.
    /// Default: none, `lb://` endpoints have no address.
    #[must_use]
    pub fn discovery(mut self, discovery: Arc<dyn Discover>) -> Self {
        self.discovery = Some(discovery);
        self
    }

    /// Follows over `network` what the issuers have revoked, where a credential says where that is
    /// ([`Credential::with_revocations`]). Default: nothing is followed; [`from_settings`](Self::from_settings) follows what the
    /// settings say.
    #[must_use]
    pub fn revocations_over(mut self, network: &Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// Default: the operating system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps at most `max_entries` tokens in memory besides those that a handle holds; default
    /// 10,000.
    #[must_use]
    pub fn memory_cache(mut self, max_entries: usize) -> Self {
        self.plan.max_entries = max_entries;
        self.plan.keeps = true;
        self
    }

    /// Keeps no token in memory: each call asks the shared tiers or, without any, the issuer.
    #[must_use]
    pub fn without_memory_cache(mut self) -> Self {
        self.plan.keeps = false;
        self
    }

    /// A tier behind the memory, asked in the order of adding; default: none.
    #[must_use]
    pub fn shared_cache(mut self, tier: Arc<dyn InternalTokenCache>) -> Self {
        self.shared.push(tier);
        self
    }

    /// Counts in `metrics`, so that several parts of a process share one registration.
    #[must_use]
    pub fn metrics(mut self, metrics: &ClientMetrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// The limit of one token request: finding the issuer, connecting, all attempts, the whole response. Default 3 s.
    #[must_use]
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// Shortest time between two renewals of one key that a callee's 401 forces; default
    /// 1 s. A callee that rejects every token costs one request per interval.
    #[must_use]
    pub fn min_forced_interval(mut self, interval: Duration) -> Self {
        self.min_forced_interval = interval;
        self
    }

    /// The service. Asks for nothing yet and needs no runtime here.
    #[must_use]
    pub fn build(self) -> AuthTokenService {
        let issuers = Issuers::new(self.discovery, Arc::clone(&self.clock));
        let client = TokenClient::new(self.transport, issuers, self.fetch_timeout)
            .following_over(self.network)
            .showing(self.shows);
        let entries = Arc::new(Entries::new(self.plan.max_entries));
        let caches = &self.metrics.caches;
        let tiers = Arc::new(Tiers::new(self.shared, caches.clone()));
        let mint = Arc::new(Mint::new(Arc::clone(&self.clock)));
        let exchanged = SharedKept::new();
        let revoked = Arc::new(Revoked::new(Held {
            entries: Arc::clone(&entries),
            exchanged: exchanged.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.revoked.clone(),
        }));
        let exchanges = Exchanges::new(
            exchanged,
            Arc::clone(&revoked),
            Arc::clone(&mint),
            self.metrics.requests.clone(),
            self.min_forced_interval,
        );
        let flights = Flights {
            mint: Arc::clone(&mint),
            purge: Arc::new(Purge::new(Arc::clone(&tiers))),
            revoked,
            tiers,
            no_tiers: Tiers::new(Vec::new(), caches.clone()),
            notices: Notices::new(Arc::clone(&entries), self.clock, caches.clone()),
            metrics: self.metrics.requests.clone(),
            min_forced_interval: self.min_forced_interval,
            patience: self.fetch_timeout.saturating_add(LEASE_SLACK),
        };
        let snapshot = Snapshot::first(self.plan, &client);
        AuthTokenService {
            state: Arc::new(TokenServiceState::new(
                snapshot,
                entries,
                flights,
                exchanges,
                self.metrics,
            )),
        }
    }
}
