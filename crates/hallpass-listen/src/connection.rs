//! One connection, from the socket to its end, and its limits.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

/// Limits of a listener. The defaults suit a service with small requests and quick responses.
///
/// ```
/// use hallpass_listen::ConnectionLimits;
///
/// let limits = ConnectionLimits {
///     connections: 100,
///     ..ConnectionLimits::default()
/// };
/// assert_eq!(limits.head_timeout.as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once; one more is closed as it comes. Default 4096.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may idle between requests. Default 60 s.
    pub head_timeout: Duration,
    /// Most bytes of a request's head; beyond, the response is 431 (RFC 6585 section 5). Default 16 KiB.
    pub head_bytes: usize,
    /// Most bytes of a connection's read buffer; at least 8 KiB, and not less than `head_bytes`. Default 64 KiB.
    pub buffer_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_timeout: Duration::from_secs(60),
            head_bytes: 16 * 1024,
            buffer_bytes: 64 * 1024,
        }
    }
}

/// Counts an open connection and holds its place until it is dropped.
pub(crate) struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(crate) fn new(open: Gauge, permit: OwnedSemaphorePermit) -> Self {
        open.inc();
        Self {
            open,
            _permit: permit,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Serves HTTP on `stream` until the peer, a limit or `watcher` ends it. Runs in the connection's own task.
pub(crate) async fn serve<S, B>(
    stream: TcpStream,
    service: S,
    limits: ConnectionLimits,
    watcher: Watcher,
    place: Place,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.buffer_bytes)
        .serve_connection(
            TokioIo::new(accept(stream)),
            TowerToHyperService::new(service),
        );
    // A peer may end its connection early at any time: that is not an event for the log.
    let _ended = watcher.watch(connection).await;
    drop(place);
}

/// The acceptor step: turns a socket into the stream that HTTP is spoken on.
///
/// It runs in the connection's task and counts as an open connection, so that a slow step delays no other connection.
/// A TLS handshake would be done here, with a time limit of its own.
fn accept(stream: TcpStream) -> TcpStream {
    // Small responses must not wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    stream
}
