//! The runtime that all clients of a process share.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::settings::FeignSettings;
use hallpass_client::AuthTokenService;
use hallpass_client::TokenFeignSettings;
use hallpass_clock::{Clock, SystemClock};
use hallpass_upstream::{
    Address, Discover, HttpTransport, StaticDiscovery, Upstream, UpstreamSettings,
};

use crate::build_error::BuildError;
use crate::identity::Withheld;
use crate::metrics::{BreakerGauges, FeignMetrics};
use crate::observer::{FinishedCall, Observer};

/// What all clients of a process share: connections, tokens, addresses, settings, metrics, and per service the
/// circuit breakers and the retry budget. Cheap to clone.
///
/// ```
/// use hallpass_upstream::StaticDiscovery;
/// use hallpass_feign::Feign;
///
/// let discovery = StaticDiscovery::new().with("logistics-service", ["127.0.0.1:8082".parse()?]);
/// let feign = Feign::builder().discovery(discovery).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Feign {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) tokens: Option<AuthTokenService>,
    pub(crate) discovery: Arc<dyn Discover>,
    pub(crate) transport: HttpTransport,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: FeignSettings,
    pub(crate) metrics: FeignMetrics,
    pub(crate) observers: Arc<[Observer]>,
    token_less: TokenLess,
    /// By client name: as many as there are clients in the code with settings of their own.
    upstreams: Mutex<HashMap<&'static str, Vec<Arc<Upstream>>>>,
}

/// Which clients go without tokens (`internal-token.feign`).
#[derive(Default)]
struct TokenLess {
    /// All of them, as far as this service's own tokens go.
    all: bool,
    /// These carry nobody's.
    named: BTreeSet<String>,
}

impl Feign {
    /// Settings first; see [`FeignBuilder`].
    #[must_use]
    pub fn builder() -> FeignBuilder {
        FeignBuilder::default()
    }

    /// The metrics of all clients, for a registry.
    #[must_use]
    pub fn metrics(&self) -> &FeignMetrics {
        &self.shared.metrics
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What the client of this name never carries.
    pub(crate) fn withheld(&self, name: &str) -> Withheld {
        let TokenLess { all, named } = &self.shared.token_less;
        match (named.contains(name), all) {
            (true, _) => Withheld::Everything,
            (false, true) => Withheld::ServiceToken,
            (false, false) => Withheld::Nothing,
        }
    }

    /// The state of a service, shared by all clients of that name which call the same address with the same settings.
    pub(crate) fn upstream(
        &self,
        client: &'static str,
        address: &Address,
        settings: &UpstreamSettings,
    ) -> Arc<Upstream> {
        let shared = &self.shared;
        let mut upstreams = shared
            .upstreams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = upstreams.entry(client).or_default();
        let same = known
            .iter()
            .find(|known| known.address() == address && known.settings() == settings);
        if let Some(upstream) = same {
            return Arc::clone(upstream);
        }
        let name = match address {
            Address::LoadBalanced(service) => Arc::clone(service),
            Address::Fixed(_) => Arc::from(client),
        };
        let (discovery, clock) = (Arc::clone(&shared.discovery), Arc::clone(&shared.clock));
        let upstream = Upstream::new(name, address.clone(), discovery, clock)
            .with_settings(settings.clone())
            .with_observer(BreakerGauges::new(client, &shared.metrics));
        let upstream = Arc::new(upstream);
        known.push(Arc::clone(&upstream));
        upstream
    }
}

impl fmt::Debug for Feign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feign")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

/// Puts a [`Feign`] together. Everything has a default.
#[derive(Default)]
pub struct FeignBuilder {
    tokens: Option<AuthTokenService>,
    discovery: Option<Arc<dyn Discover>>,
    transport: Option<HttpTransport>,
    clock: Option<Arc<dyn Clock>>,
    settings: FeignSettings,
    token_less: TokenLess,
    metrics: FeignMetrics,
    observers: Vec<Observer>,
}

impl FeignBuilder {
    /// Where service tokens come from. Without one, calls that need a service token fail before anything is sent.
    #[must_use]
    pub fn tokens(mut self, tokens: AuthTokenService) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Finds the instances of `lb://` services. Default: knows none.
    #[must_use]
    pub fn discovery(mut self, discovery: impl Discover) -> Self {
        self.discovery = Some(Arc::new(discovery));
        self
    }

    /// As [`FeignBuilder::discovery`], for a discovery that others use too.
    #[must_use]
    pub fn shared_discovery(mut self, discovery: Arc<dyn Discover>) -> Self {
        self.discovery = Some(discovery);
        self
    }

    /// Connections. Default: [`HttpTransport::new`].
    #[must_use]
    pub fn transport(mut self, transport: HttpTransport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Time for the circuit breakers and the durations that are reported; deadlines and waits follow tokio's timers.
    /// Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The sections `feign` and `internal-token.feign` of the configuration. Clients in `skip_clients` carry no token,
    /// whatever identity they state. When `enabled` is false no client carries a service token: those with
    /// `identity = "service"` carry none at all, and those that relay a caller still do.
    #[must_use]
    pub fn settings(mut self, feign: &FeignSettings, tokens: &TokenFeignSettings) -> Self {
        self.settings = feign.clone();
        self.token_less = TokenLess {
            all: !tokens.enabled,
            named: tokens.skip_clients.iter().cloned().collect(),
        };
        self
    }

    /// Counts into these metrics instead of new ones.
    #[must_use]
    pub fn metrics(mut self, metrics: FeignMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Tells `observer` of each finished call, in the caller's task and before the method returns: it must be quick.
    /// May be given several times.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&FinishedCall) + Send + Sync + 'static) -> Self {
        self.observers.push(Observer(Arc::new(observer)));
        self
    }

    /// The runtime. Opens no connection and starts no task.
    ///
    /// # Errors
    /// [`BuildError::Transport`] when no transport was given and the default one can not be made.
    pub fn build(self) -> Result<Feign, BuildError> {
        let transport = match self.transport {
            Some(transport) => transport,
            None => HttpTransport::new().map_err(BuildError::Transport)?,
        };
        Ok(Feign {
            shared: Arc::new(Shared {
                tokens: self.tokens,
                discovery: self
                    .discovery
                    .unwrap_or_else(|| Arc::new(StaticDiscovery::new())),
                transport,
                clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
                settings: self.settings,
                metrics: self.metrics,
                observers: self.observers.into(),
                token_less: self.token_less,
                upstreams: Mutex::default(),
            }),
        })
    }
}

impl fmt::Debug for FeignBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeignBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
