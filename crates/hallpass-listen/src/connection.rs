//! One connection, from the socket to its end, and its limits.

use std::convert::Infallible;
use std::error::Error;
use std::iter;
use std::net::SocketAddr;

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
use tokio::sync::{OwnedSemaphorePermit, watch};
use tower_service::Service;

use crate::handshake::Handshake;
use crate::host;
use crate::limits::ConnectionLimits;
use crate::metrics::ConnectionMetrics;
use crate::progress::Watched;
use crate::share::ShareHeld;
use crate::under_way::{LastPart, UnderWay};

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
