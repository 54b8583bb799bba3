//! What one service needs, put together once.

mod addresses;
mod builder;
#[cfg(feature = "certificates")]
mod certificates;
#[cfg(feature = "dns")]
mod dns;
mod restart;
mod tls;

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "certificates")]
use hallpass_certificates::CertificateHandle;
use hallpass_client::AuthTokenService;
use hallpass_clock::Clock;
#[cfg(feature = "feign")]
use hallpass_feign::Feign;
use hallpass_listen::{ConnectionLimits, ConnectionMetrics, HttpServer};
#[cfg(feature = "redis")]
use hallpass_redis::RedisMetrics;
#[cfg(feature = "resource")]
use hallpass_resource::{ResourceServer, ResourceServerBuilder, ResourceServers};
use hallpass_upstream::{Discover, HttpTransport, Network};

use tokio::net::TcpListener;
use tokio::task::{JoinError, spawn_blocking};

use crate::metrics::{Metrics, PlainHttpMetric};
use crate::reload::{ReloadMetrics, Reloader};
use crate::{Error, Settings};

use addresses::Addresses;
use restart::keep_until_restart;
use tls::ServiceTls;

pub use builder::HallpassBuilder;

/// The realm of challenges when `service.name` is not set.
#[cfg(feature = "resource")]
const UNNAMED: &str = "service";

/// Room in the head of a request for all that is no token.
#[cfg(feature = "resource")]
const HEAD_BESIDE_TOKEN_BYTES: usize = 8 * 1024;

/// What one service needs in order to call others and to be called: token service, call layer and
/// resource server over one transport, one discovery and one clock. Cheap to clone.
///
/// A service that needs only one of them takes it from its own library instead.
///
/// ```
/// use hallpass::{Hallpass, Settings, config::Loader};
///
/// let yaml = "hallpass: { discovery: { static: { order-service: ['127.0.0.1:8080'] } } }";
/// let settings = Loader::new("hallpass").text("example", yaml).load::<Settings>()?.into_settings();
/// let hallpass = Hallpass::from_settings(&settings)?;
/// assert!(hallpass.metrics().text().ends_with("# EOF\n"));
/// # Ok::<(), hallpass::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hallpass {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Those in effect. Locked while others are taken, so that two at once do not mix.
    settings: Mutex<Settings>,
    network: Network,
    addresses: Addresses,
    tokens: AuthTokenService,
    #[cfg(feature = "feign")]
    feign: Feign,
    /// `None` without the section `redis`.
    #[cfg(feature = "redis")]
    redis: Option<RedisMetrics>,
    #[cfg(feature = "resource")]
    resource_servers: ResourceServers,
    reloads: ReloadMetrics,
    plain_http: PlainHttpMetric,
    tls: ServiceTls,
    /// `None` without the section `certificates`.
    #[cfg(feature = "certificates")]
    certificates: Option<certificates::Certificates>,
    connections: ConnectionMetrics,
    /// `None` without `discovery.dns`.
    #[cfg(feature = "dns")]
    dns: Option<hallpass_dns::DnsMetrics>,
    /// `None` without an export of spans.
    #[cfg(feature = "otlp")]
    otlp: Option<crate::otlp::OtlpMetrics>,
    #[cfg(feature = "nacos")]
    nacos: Option<hallpass_nacos::NacosMetrics>,
}

impl Hallpass {
    /// All parts as `settings` say, with the operating system's clock and the addresses of
    /// `discovery.static` and `discovery.dns`. Opens no connection and asks for no token; needs no runtime yet. Only with a section `redis`, and inside
    /// a runtime, a connection to that is begun in the background.
    ///
    /// # Errors
    /// [`Error`] when a value cannot be used. [`config::Loader`](crate::config::Loader) has reported
    /// most of what can be wrong already.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        Self::builder(settings).build()
    }

    /// As [`from_settings`](Self::from_settings), with the certificate of the section `certificates`, where there is one: it is there when this
    /// returns, and is renewed for as long as the runtime goes on.
    ///
    /// # Errors
    /// As [`from_settings`](Self::from_settings), and [`Error::Certificates`] when there is no certificate within `start-limit-seconds`.
    #[cfg(feature = "certificates")]
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        Self::builder(settings).start().await
    }

    #[cfg(feature = "feign")]
    /// The runtime for clients that [`feign_client`](crate::feign_client) makes.
    #[must_use]
    pub fn feign(&self) -> &Feign {
        &self.shared.feign
    }

    /// The service's own tokens. Without an `internal-token` section every request for one is refused
    /// with [`TokenError::Disabled`](crate::client::TokenError::Disabled).
    #[must_use]
    pub fn tokens(&self) -> &AuthTokenService {
        &self.shared.tokens
    }

    /// A resource server with the issuers, rules and mode of the `security` section; add the rules of
    /// the code and build it. Build it once: each one fetches and caches keys for itself. It follows
    /// [`apply`](Self::apply).
    #[cfg(feature = "resource")]
    pub fn resource_server(&self) -> ResourceServerBuilder {
        let settings = self.settings();
        let name = settings.service.name.as_deref().unwrap_or(UNNAMED);
        ResourceServer::from_settings(&settings.security, name, &self.shared.network)
            .group(&self.shared.resource_servers)
    }

    /// Takes other settings while the service runs: all of them, or none if one cannot be used. Calls under way go on by
    /// what they began with. The same settings again change nothing.
    ///
    /// Credentials and their endpoints, the settings of clients, the rules, modes and issuers of resource servers, and
    /// `discovery.static` change, and the files of `tls` and `service.tls`, which are read here. `service.listen`,
    /// `tls.dangerous-plain-http`, `transport`, `nacos`, `discovery.nacos`, `discovery.dns`, `redis`, `telemetry`, and `service.tls` as a whole (to have it or not) need a restart: a change is
    /// named in the log and has no effect.
    ///
    /// # Errors
    /// [`Error::NeedsRestart`] when `service.name` has changed, or the error of the first part that cannot use its
    /// section. Then nothing has changed.
    pub fn apply(&self, settings: &Settings) -> Result<(), Error> {
        let mut current = self.settings();
        // `security` may have taken the audience of tokens from it: callers would still ask for the name of before.
        if settings.service.name != current.service.name {
            return Err(Error::NeedsRestart {
                key: "service.name",
            });
        }
        self.check(settings)?;
        if let Err(error) = self.take(settings) {
            // What was in effect a moment ago can be taken; a part that refuses it says so with its next call.
            let _restored = self.take(&current);
            return Err(error);
        }
        let mut taken = settings.clone();
        keep_until_restart(&current, &mut taken);
        *current = taken;
        Ok(())
    }

    /// Follows the files of `reloader`, and SIGHUP, with [`apply`](Self::apply), for as long as the process runs. Spawn it,
    /// or wait for it beside the server. What it does is counted among [`metrics`](Self::metrics).
    ///
    /// A service with settings of its own beside Hallpass's uses [`Reloader::run`] and calls [`apply`](Self::apply)
    /// there.
    pub async fn follow(self, reloader: Reloader) {
        let reloader = reloader.count_in(self.shared.reloads.clone());
        reloader
            .run(|settings| self.clone().apply_apart(settings))
            .await;
    }

    /// [`apply`](Self::apply) on a thread of its own: it reads files, and the disk may have stalled.
    async fn apply_apart(self, settings: Settings) -> Result<(), Error> {
        let applied = spawn_blocking(move || self.apply(&settings)).await;
        match applied.map_err(JoinError::try_into_panic) {
            Ok(applied) => applied,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime ends, and nobody waits for it any more.
            Err(Err(_)) => pending().await,
        }
    }

    /// Where reloads are counted that [`metrics`](Self::metrics) shows: for [`Reloader::count_in`], where a program follows its files by
    /// itself.
    #[must_use]
    pub fn reload_metrics(&self) -> &ReloadMetrics {
        &self.shared.reloads
    }

    /// A server for `listener`, with TLS as `service.tls` says. Give it limits and serve a router by it. Its connections and
    /// failed handshakes are counted among [`metrics`](Self::metrics), those of several listeners together. Callers'
    /// certificates are among the extensions of their requests: [`PeerCertificates`](hallpass_tls::PeerCertificates).
    ///
    /// A request's head may have 16 KiB, or 8 KiB beside the longest token (`security.max-token-bytes`) as it is set now; `limits`
    /// of the server replaces that.
    ///
    /// ```
    /// # use hallpass::{Hallpass, Settings, config::Loader};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), hallpass::BoxError> {
    /// # let settings = Loader::new("hallpass").text("example", "hallpass: {}").load::<Settings>()?.into_settings();
    /// let hallpass = Hallpass::from_settings(&settings)?;
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let router: axum::Router = axum::Router::new();
    /// let running = hallpass.http_server(listener).serve(move |_peer| router.clone())?;
    /// # drop(running);
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_server(&self, listener: TcpListener) -> HttpServer {
        let server = HttpServer::new(listener)
            .limits(self.connection_limits())
            .metrics(self.shared.connections.clone());
        let server = match self.believes_peers() {
            true => server.show_peers(),
            false => server,
        };
        match self.shared.tls.listener() {
            Some(tls) => server.tls(tls.clone()),
            None => server,
        }
    }

    /// Whether it matters where a request comes from.
    #[cfg(feature = "resource")]
    fn believes_peers(&self) -> bool {
        self.settings().security.internal_jwt.mesh.is_some()
    }

    #[cfg(not(feature = "resource"))]
    const fn believes_peers(&self) -> bool {
        false
    }

    /// Those of the listener, with room for the longest token: else a token that the settings allow would be refused there,
    /// without the words that say why.
    #[cfg(feature = "resource")]
    fn connection_limits(&self) -> ConnectionLimits {
        let limits = ConnectionLimits::default();
        let token = self.settings().security.max_token_bytes;
        let head_bytes = token
            .saturating_add(HEAD_BESIDE_TOKEN_BYTES)
            .max(limits.head_bytes);
        ConnectionLimits {
            head_bytes,
            buffer_bytes: head_bytes.max(limits.buffer_bytes),
            ..limits
        }
    }

    #[cfg(not(feature = "resource"))]
    fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits::default()
    }

    /// The agent that keeps the certificate of the section `certificates` good; `None` without the section.
    #[cfg(feature = "certificates")]
    #[must_use]
    pub fn certificates(&self) -> Option<&CertificateHandle> {
        let certificates = self.shared.certificates.as_ref()?;
        Some(certificates.handle())
    }

    /// Everything that this service counts, for its `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics {
            tokens: self.shared.tokens.metrics().clone(),
            #[cfg(feature = "redis")]
            redis: self.shared.redis.clone(),
            #[cfg(feature = "feign")]
            feign: self.shared.feign.metrics().clone(),
            #[cfg(feature = "resource")]
            resource: self.shared.resource_servers.metrics().clone(),
            reloads: self.shared.reloads.clone(),
            plain_http: self.shared.plain_http.clone(),
            tls: self.shared.tls.metrics().clone(),
            #[cfg(feature = "certificates")]
            certificates: self.certificates().map(|it| it.metrics().clone()),
            connections: self.shared.connections.clone(),
            #[cfg(feature = "dns")]
            dns: self.shared.dns.clone(),
            #[cfg(feature = "otlp")]
            otlp: self.shared.otlp.clone(),
            #[cfg(feature = "nacos")]
            nacos: self.shared.nacos.clone(),
        }
    }

    /// Transport, discovery and clock, for parts that a service builds for itself.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// Finds the instances of a service.
    #[must_use]
    pub fn discovery(&self) -> &Arc<dyn Discover> {
        &self.shared.network.discovery
    }

    /// The way out, for requests that no trait describes.
    #[must_use]
    pub fn transport(&self) -> &HttpTransport {
        &self.shared.network.transport
    }

    /// The clock that all parts read.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.network.clock
    }

    /// Lets every part check its settings before the first one takes them.
    fn check(&self, settings: &Settings) -> Result<(), Error> {
        AuthTokenService::from_settings(&settings.internal_token, &self.shared.network)?;
        self.shared.tls.check(settings)?;
        #[cfg(feature = "resource")]
        self.shared.resource_servers.check(&settings.security)?;
        Ok(())
    }

    /// Hands each part its section; the call layer first, as it finds out only by trying.
    fn take(&self, settings: &Settings) -> Result<(), Error> {
        let shared = &self.shared;
        #[cfg(feature = "feign")]
        shared
            .feign
            .apply(&settings.feign, &settings.internal_token.feign)?;
        #[cfg(feature = "resource")]
        shared.resource_servers.apply(&settings.security)?;
        shared.tls.apply(settings)?;
        shared.tokens.apply(&settings.internal_token)?;
        #[cfg(feature = "certificates")]
        if let Some(certificates) = &shared.certificates {
            certificates.apply(settings);
        }
        shared.addresses.apply(&settings.discovery);
        Ok(())
    }

    fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        // A panic leaves the settings of before: they are replaced as a whole.
        let settings = self.shared.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner)
    }
}
