//! The runtime that all clients of a process share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_client::{AuthTokenService, TokenFeignSettings};
use hallpass_upstream::{Network, TraceContext};

use crate::build_error::BuildError;
use crate::client::{Client, Overrides, WeakClient};
use crate::metrics::FeignMetrics;
use crate::observer::{FinishedCall, Observer};
use crate::origin::TraceSource;
use crate::settings::FeignSettings;
use crate::shared::{Configured, Shared};
use crate::spec::SpecOf;

/// What all clients of a process share: connections, tokens, addresses, settings, metrics, and per service the
/// circuit breakers and the retry budget. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_client::TokenFeignSettings;
/// use hallpass_feign::{Feign, FeignSettings};
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// let discovery = StaticDiscovery::new().with("logistics-service", ["127.0.0.1:8082".parse()?]);
/// let feign = Feign::builder(&Network::system(Arc::new(discovery))?).build();
///
/// // Later, when the configuration has changed:
/// feign.apply(&FeignSettings::default(), &TokenFeignSettings::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Feign {
    inner: Arc<FeignInner>,
}

struct FeignInner {
    shared: Arc<Shared>,
    /// Locked while a client is built or settings are applied, so that no client misses a change; never during a call.
    current: Mutex<Current>,
}

struct Current {
    configured: Configured,
    /// Those that exist, and at most as many that are gone.
    clients: Vec<WeakClient>,
}

impl Feign {
    /// Settings first; see [`FeignBuilder`]. The clock of `network` is that of the circuit breakers and of the durations
    /// that are reported; deadlines and waits follow tokio's timers.
    #[must_use]
    pub fn builder(network: &Network) -> FeignBuilder {
        FeignBuilder {
            network: network.clone(),
            tokens: None,
            configured: Configured::default(),
            metrics: FeignMetrics::default(),
            observers: Vec::new(),
            trace_source: None,
        }
    }

    /// The metrics of all clients, for a registry.
    #[must_use]
    pub fn metrics(&self) -> &FeignMetrics {
        &self.inner.shared.metrics
    }

    /// Replaces the sections `feign` and `internal-token.feign` for all clients, those that exist included: where they
    /// call, whose identity they carry, deadlines, retries, breakers. What a client's own builder says still goes over them.
    ///
    /// A call that is under way goes on by the settings it began with; one that begins afterwards goes by these. Where the breaker,
    /// bulkhead, balance or ejection of a service or its retry budget changed, its instances stay known, though discovery may be
    /// away, with how long each takes; circuit breakers start anew where their own settings or the address changed, so do
    /// ejections, and places in a bulkhead and retries are counted anew. Of the guards of a service or method each rate and each breaker
    /// goes on that is set as before.
    ///
    /// # Errors
    /// When the settings of an existing client cannot be used; then nothing has changed for any of them. Settings of
    /// clients that do not exist yet are looked at when these are built.
    pub fn apply(
        &self,
        feign: &FeignSettings,
        tokens: &TokenFeignSettings,
    ) -> Result<(), BuildError> {
        let configured = Configured {
            clients: feign.clone(),
            tokens: tokens.clone(),
        };
        let mut current = self.current();
        let (upstreams, guards) = (&self.inner.shared.upstreams, &self.inner.shared.guards);
        let clients = current.clients.iter().filter_map(WeakClient::upgrade);
        let states = clients.map(|client| Ok((client.state_by(&configured)?, client)));
        // All of them before the first one changes.
        match states.collect::<Result<Vec<_>, BuildError>>() {
            Ok(states) => {
                for (state, client) in states {
                    client.follow(state);
                    client.say_bounds(&configured, Some(&current.configured));
                }
                self.metrics().estate.set(configured.clients.skipped_rules);
                current.configured = configured;
                upstreams.keep_only(&current.configured.clients);
                guards.keep_only(&current.configured.clients);
                self.inner
                    .shared
                    .hedge_budgets
                    .keep_only(&current.configured.clients);
                Ok(())
            }
            Err(error) => {
                upstreams.forget_unused(&current.configured.clients);
                guards.forget_unused(&current.configured.clients);
                Err(error)
            }
        }
    }

    /// For how long after its end a caller's token is still relayed, whoever issued it. Default: as long as this service
    /// accepts it (`security.internal-jwt.leeway-seconds`, or the policy of an issuer that code trusts), so that a token that
    /// it has just accepted can be passed on; 10 s for one that no policy verified.
    ///
    /// It counts for clients that are built from now on, and for all with the next [`apply`](Self::apply).
    pub fn set_relay_leeway(&self, leeway: Duration) {
        self.inner.shared.set_relay_leeway(leeway);
    }

    /// A client by the settings in force, which follows later ones.
    pub(crate) fn client(
        &self,
        spec: impl Into<SpecOf>,
        overrides: Overrides,
    ) -> Result<Client, BuildError> {
        let mut current = self.current();
        let client = Client::new(
            &self.inner.shared,
            &current.configured,
            spec.into(),
            overrides,
        )?;
        client.say_bounds(&current.configured, None);
        let clients = &mut current.clients;
        // Before the list grows, so that looking through it costs little per client.
        if clients.len() == clients.capacity() {
            clients.retain(|client| !client.is_gone());
        }
        clients.push(client.downgrade());
        Ok(client)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.inner
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feign")
            .field("settings", &self.current().configured.clients)
            .finish_non_exhaustive()
    }
}

/// Puts a [`Feign`] together; made by [`Feign::builder`]. Everything but the network has a default.
pub struct FeignBuilder {
    network: Network,
    tokens: Option<AuthTokenService>,
    configured: Configured,
    metrics: FeignMetrics,
    observers: Vec<Observer>,
    trace_source: Option<TraceSource>,
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
        self.configured = Configured {
            clients: feign.clone(),
            tokens: tokens.clone(),
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

    /// Where the trace of a call comes from, in place of the context: for products of tracing that keep spans of their own. `source` is
    /// asked when a call begins and for each attempt, in the caller's task and inside the span of the call; `None` leaves it to the context.
    ///
    /// With `tracing-opentelemetry` it puts the context of `Span::current()` into a header map by the propagator, and reads that:
    ///
    /// ```
    /// use hallpass_upstream::TraceContext;
    /// # fn inject_current_span(headers: &mut http::HeaderMap) {}
    /// # let discovery = std::sync::Arc::new(hallpass_upstream::StaticDiscovery::new());
    /// # let network = hallpass_upstream::Network::system(discovery)?;
    ///
    /// let feign = hallpass_feign::Feign::builder(&network).trace_source(|| {
    ///     let mut headers = http::HeaderMap::new();
    ///     inject_current_span(&mut headers);
    ///     TraceContext::of(&headers)
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trace_source(
        mut self,
        source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.trace_source = Some(TraceSource(Arc::new(source)));
        self
    }

    /// The runtime. Opens no connection and starts no task.
    #[must_use]
    pub fn build(self) -> Feign {
        let observers = self.observers.into();
        self.metrics
            .estate
            .set(self.configured.clients.skipped_rules);
        let shared = Shared::new(
            self.tokens,
            self.network,
            self.metrics,
            observers,
            self.trace_source,
        );
        Feign {
            inner: Arc::new(FeignInner {
                shared: Arc::new(shared),
                current: Mutex::new(Current {
                    configured: self.configured,
                    clients: Vec::new(),
                }),
            }),
        }
    }
}

impl fmt::Debug for FeignBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeignBuilder")
            .field("settings", &self.configured.clients)
            .finish_non_exhaustive()
    }
}
