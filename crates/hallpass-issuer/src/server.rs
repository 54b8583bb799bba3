//! Starting the issuer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::settings::IssuerSettings;
use axum::Router;
use hallpass_clock::Clock;
use hallpass_listen::{ConnectionLimits, ConnectionPlaces, HttpServer, RunningServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use hallpass_upstream::{ReplaySharing, ReplayStore};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::server::{AdminServer, named};
use crate::audit::queue::AuditWriter;
use crate::core::Core;
use crate::error::Error;
use crate::http::public_urls::PublicUrls;
use crate::http::router::{Connection, management, public, router};
use crate::running::RunningIssuer;
use crate::store_watch;
use crate::tls_files::load_tls;

/// Connections of the listener for health and metrics.
const MANAGEMENT_CONNECTIONS: usize = 64;
/// One address may have one of so many of them: who reads metrics and leaves its connections open must not keep the platform from asking
/// for health, which would end this process.
const MANAGEMENT_SHARES: usize = 4;

/// An issuer that is loaded and not yet listening.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_issuer::{IssuerServer, IssuerSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let settings = IssuerSettings {
///     listen: "127.0.0.1:0".parse()?,
///     store: folder.path().join("issuer.db"),
///     ..IssuerSettings::default()
/// };
/// let issuer = IssuerServer::start(&settings, Arc::new(SystemClock::new())).await?;
/// assert!(issuer.url("/oauth2/jwks").starts_with("http://127.0.0.1:"));
/// issuer.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IssuerServer {
    core: Arc<Core>,
    audit: AuditWriter,
    tls: Option<ServerTls>,
    /// What the listener for administrators speaks.
    admin_tls: Option<ServerTls>,
    connections_per_address: usize,
}

/// Sockets beside the one for tokens.
struct Elsewhere {
    management: Option<TcpListener>,
    admin: Option<TcpListener>,
}

impl IssuerServer {
    /// Loads the issuer and listens on `settings.listen`.
    ///
    /// The first start creates the store and a signing key. The address is bound before the store is opened, so
    /// that a second process fails before it has touched anything.
    ///
    /// # Errors
    /// [`Error::Listen`], and the errors of [`load`](Self::load).
    pub async fn start(
        settings: &IssuerSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningIssuer, Error> {
        let address = settings.listen;
        let listener = bind(address).await?;
        Self::start_on(listener, settings, clock).await
    }

    /// [`start`](Self::start) on a socket that listens already; `settings.listen` is ignored.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_on(
        listener: TcpListener,
        settings: &IssuerSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningIssuer, Error> {
        Self::start_with(listener, settings, clock, None).await
    }

    /// [`start_on`](Self::start_on), for one of several instances: what counts once, such as a proof of possession, counts once for
    /// all that have the same name and share `replays`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_sharing(
        listener: TcpListener,
        settings: &IssuerSettings,
        clock: Arc<dyn Clock>,
        replays: Arc<dyn ReplayStore>,
    ) -> Result<RunningIssuer, Error> {
        Self::start_with(listener, settings, clock, Some(replays)).await
    }

    async fn start_with(
        listener: TcpListener,
        settings: &IssuerSettings,
        clock: Arc<dyn Clock>,
        replays: Option<Arc<dyn ReplayStore>>,
    ) -> Result<RunningIssuer, Error> {
        let local_addr = listener.local_addr().map_err(|source| Error::Listen {
            address: settings.listen,
            source,
        })?;
        // Before the store is touched, as the address for tokens was.
        let admin = settings.admin.as_ref().map(|admin| admin.listen);
        let elsewhere = Elsewhere {
            management: bind_if_any(settings.management_listen).await?,
            admin: bind_if_any(admin).await?,
        };
        let server = Self::load_with(settings, local_addr, clock, replays).await?;
        server
            .serve(listener, elsewhere)
            .map_err(|source| Error::Listen {
                address: local_addr,
                source,
            })
    }

    /// Loads the issuer without a socket, for [`router`](Self::router).
    ///
    /// `listening` is what the metadata shows when neither `base-url` nor a URL as the issuer's name is set.
    ///
    /// # Errors
    /// [`Error::IssuerName`], [`Error::Registration`], [`Error::Tls`], [`Error::NoReplayStore`], the errors of the store, [`Error::Internal`].
    pub async fn load(
        settings: &IssuerSettings,
        listening: SocketAddr,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::load_with(settings, listening, clock, None).await
    }

    async fn load_with(
        settings: &IssuerSettings,
        listening: SocketAddr,
        clock: Arc<dyn Clock>,
        replays: Option<Arc<dyn ReplayStore>>,
    ) -> Result<Self, Error> {
        if settings.dpop.sharing == ReplaySharing::OrRefuse && replays.is_none() {
            return Err(Error::NoReplayStore);
        }
        let scheme = match settings.tls {
            Some(_) => "https",
            None => "http",
        };
        let base_url = settings.base_url.as_ref();
        let urls = PublicUrls::new(&settings.name, base_url, scheme, listening)?;
        let tls_metrics = TlsMetrics::default();
        let load = async || match &settings.tls {
            Some(settings) => load_tls(settings, &clock, &tls_metrics).await.map(Some),
            None => Ok(None),
        };
        // Before the store is touched: a first start that fails here can be repeated. Not where the store has what the listener reads.
        let ca = settings.ca.as_ref();
        let is_of_store = ca.is_some_and(|ca| ca.bundle_file.is_some());
        let early = if is_of_store { None } else { load().await? };
        let (core, audit) = Core::open(settings, urls, Arc::clone(&clock), replays).await?;
        let tls = if is_of_store { load().await? } else { early };
        let admin_tls = match settings.admin.as_ref().and_then(|it| it.tls.as_ref()) {
            Some(settings) => Some(named(load_tls(settings, &clock, &tls_metrics).await)?),
            None => None,
        };
        if tls.is_some() || admin_tls.is_some() {
            core.metrics()
                .add(|registry| tls_metrics.register(registry));
        }
        Ok(Self {
            core: Arc::new(core),
            audit,
            tls,
            admin_tls,
            connections_per_address: usize::try_from(settings.connections_per_address)
                .unwrap_or(usize::MAX),
        })
    }

    /// All endpoints as an axum router, for a server of your own; the audit writer ends with the router.
    ///
    /// `tls` of the settings is not used: it is about the issuer's own listener.
    /// Serve it with connect info (`SocketAddr`), else the buckets per source address are not used. `forwarded` of the settings counts,
    /// `proxy-protocol` is for the issuer's own listener. Must be called
    /// inside a tokio runtime.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_issuer::{IssuerServer, IssuerSettings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let settings = IssuerSettings {
    ///     store: folder.path().join("issuer.db"),
    ///     ..IssuerSettings::default()
    /// };
    /// let listening = "127.0.0.1:8080".parse()?;
    /// let issuer = IssuerServer::load(&settings, listening, Arc::new(SystemClock::new())).await?;
    /// let app = axum::Router::new().merge(issuer.router());
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(self) -> Router {
        let Self { core, audit, .. } = self;
        tokio::spawn(audit.run(std::future::pending()));
        tokio::spawn(store_watch::follow(&core, std::future::pending()));
        router(core)
    }

    fn serve(self, listener: TcpListener, elsewhere: Elsewhere) -> io::Result<RunningIssuer> {
        let Self {
            core,
            audit,
            tls,
            admin_tls,
            connections_per_address,
        } = self;
        let metrics = core.metrics().connections.clone();
        let sources = core.started_with().sources.clone();
        let shared = Arc::clone(&core);
        let router = match elsewhere.management {
            None => router(Arc::clone(&core)),
            Some(_) => public(Arc::clone(&core)),
        };
        let management = elsewhere
            .management
            .map(|listener| serve_management(&core, listener));
        let admin = elsewhere
            .admin
            .map(|listener| AdminServer::serve(&core, listener, admin_tls));
        let limits = ConnectionLimits {
            connections_per_address,
            ..ConnectionLimits::default()
        };
        let mut server = HttpServer::new(listener)
            .limits(limits)
            .metrics(metrics)
            .proxy_protocol(sources.proxies)
            .without_share(sources.forwarders);
        if let Some(tls) = &tls {
            server = server.tls(tls.clone());
        }
        let serving = server.serve(move |peer| {
            let connection = Connection::new(Arc::clone(&shared), router.clone(), peer.ip());
            tower::service_fn(move |request| {
                let connection = connection.clone();
                async move { Ok::<_, Infallible>(connection.respond(request).await) }
            })
        })?;
        let (stop, stopped) = watch::channel(false);
        let watch = store_watch::follow(&core, when_true(stopped.clone()));
        Ok(RunningIssuer {
            store_watch: tokio::spawn(watch),
            core,
            tls,
            serving,
            management: management.transpose()?,
            admin: admin.transpose()?,
            stop,
            audit: tokio::spawn(audit.run(when_true(stopped))),
        })
    }
}

fn serve_management(core: &Arc<Core>, listener: TcpListener) -> io::Result<RunningServer> {
    let router = management(Arc::clone(core));
    // The platform needs few, and all listeners share what the process may open.
    let places = ConnectionPlaces::for_monitoring(MANAGEMENT_CONNECTIONS);
    let limits = ConnectionLimits {
        connections_per_address: places.count().div_ceil(MANAGEMENT_SHARES),
        ..ConnectionLimits::default()
    };
    HttpServer::new(listener)
        .limits(limits)
        .places(places)
        .serve(move |_peer| router.clone())
}

async fn bind_if_any(address: Option<SocketAddr>) -> Result<Option<TcpListener>, Error> {
    match address {
        None => Ok(None),
        Some(address) => bind(address).await.map(Some),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen { address, source })
}

/// Ready once `flag` is true, or its sender is gone.
async fn when_true(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}
