//! One connection, from the socket to its end, and its limits.

use std::convert::Infallible;
use std::error::Error;
use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hallpass_tls::{Caller, CallerNow, ShownCertificates};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

use crate::descriptors;
use crate::handshake::Handshake;
use crate::host;
use crate::metrics::ConnectionMetrics;
use crate::progress::Watched;
use crate::share::ShareHeld;
use crate::under_way::{LastPart, UnderWay};

/// Longest time for a head: a day. It is added to the time of day.
const MAX_HEAD_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time without a write: each look takes one.
const MIN_WRITE_TIMEOUT: Duration = Duration::from_millis(1);
/// What hyper demands of a read buffer.
const MIN_BUFFER_BYTES: usize = 8 * 1024;

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
    /// Connections open at once; one more is closed as it comes. Default 4096, and never more than three quarters of what
    /// the process may open (`ulimit -n`): the rest is for files and for calls to others.
    pub connections: usize,
    /// How long a TLS handshake may take; it holds a place meanwhile. Default 10 s.
    pub handshake_timeout: Duration,
    /// Connections open at once from one address, an IPv6 address being its /64 network; one more is closed as it comes.
    /// Behind a proxy all come from the proxy's address. Default 1024.
    pub connections_per_address: usize,
    /// How long the head of a request may take, and how long a connection may idle between requests. Default 60 s, at most a day.
    pub head_timeout: Duration,
    /// How long a peer may read nothing of what is written to it; after this time, and at most twice of it, its
    /// connection is closed. While the server stops it is one second. Default 30 s.
    pub write_timeout: Duration,
    /// Most bytes of a request's head; beyond, the response is 431 (RFC 6585 section 5). Default 16 KiB.
    pub head_bytes: usize,
    /// Most bytes of a connection's read buffer; less than 8 KiB counts as 8 KiB. No head can be longer, whatever `head_bytes`
    /// says. Default 64 KiB.
    pub buffer_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            handshake_timeout: Duration::from_secs(10),
            connections_per_address: 1_024,
            head_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            buffer_bytes: 64 * 1024,
        }
    }
}

impl ConnectionLimits {
    /// The same, with what is beyond anybody's need brought to where the parts below can still count and add (they would
    /// panic), and with as many connections as this process can open.
    pub(crate) fn within_reach(self) -> Self {
        let in_reach = descriptors::connections_in_reach();
        if in_reach < self.connections {
            tracing::warn!(
                connections = in_reach,
                "fewer connections than configured are served: this process may not open more; raise its limit (`ulimit -n`, `LimitNOFILE`)"
            );
        }
        Self {
            connections: self.connections.min(in_reach).min(Semaphore::MAX_PERMITS),
            head_timeout: self.head_timeout.min(MAX_HEAD_TIMEOUT),
            write_timeout: self.write_timeout.max(MIN_WRITE_TIMEOUT),
            buffer_bytes: self.buffer_bytes.max(MIN_BUFFER_BYTES),
            ..self
        }
    }
}

/// Counts an open connection and holds its place until it is dropped.
pub(crate) struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
    _share: ShareHeld,
}

impl Place {
    pub(crate) fn new(open: Gauge, permit: OwnedSemaphorePermit, share: ShareHeld) -> Self {
        open.inc();
        Self {
            open,
            _permit: permit,
            _share: share,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// `None` where plain HTTP is spoken.
    pub(crate) handshake: Option<Handshake>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) watcher: Watcher,
    pub(crate) place: Place,
}

/// Serves HTTP until the peer, a limit or a stop ends it. Runs in the connection's own task, the TLS handshake too: a slow
/// one delays no other connection.
pub(crate) async fn serve<S, B>(accepted: Accepted, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Accepted {
        stream,
        peer,
        handshake,
        limits,
        metrics,
        draining,
        watcher,
        place,
    } = accepted;
    let held = Held {
        limits,
        metrics,
        draining,
        watcher,
    };
    // Small responses must not wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    match handshake {
        None => speak(stream, service, None, held).await,
        Some(handshake) => {
            if let Some((stream, caller)) = handshake.accept(stream, peer).await {
                speak(stream, service, Some(caller), held).await;
            }
        }
    }
    drop(place);
}

/// What limits a connection, and what ends it.
struct Held {
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
    draining: watch::Receiver<bool>,
    watcher: Watcher,
}

async fn speak<T, S, B>(stream: T, service: S, caller: Option<Caller>, held: Held)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Held {
        limits,
        metrics,
        draining,
        watcher,
    } = held;
    let service = TowerToHyperService::new(service);
    let under_way = UnderWay::default();
    let begun = under_way.clone();
    let checked = service_fn(move |mut request| {
        let one = begun.begin();
        // Boxed: what a service needs for a request may be kilobytes, and would be copied with each step that wraps it.
        let is_served = host::is_named_once(&request) && is_admitted(caller.as_ref(), &mut request);
        let serving = is_served.then(|| Box::pin(service.call(request)));
        async move {
            let Some(serving) = serving else {
                return Ok(refused());
            };
            let response = serving.await?;
            Ok::<_, Infallible>(response.map(|body| Either::Left(LastPart::new(body, one))))
        }
    });
    let (stream, writes) = Watched::new(stream);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.buffer_bytes)
        // Heads and bodies are small here: one buffer costs the kernel less than a list of two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), checked);
    let ends = async {
        tokio::select! {
            () = writes.without_progress(limits.write_timeout, draining.clone()) => {
                metrics.stalled.inc();
            }
            () = under_way.none_at_stop(draining, || writes.are_waiting()) => {}
        }
    };
    // In a set of its own it is polled when a timer or a stop wakes it, and not with each part of a request.
    let mut ends: FuturesUnordered<_> = iter::once(ends).collect();
    // A peer may end its connection early at any time: that is not an event for the log.
    tokio::select! {
        biased;
        _ended = watcher.watch(connection) => {}
        _ended = ends.next() => {}
    }
}

/// The body of a service's response, or none where the request was refused before it.
type OrRefused<B> = Either<LastPart<B>, Empty<<B as Body>::Data>>;

/// Who names no host, or two, is not listened to any more, nor who would not be let in now.
fn refused<B: Body>() -> Response<OrRefused<B>> {
    let mut refused = Response::new(Either::Right(Empty::new()));
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    let close = HeaderValue::from_static("close");
    refused.headers_mut().insert(CONNECTION, close);
    refused
}

/// Puts what the caller has shown, as far as it counts now, into a request of its connection. `false`: it has to connect anew.
fn is_admitted(caller: Option<&Caller>, request: &mut Request<Incoming>) -> bool {
    let extensions = request.extensions_mut();
    match caller.map(Caller::now) {
        None | Some(CallerNow::Nobody) => {}
        Some(CallerNow::Known(ShownCertificates::Verified(shown))) => {
            extensions.insert(shown);
        }
        Some(CallerNow::Known(ShownCertificates::Unverified(shown))) => {
            extensions.insert(shown);
        }
        Some(CallerNow::Refused) => {
            tracing::debug!("a caller is refused whose certificate counts no more");
            return false;
        }
    }
    true
}
