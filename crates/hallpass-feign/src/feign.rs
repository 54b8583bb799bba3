//! The runtime that all clients of a process share.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_client::{AuthTokenService, TokenFeignSettings};
use hallpass_upstream::{Address, Network, Upstream, UpstreamSettings};

use crate::identity::Withheld;
use crate::metrics::{BreakerGauges, FeignMetrics};
use crate::observer::{FinishedCall, Observer};
use crate::settings::FeignSettings;

/// What all clients of a process share: connections, tokens, addresses, settings, metrics, and per service the
/// circuit breakers and the retry budget. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_feign::Feign;
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// let discovery = StaticDiscovery::new().with("logistics-service", ["127.0.0.1:8082".parse()?]);
/// let feign = Feign::builder(&Network::system(Arc::new(discovery))?).build();
/// # let _ = feign;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Feign {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) tokens: Option<AuthTokenService>,
    pub(crate) network: Network,
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
    /// Settings first; see [`FeignBuilder`]. The clock of `network` is that of the circuit breakers and of the durations
    /// that are reported; deadlines and waits follow tokio's timers.
    #[must_use]
    pub fn builder(network: &Network) -> FeignBuilder {
        FeignBuilder {
            network: network.clone(),
            tokens: None,
            settings: FeignSettings::default(),
            token_less: TokenLess::default(),
            metrics: FeignMetrics::default(),
            observers: Vec::new(),
        }
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
        let Network {
            discovery, clock, ..
        } = &shared.network;
        let (discovery, clock) = (Arc::clone(discovery), Arc::clone(clock));
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

/// Puts a [`Feign`] together; made by [`Feign::builder`]. Everything but the network has a default.
pub struct FeignBuilder {
    network: Network,
    tokens: Option<AuthTokenService>,
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
    #[must_use]
    pub fn build(self) -> Feign {
        Feign {
            shared: Arc::new(Shared {
                tokens: self.tokens,
                network: self.network,
                settings: self.settings,
                metrics: self.metrics,
                observers: self.observers.into(),
                token_less: self.token_less,
                upstreams: Mutex::default(),
            }),
        }
    }
}

impl fmt::Debug for FeignBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeignBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
