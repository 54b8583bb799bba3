//! Putting a token service together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::TokenServiceSettings;
use hallpass_clock::{Clock, SystemClock};
use hallpass_upstream::{Body, Discover, HttpTransport, TransportError};
use http::{Request, Response};
use tower_service::Service;

use super::AuthTokenService;
use super::entries::Entries;
use super::flight::Flights;
use super::minting::Mint;
use super::obtain::ClientCredentials;
use super::state::{Credentials, TokenServiceState};
use super::tiers::Tiers;
use crate::credential::Credential;
use crate::grant::{Issuers, TokenClient, TokenTransport};
use crate::internal_token_cache::InternalTokenCache;
use crate::metrics::ClientMetrics;

/// Default limit for one token request: finding the issuer, connecting, all attempts, the whole answer.
const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Default number of tokens kept in memory besides those that a handle holds.
const DEFAULT_MAX_ENTRIES: usize = 10_000;
/// Default shortest time between two forced renewals of one key.
const DEFAULT_MIN_FORCED_INTERVAL: Duration = Duration::from_secs(1);

/// Settings of an [`AuthTokenService`]; made by [`AuthTokenService::builder`].
#[derive(Debug)]
pub struct AuthTokenServiceBuilder {
    own: Credential,
    clients: Vec<Credential>,
    transport: TokenTransport,
    clock: Arc<dyn Clock>,
    discovery: Option<Arc<dyn Discover>>,
    keeps: bool,
    max_entries: usize,
    shared: Vec<Arc<dyn InternalTokenCache>>,
    metrics: ClientMetrics,
    fetch_timeout: Duration,
    min_forced_interval: Duration,
}

impl AuthTokenService {
    /// A service that asks with `credential` over `transport`; all else as the builder's methods say.
    ///
    /// The transport is any tower service over HTTP, so that a test can script an issuer. It must not add
    /// an identity of its own.
    pub fn builder<T>(credential: Credential, transport: T) -> AuthTokenServiceBuilder
    where
        T: Service<Request<Body>, Response = Response<Body>, Error = TransportError>,
        T: Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
    {
        AuthTokenServiceBuilder::new(credential, TokenTransport::new(transport))
    }

    /// The service that the section `internal-token` describes.
    pub fn from_settings(
        settings: &TokenServiceSettings,
        transport: HttpTransport,
        discovery: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let builder = AuthTokenServiceBuilder::from_settings(settings, transport);
        builder.discovery(discovery).clock(clock).build()
    }

    /// A service without credential: every token is refused with
    /// [`TokenError::Disabled`](crate::TokenError::Disabled).
    #[must_use]
    pub fn disabled() -> Self {
        let metrics = ClientMetrics::new();
        let flights = Flights {
            mint: Mint::new(Arc::new(SystemClock::new())),
            tiers: Tiers::new(Vec::new(), metrics.clone()),
            metrics,
            min_forced_interval: DEFAULT_MIN_FORCED_INTERVAL,
        };
        Self {
            state: Arc::new(TokenServiceState {
                credentials: None,
                keeps: false,
                entries: Entries::new(0),
                flights: Arc::new(flights),
            }),
        }
    }
}

impl AuthTokenServiceBuilder {
    fn new(own: Credential, transport: TokenTransport) -> Self {
        Self {
            own,
            clients: Vec::new(),
            transport,
            clock: Arc::new(SystemClock::new()),
            discovery: None,
            keeps: true,
            max_entries: DEFAULT_MAX_ENTRIES,
            shared: Vec::new(),
            metrics: ClientMetrics::new(),
            fetch_timeout: DEFAULT_FETCH_TIMEOUT,
            min_forced_interval: DEFAULT_MIN_FORCED_INTERVAL,
        }
    }

    /// Credentials and memory tier of the section `internal-token`.
    pub fn from_settings(settings: &TokenServiceSettings, transport: HttpTransport) -> Self {
        let own = Credential::from(&settings.credential);
        let mut builder = Self::new(own, TokenTransport::new(transport));
        for client in &settings.clients {
            builder = builder.client(Credential::from(&client.credential));
        }
        let memory = settings.memory_cache;
        let max_entries = usize::try_from(memory.max_entries).unwrap_or(usize::MAX);
        if memory.enabled {
            builder.memory_cache(max_entries)
        } else {
            builder.without_memory_cache()
        }
    }

    /// A further credential, for calls to its audience. Without an audience, or after another one for the
    /// same audience, it is never chosen.
    #[must_use]
    pub fn client(mut self, credential: Credential) -> Self {
        self.clients.push(credential);
        self
    }

    /// Finds the instances of `lb://` token endpoints; the last known ones go on while it fails.
    /// Default: none, `lb://` endpoints have no address.
    #[must_use]
    pub fn discovery(mut self, discovery: Arc<dyn Discover>) -> Self {
        self.discovery = Some(discovery);
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
        self.max_entries = max_entries;
        self.keeps = true;
        self
    }

    /// Keeps no token in memory: each call asks the shared tiers or, without any, the issuer.
    #[must_use]
    pub fn without_memory_cache(mut self) -> Self {
        self.keeps = false;
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
        let credentials = self.clients.iter().chain([&self.own]);
        let endpoints = credentials.map(|credential| &credential.endpoint);
        let issuers = Issuers::new(endpoints, self.discovery.as_ref(), &self.clock);
        let client = TokenClient::new(self.transport, issuers, self.fetch_timeout);
        let client = Arc::new(client);
        let asks_with = |credential| Arc::new(ClientCredentials::new(credential, client.clone()));
        let mut by_audience = HashMap::new();
        for credential in self.clients {
            if let Some(audience) = credential.audience.clone() {
                let first = by_audience.entry(audience);
                first.or_insert_with(|| asks_with(credential));
            }
        }
        let flights = Flights {
            mint: Mint::new(self.clock),
            tiers: Tiers::new(self.shared, self.metrics.clone()),
            metrics: self.metrics.clone(),
            min_forced_interval: self.min_forced_interval,
        };
        let state = TokenServiceState {
            credentials: Some(Credentials {
                own: asks_with(self.own),
                by_audience,
            }),
            keeps: self.keeps,
            entries: Entries::new(self.max_entries),
            flights: Arc::new(flights),
        };
        AuthTokenService {
            state: Arc::new(state),
        }
    }
}
