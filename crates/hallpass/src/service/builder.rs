//! How a [`Hallpass`] is put together.

use std::fmt;
use std::sync::{Arc, Mutex};

#[cfg(feature = "feign")]
use hallpass_client::AuthTokenService;
use hallpass_client::AuthTokenServiceBuilder;
use hallpass_clock::{Clock, SystemClock};
#[cfg(feature = "dns")]
use hallpass_dns::DnsDiscovery;
#[cfg(feature = "feign")]
use hallpass_feign::{Feign, FinishedCall};
use hallpass_listen::ConnectionMetrics;
#[cfg(feature = "redis")]
use hallpass_redis::{
    RedisBlacklist, RedisRateStore, RedisReplayStore, RedisRevocations, RedisTokenCache,
};
#[cfg(feature = "resource")]
use hallpass_resource::ResourceServers;
#[cfg(feature = "nacos")]
use hallpass_tls::{ClientTls, TlsMetrics};
#[cfg(feature = "feign")]
use hallpass_upstream::TraceContext;
use hallpass_upstream::{Discover, HttpTransport, Network};

use super::addresses::Addresses;
#[cfg(feature = "certificates")]
use super::certificates::{self, Certificates};
#[cfg(feature = "dns")]
use super::dns::{dns, looking_up};
use super::tls::ServiceTls;
use super::{Hallpass, Shared};
use crate::metrics::PlainHttpMetric;
use crate::reload::ReloadMetrics;
use crate::{Error, Settings};

impl Hallpass {
    /// As [`from_settings`](Self::from_settings), with parts that the caller brings.
    pub fn builder(settings: &Settings) -> HallpassBuilder<'_> {
        HallpassBuilder {
            settings,
            clock: None,
            discovery: None,
            transport: None,
            #[cfg(feature = "nacos")]
            nacos: None,
            #[cfg(feature = "otlp")]
            otlp: None,
            #[cfg(feature = "feign")]
            observer: None,
            #[cfg(feature = "feign")]
            trace_source: None,
        }
    }
}

#[cfg(feature = "feign")]
type Observer = Box<dyn Fn(&FinishedCall) + Send + Sync>;
#[cfg(feature = "feign")]
type TraceSource = Box<dyn Fn() -> Option<TraceContext> + Send + Sync>;

/// Puts a [`Hallpass`] together; made by [`Hallpass::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct HallpassBuilder<'a> {
    settings: &'a Settings,
    clock: Option<Arc<dyn Clock>>,
    discovery: Option<Arc<dyn Discover>>,
    transport: Option<HttpTransport>,
    #[cfg(feature = "nacos")]
    nacos: Option<crate::nacos::Nacos>,
    #[cfg(feature = "otlp")]
    otlp: Option<crate::otlp::Otlp>,
    #[cfg(feature = "feign")]
    observer: Option<Observer>,
    #[cfg(feature = "feign")]
    trace_source: Option<TraceSource>,
}

impl HallpassBuilder<'_> {
    /// Another clock, for tests. Default: the operating system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Finds instances in place of `discovery.static` and `discovery.dns`. While it does not answer, those it gave last go on for
    /// `discovery.outage-memory-seconds`.
    pub fn discovery(mut self, discovery: Arc<dyn Discover>) -> Self {
        self.discovery = Some(discovery);
        self
    }

    /// Finds instances in Nacos that do not stand in `discovery.static`, if `nacos` has a discovery, and shows what it
    /// counts. While no server answers, the last ones go on for `discovery.outage-memory-seconds`. A
    /// [`discovery`](Self::discovery) that is given as well takes the place of both.
    #[cfg(feature = "nacos")]
    pub fn nacos(mut self, nacos: &crate::nacos::Nacos) -> Self {
        self.nacos = Some(nacos.clone());
        self
    }

    /// Another transport: with a private certificate authority, or with a client certificate. The sections `tls` and
    /// `transport` then count for nothing; `service.tls` still does. With `discovery.dns` it looks up the names of instances by
    /// itself.
    pub fn transport(mut self, transport: HttpTransport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Begins the export of spans, where `telemetry.otlp` names a collector, and shows what it counts; without this the log warns then. It needs a tokio runtime then. The layer of
    /// `otlp` stands in the subscriber of the process.
    #[cfg(feature = "otlp")]
    pub fn otlp(mut self, otlp: &crate::otlp::Otlp) -> Self {
        self.otlp = Some(otlp.clone());
        self
    }

    #[cfg(feature = "feign")]
    /// Is told of each finished call, before the method returns: must be quick. No token is in it.
    pub fn observe(mut self, observer: impl Fn(&FinishedCall) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    #[cfg(feature = "feign")]
    /// Where the trace of a call comes from, in place of the context: see
    /// [`FeignBuilder::trace_source`](hallpass_feign::FeignBuilder::trace_source).
    pub fn trace_source(
        mut self,
        source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.trace_source = Some(Box::new(source));
        self
    }

    /// The parts.
    ///
    /// # Errors
    /// As [`Hallpass::from_settings`].
    pub fn build(self) -> Result<Hallpass, Error> {
        #[cfg(feature = "certificates")]
        if self.settings.certificates.is_some() {
            return Err(Error::NotStarted);
        }
        let ground = self.ground()?;
        self.build_on(ground)
    }

    /// The parts, with a certificate as the section `certificates` says, where there is one: it is there when this returns, and is kept good
    /// for as long as the runtime goes on. Without the section as [`build`](Self::build).
    ///
    /// # Errors
    /// As [`Hallpass::start`].
    #[cfg(feature = "certificates")]
    pub async fn start(self) -> Result<Hallpass, Error> {
        let mut ground = self.ground()?;
        if let Some(settings) = &self.settings.certificates {
            let builder = HttpTransport::builder();
            #[cfg(feature = "dns")]
            let builder = looking_up(builder, ground.dns.as_ref());
            let builder = builder.dangerous_plain_http(self.settings.tls.dangerous_plain_http);
            // Connections of their own: those of the service show a certificate that is not there yet, or has ended.
            let transport = match &self.transport {
                Some(transport) => transport.clone(),
                None => certificates::transport(settings, builder, &ground.clock)?,
            };
            let clock = Arc::clone(&ground.clock);
            let way = Network::new(transport, ground.addresses.discovery(), clock);
            ground.certificates = Some(Certificates::start(settings, self.settings, &way).await?);
        }
        self.build_on(ground)
    }

    /// What is there before any connection.
    fn ground(&self) -> Result<Ground, Error> {
        let settings = self.settings;
        #[cfg(feature = "dns")]
        let dns = dns(settings, self.discovery.is_none())?;
        let found: [Option<Arc<dyn Discover>>; 2] = [
            #[cfg(feature = "nacos")]
            nacos(self.nacos.as_ref()),
            #[cfg(not(feature = "nacos"))]
            None,
            #[cfg(feature = "dns")]
            dns.clone().map(|dns| Arc::new(dns) as _),
            #[cfg(not(feature = "dns"))]
            None,
        ];
        let clock = self.clock.clone();
        Ok(Ground {
            clock: clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
            addresses: addresses(settings, self.discovery.clone(), found),
            #[cfg(feature = "dns")]
            dns,
            #[cfg(feature = "certificates")]
            certificates: None,
        })
    }

    fn build_on(self, ground: Ground) -> Result<Hallpass, Error> {
        let settings = self.settings;
        let plain_http = settings.tls.dangerous_plain_http && self.transport.is_none();
        let builder = HttpTransport::builder();
        #[cfg(feature = "dns")]
        let builder = looking_up(builder, ground.dns.as_ref());
        #[cfg(feature = "nacos")]
        let followed = self.nacos.as_ref().and_then(followed);
        #[cfg(not(feature = "nacos"))]
        let followed = None;
        let (tls, transport) =
            ServiceTls::load(settings, self.transport, builder, followed, &ground.clock)?;
        let addresses = ground.addresses;
        let network = Network::new(transport, addresses.discovery(), ground.clock);
        #[cfg(feature = "redis")]
        let (network, redis) = with_redis(network, settings)?;
        let tokens = AuthTokenServiceBuilder::from_settings(&settings.internal_token, &network)?;
        #[cfg(feature = "redis")]
        let tokens = shared_in(tokens, redis.as_ref());
        let tokens = tokens.build();
        #[cfg(feature = "otlp")]
        start_export(self.otlp.as_ref(), settings, &network)?;
        let reloads = ReloadMetrics::default();
        reloads.succeeded_at(network.clock.now());
        let shared = Shared {
            #[cfg(feature = "feign")]
            feign: feign(
                settings,
                &network,
                &tokens,
                (self.observer, self.trace_source),
            ),
            #[cfg(feature = "redis")]
            redis: redis.map(|tier| tier.metrics().clone()),
            #[cfg(feature = "resource")]
            resource_servers: ResourceServers::default(),
            settings: Mutex::new(settings.clone()),
            network,
            addresses,
            tokens,
            reloads,
            plain_http: PlainHttpMetric::new(plain_http),
            tls,
            #[cfg(feature = "certificates")]
            certificates: ground.certificates,
            connections: ConnectionMetrics::default(),
            #[cfg(feature = "dns")]
            dns: ground.dns.map(|dns| dns.metrics().clone()),
            #[cfg(feature = "otlp")]
            otlp: self.otlp.map(|otlp| otlp.metrics().clone()),
            #[cfg(feature = "nacos")]
            nacos: self.nacos.map(|nacos| nacos.metrics().clone()),
        };
        Ok(Hallpass {
            shared: Arc::new(shared),
        })
    }
}

/// What stands before the connections: how instances are found, and the clock.
struct Ground {
    clock: Arc<dyn Clock>,
    addresses: Addresses,
    #[cfg(feature = "dns")]
    dns: Option<DnsDiscovery>,
    /// `None` without the section.
    #[cfg(feature = "certificates")]
    certificates: Option<Certificates>,
}

/// Where a collector is named.
#[cfg(feature = "otlp")]
fn start_export(
    otlp: Option<&crate::otlp::Otlp>,
    settings: &Settings,
    network: &Network,
) -> Result<(), Error> {
    let Some(export) = &settings.telemetry.otlp else {
        return Ok(());
    };
    let Some(otlp) = otlp else {
        tracing::warn!(
            "`telemetry.otlp`, or a variable of OpenTelemetry, names a collector, and this program exports no spans: \
             in a service `HallpassBuilder::otlp` begins that"
        );
        return Ok(());
    };
    let service = settings.service.name.as_deref();
    // As the conventions of OpenTelemetry call a service that has no name.
    let service = service.unwrap_or("unknown_service");
    otlp.start(export, service, &network.transport, &network.clock)?;
    Ok(())
}

/// Its own discovery alone, or those of the settings, what they list first.
fn addresses(
    settings: &Settings,
    own: Option<Arc<dyn Discover>>,
    found: [Option<Arc<dyn Discover>>; 2],
) -> Addresses {
    let zone = settings.service.zone.as_deref();
    match own {
        Some(own) => Addresses::own(&settings.discovery, zone, own),
        None => {
            let found = found.into_iter().flatten().collect();
            Addresses::listed_first(&settings.discovery, zone, found)
        }
    }
}

/// The files of `tls` that Nacos has begun to follow.
#[cfg(feature = "nacos")]
fn followed(nacos: &crate::nacos::Nacos) -> Option<(ClientTls, TlsMetrics)> {
    let shared = nacos.tls()?;
    Some((shared.tls.clone(), shared.metrics.clone()))
}

#[cfg(feature = "nacos")]
fn nacos(nacos: Option<&crate::nacos::Nacos>) -> Option<Arc<dyn Discover>> {
    let discovery = nacos?.discovery()?;
    Some(Arc::new(discovery.clone()))
}

/// The tier that processes share, if there is a section for it; over the network, what is said there of revocations is heard, which messages
/// that count once were shown to others, and which tokens are listed as logged out.
#[cfg(feature = "redis")]
fn with_redis(
    network: Network,
    settings: &Settings,
) -> Result<(Network, Option<RedisTokenCache>), Error> {
    let Some(redis) = &settings.redis.redis else {
        return Ok((network, None));
    };
    let tier = RedisTokenCache::new(redis, Arc::clone(&network.clock))?;
    let revocations = RedisRevocations::over(&tier);
    let network = network
        .with_revocation_notices(move || revocations.notices())
        .with_replay_store(Arc::new(RedisReplayStore::over(&tier)))
        .with_blacklist(Arc::new(RedisBlacklist::over(&tier)))
        .with_rate_store(Arc::new(RedisRateStore::over(&tier)));
    Ok((network, Some(tier)))
}

/// With the tier behind the memory.
#[cfg(feature = "redis")]
fn shared_in(
    tokens: AuthTokenServiceBuilder,
    tier: Option<&RedisTokenCache>,
) -> AuthTokenServiceBuilder {
    match tier {
        Some(tier) => tokens.shared_cache(Arc::new(tier.clone())),
        None => tokens,
    }
}

#[cfg(feature = "feign")]
fn feign(
    settings: &Settings,
    network: &Network,
    tokens: &AuthTokenService,
    (observer, trace_source): (Option<Observer>, Option<TraceSource>),
) -> Feign {
    let mut feign = Feign::builder(network)
        .tokens(tokens.clone())
        .settings(&settings.feign, &settings.internal_token.feign);
    if let Some(observer) = observer {
        feign = feign.observe(observer);
    }
    if let Some(source) = trace_source {
        feign = feign.trace_source(source);
    }
    feign.build()
}

impl fmt::Debug for HallpassBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HallpassBuilder")
            .field("settings", self.settings)
            .finish_non_exhaustive()
    }
}
