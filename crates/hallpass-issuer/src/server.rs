//! Starting, watching and stopping the issuer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::IssuerSettings;
use axum::Router;
use bytes::Bytes;
use hallpass_clock::Clock;
use hallpass_listen::{Drain, HttpServer, RunningServer};
use hallpass_tls::{ServerTls, ServerTlsSettings, TlsError, TlsMetrics};
use hallpass_token::UnixTime;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::audit::AuditWriter;
use crate::core::Core;
use crate::error::Error;
use crate::http::public_urls::PublicUrls;
use crate::http::router::{Connection, router};

/// How long [`RunningIssuer::shutdown`] waits for requests in flight.
const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The runtime ends, or a thread has panicked.
const READING_FILES: Error = Error::Internal {
    operation: "reading the files of TLS",
};

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
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address, source })?;
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
        let local_addr = listener.local_addr().map_err(|source| Error::Listen {
            address: settings.listen,
            source,
        })?;
        let server = Self::load(settings, local_addr, clock).await?;
        server.serve(listener).map_err(|source| Error::Listen {
            address: local_addr,
            source,
        })
    }

    /// Loads the issuer without a socket, for [`router`](Self::router).
    ///
    /// `listening` is what the metadata shows when neither `base-url` nor a URL as the issuer's name is set.
    ///
    /// # Errors
    /// [`Error::IssuerName`], [`Error::Registration`], [`Error::Tls`], the errors of the store, [`Error::Internal`].
    pub async fn load(
        settings: &IssuerSettings,
        listening: SocketAddr,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let scheme = match settings.tls {
            Some(_) => "https",
            None => "http",
        };
        let base_url = settings.base_url.as_ref();
        let urls = PublicUrls::new(&settings.name, base_url, scheme, listening)?;
        // Before the store is touched: a first start that fails here can be repeated.
        let tls_metrics = TlsMetrics::default();
        let tls = match &settings.tls {
            Some(settings) => Some(load_tls(settings, &clock, &tls_metrics).await?),
            None => None,
        };
        let (core, audit) = Core::open(settings, urls, clock).await?;
        if tls.is_some() {
            core.metrics()
                .add(|registry| tls_metrics.register(registry));
        }
        Ok(Self {
            core: Arc::new(core),
            audit,
            tls,
        })
    }

    /// All endpoints as an axum router, for a server of your own; the audit writer ends with the router.
    ///
    /// `tls` of the settings is not used: it is about the issuer's own listener.
    /// Serve it with connect info (`SocketAddr`), else the buckets per source address are not used. Must be called
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
        router(core)
    }

    fn serve(self, listener: TcpListener) -> io::Result<RunningIssuer> {
        let Self { core, audit, tls } = self;
        let metrics = core.metrics().connections.clone();
        let (shared, router) = (Arc::clone(&core), router(Arc::clone(&core)));
        let mut server = HttpServer::new(listener).metrics(metrics);
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
        Ok(RunningIssuer {
            core,
            tls,
            serving,
            stop,
            audit: tokio::spawn(audit.run(when_true(stopped))),
        })
    }
}

/// An issuer that serves requests. Dropping it cuts them off; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct RunningIssuer {
    core: Arc<Core>,
    tls: Option<ServerTls>,
    serving: RunningServer,
    /// Ends the audit writer, after the last request.
    stop: watch::Sender<bool>,
    audit: JoinHandle<()>,
}

impl RunningIssuer {
    /// Where it listens; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.core.issuer().as_str()
    }

    /// The URL of an endpoint as the metadata shows it, for example of `/oauth2/token`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.core.urls().endpoint(path)
    }

    /// The key set as it is served.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        let now = UnixTime::from(self.core.clock().now());
        self.core.keys().at(now).jwks().clone()
    }

    /// Tokens issued since the start.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.core.metrics().tokens.issued.get()
    }

    /// All metrics as `/metrics` serves them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.core.metrics().text()
    }

    /// Adds metrics of the program around the issuer to what `/metrics` serves, under their full names.
    pub fn register_metrics(&self, register: impl FnOnce(&mut Registry)) {
        self.core.metrics().add_named(register);
    }

    /// Statements that the store was asked since the start; issuing tokens adds none.
    #[must_use]
    pub fn store_queries(&self) -> u64 {
        self.core.store().queries()
    }

    /// Reads keys and clients again, from `settings` and from the store, and swaps them in between two requests.
    ///
    /// Takes `clients`, `audiences`, `token_life`, `algorithm`, `key_announce` and the files of `tls` from `settings`. The other settings need a restart: a changed one is
    /// named in the log and has no effect. Requests in flight go on with the snapshots that they began with.
    ///
    /// # Errors
    /// [`Error::Registration`], [`Error::Tls`] or an error of the store; the old snapshots then stay in use.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_issuer::{IssuerServer, IssuerSettings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let mut settings = IssuerSettings {
    ///     listen: "127.0.0.1:0".parse()?,
    ///     store: folder.path().join("issuer.db"),
    ///     ..IssuerSettings::default()
    /// };
    /// let issuer = IssuerServer::start(&settings, Arc::new(SystemClock::new())).await?;
    ///
    /// settings.token_life = Duration::from_secs(60);
    /// issuer.apply(&settings).await?;
    /// # issuer.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn apply(&self, settings: &IssuerSettings) -> Result<(), Error> {
        let tls = self.tls.as_ref().zip(settings.tls.as_ref());
        // Looked at first: what cannot be used must not be taken by half.
        if let Some((tls, settings)) = tls {
            blocking(tls, settings, ServerTls::check).await?;
        }
        self.core.apply(settings).await?;
        if let Some((tls, settings)) = tls {
            blocking(tls, settings, ServerTls::apply).await?;
        }
        Ok(())
    }

    /// Waits until the issuer stops by itself, which is a fault. Use it in a `select!` beside the signals.
    ///
    /// Gives [`Error::TaskEnded`] with the task that ended; [`shutdown`](Self::shutdown) then still ends the rest.
    pub async fn failed(&mut self) -> Error {
        loop {
            // A handle that has given its result must not be polled again.
            if let Some(task) = self.ended_task() {
                return Error::TaskEnded { task };
            }
            tokio::select! {
                () = self.serving.ended() => {}
                _ = &mut self.audit => {}
            }
        }
    }

    fn ended_task(&self) -> Option<&'static str> {
        if self.serving.has_ended() {
            Some("accept loop")
        } else if self.audit.is_finished() {
            Some("audit writer")
        } else {
            None
        }
    }

    /// [`shutdown_within`](Self::shutdown_within) 10 seconds.
    ///
    /// # Errors
    /// As [`shutdown_within`](Self::shutdown_within).
    pub async fn shutdown(self) -> Result<(), Error> {
        self.shutdown_within(DEFAULT_DRAIN_LIMIT).await
    }

    /// Stops accepting, finishes requests in flight within `limit`, writes what is left of the audit log.
    ///
    /// # Errors
    /// [`Error::TaskEnded`] when a task had ended by itself before.
    pub async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        self.core.begin_stopping();
        let ended = self.ended_task();
        if self.serving.shutdown_within(limit).await == Drain::CutOff {
            tracing::warn!(
                limit_seconds = limit.as_secs(),
                "requests in flight were cut off at the drain limit"
            );
        }
        let _ = self.stop.send(true);
        if !self.audit.is_finished() {
            let _ = self.audit.await;
        }
        self.core.store().close().await;
        ended.map_or(Ok(()), |task| Err(Error::TaskEnded { task }))
    }
}

/// Reads the files on a thread that may wait for them.
async fn load_tls(
    settings: &ServerTlsSettings,
    clock: &Arc<dyn Clock>,
    metrics: &TlsMetrics,
) -> Result<ServerTls, Error> {
    let (settings, clock, metrics) = (settings.clone(), Arc::clone(clock), metrics.clone());
    let load = tokio::task::spawn_blocking(move || ServerTls::load(&settings, clock, &metrics));
    Ok(load.await.map_err(|_| READING_FILES)??)
}

/// As [`load_tls`], for a listener that runs.
async fn blocking(
    tls: &ServerTls,
    settings: &ServerTlsSettings,
    work: fn(&ServerTls, &ServerTlsSettings) -> Result<(), TlsError>,
) -> Result<(), Error> {
    let (tls, settings) = (tls.clone(), settings.clone());
    let work = tokio::task::spawn_blocking(move || work(&tls, &settings));
    Ok(work.await.map_err(|_| READING_FILES)??)
}

/// Ready once `flag` is true, or its sender is gone.
async fn when_true(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}

#[cfg(test)]
mod tests;
