//! The listener for administrators.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hallpass_listen::{ConnectionLimits, ConnectionPlaces, Drain, HttpServer, RunningServer};
use hallpass_tls::{ServerTls, ServerTlsSettings};
use tokio::net::TcpListener;

use super::change::Desk;
use super::metrics::AdminMetrics;
use super::router::router;
use super::service::AdminService;
use crate::core::Core;
use crate::error::Error;
use crate::tls_files::blocking;

/// Connections of administrators.
const CONNECTIONS: usize = 64;
/// One address may have one of so many of them.
const SHARES: usize = 4;
/// Requests at once on one connection that speaks HTTP/2.
const STREAMS: u32 = 16;
/// How long a head may take, and how long a connection may idle: an administrator who has more to ask opens another one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The interface for administrators, while it is served.
#[derive(Debug)]
pub(crate) struct AdminServer {
    serving: RunningServer,
    tls: Option<ServerTls>,
}

impl AdminServer {
    /// Serves it on `listener`.
    pub(crate) fn serve(
        core: &Arc<Core>,
        listener: TcpListener,
        tls: Option<ServerTls>,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(Arc::clone(core)));
        let metrics = AdminMetrics::default();
        core.metrics().add(|registry| metrics.register(registry));
        let service = AdminService::new(Arc::clone(&desk), router(desk), metrics);
        // They are few, and all listeners share what the process may open.
        let places = ConnectionPlaces::for_monitoring(CONNECTIONS);
        let limits = ConnectionLimits {
            connections_per_address: places.count().div_ceil(SHARES),
            head_timeout: HEAD_TIMEOUT,
            streams: STREAMS,
            ..ConnectionLimits::default()
        };
        // Whoever is no administrator must not keep those out who are.
        let mut server = HttpServer::new(listener)
            .limits(limits)
            .places(places)
            .newcomers_give_way();
        if let Some(tls) = &tls {
            server = server.tls(tls.clone());
        }
        let serving = server.serve(move |peer| {
            let (service, source) = (service.clone(), peer.ip());
            tower::service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(service.respond(request, source).await) }
            })
        })?;
        Ok(Self { serving, tls })
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// Whether these files could be used.
    ///
    /// # Errors
    /// [`Error::AdminTls`].
    pub(crate) async fn check(&self, settings: Option<&ServerTlsSettings>) -> Result<(), Error> {
        match self.tls.as_ref().zip(settings) {
            Some((tls, settings)) => named(blocking(tls, settings, ServerTls::check).await),
            None => Ok(()),
        }
    }

    /// Uses these files from now on.
    ///
    /// # Errors
    /// [`Error::AdminTls`].
    pub(crate) async fn apply(&self, settings: Option<&ServerTlsSettings>) -> Result<(), Error> {
        match self.tls.as_ref().zip(settings) {
            Some((tls, settings)) => named(blocking(tls, settings, ServerTls::apply).await),
            None => Ok(()),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.serving.has_ended()
    }

    pub(crate) async fn ended(&mut self) {
        self.serving.ended().await;
    }

    pub(crate) async fn shutdown_within(self, limit: Duration) -> Drain {
        self.serving.shutdown_within(limit).await
    }
}

/// With the section that the files belong to.
pub(crate) fn named<T>(result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| match error {
        Error::Tls(error) => Error::AdminTls(error),
        error => error,
    })
}
