//! Sockets: accept, serve, and let go of them in order.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service as _;

use crate::core::Core;
use crate::http::public_urls::TOKEN_PATH;
use crate::http::router::router;
use crate::token::endpoint;

/// Connections open at once; one more is closed as it comes.
const MAX_CONNECTIONS: usize = 4_096;
/// How long the headers of a request may take, and how long a connection may idle between requests.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes of a request's head; beyond, the answer is 431.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Read buffer of one connection: head and body at their largest, and some room.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// How long the accept loop pauses when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The accept loop.
pub(super) struct Accepting {
    listener: TcpListener,
    core: Arc<Core>,
    router: Router,
    places: Arc<Semaphore>,
}

impl Accepting {
    pub(super) fn new(listener: TcpListener, core: Arc<Core>) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self {
            listener,
            router: router(Arc::clone(&core)),
            core,
            places,
        }
    }

    /// Accepts until `drain` is ready, then waits for the open connections to finish what they do.
    pub(super) async fn run(self, drain: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut drain = std::pin::pin!(drain);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.serve(stream, peer.ip(), &graceful),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = &mut drain => break,
            }
        }
        drop(self.listener);
        graceful.shutdown().await;
    }

    fn serve(&self, stream: TcpStream, source: IpAddr, graceful: &GracefulShutdown) {
        let metrics = self.core.metrics();
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics.connections_refused.inc();
            return;
        };
        // Small answers must not wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let connection = Connection {
            core: Arc::clone(&self.core),
            router: self.router.clone(),
            source,
        };
        let open = OpenConnection::new(Arc::clone(&self.core), place);
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .max_header_size(MAX_HEADER_BYTES)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let connection = connection.clone();
                    async move { Ok::<_, Infallible>(connection.answer(request).await) }
                }),
            );
        let serving = graceful.watch(serving);
        tokio::spawn(async move {
            // What ends a connection early is the peer's affair: it is no event for the log.
            let _ = serving.await;
            drop(open);
        });
    }
}

/// What a connection needs to answer.
#[derive(Clone)]
struct Connection {
    core: Arc<Core>,
    router: Router,
    source: IpAddr,
}

impl Connection {
    /// The token endpoint goes past the router, which serves everything else: it is all of the load.
    async fn answer(
        mut self,
        request: Request<Incoming>,
    ) -> Response<Either<Full<Bytes>, axum::body::Body>> {
        if request.uri().path() == TOKEN_PATH && request.method() == Method::POST {
            let (parts, body) = request.into_parts();
            return endpoint::answer(&self.core, &parts.headers, body, Some(self.source))
                .await
                .map(Either::Left);
        }
        match self.router.call(request).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

/// Counts an open connection and holds its place until it is dropped.
struct OpenConnection {
    core: Arc<Core>,
    _place: OwnedSemaphorePermit,
}

impl OpenConnection {
    fn new(core: Arc<Core>, place: OwnedSemaphorePermit) -> Self {
        core.metrics().connections.inc();
        Self {
            core,
            _place: place,
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.core.metrics().connections.dec();
    }
}
