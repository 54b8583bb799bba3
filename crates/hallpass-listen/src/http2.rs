//! A connection that speaks HTTP/2, until the peer, a limit or a stop ends it.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tower_service::Service;

use crate::admission::{self, NotServed};
use crate::held::Held;
use crate::limits::ConnectionLimits;
use crate::metrics::ConnectionMetrics;
use crate::pace::{Paced, PacedBody};
use crate::progress::{Pace, Writes};
use crate::stopping;
use crate::streams::{Owned, Patience, Streams};
use crate::under_way::UnderWay;
use crate::watched::{Owner, Watched};

/// How often a peer is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams that a peer has reset before anybody looked at them; one more, and the connection ends (CVE-2023-44487).
const RESET_UNSEEN: usize = 20;
/// Streams that the server had to reset because of what the peer did; one more, and the connection ends (CVE-2025-8671).
const RESET_FOR_ERRORS: usize = 64;
/// So many times longer than all of a connection one stream may be left by its peer, while others go on: a client of gRPC may take long over a message.
const STREAM_TIMES: u32 = 4;
/// How many read buffers a connection may fill with the bodies of all its requests.
const BUFFERS: usize = 4;

pub(crate) async fn speak<T, S, B>(stream: Watched<T>, owner: Owner, service: S, held: Held)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (limits, metrics, draining) = (held.limits, held.metrics, held.draining);
    let (caller, working) = (held.caller, held.working);
    let service = TowerToHyperService::new(service);
    let (under_way, pace) = (UnderWay::default(), Pace::default());
    let (begun, paced) = (under_way.clone(), pace.clone());
    let unwelcome = Arc::new(Notify::new());
    let is_unwelcome = Arc::clone(&unwelcome);
    let checked = service_fn(move |mut request| {
        let (one, none) = (begun.begin(), paced.nothing());
        let admitted = admission::check(caller.as_ref(), &mut request);
        if admitted == Err(NotServed::Certificate) {
            is_unwelcome.notify_one();
        }
        let serving = admitted.map(|()| Box::pin(service.call(request)));
        async move {
            let serving = match serving {
                Ok(serving) => serving,
                Err(not_served) => return Ok(refused(not_served)),
            };
            let response = serving.await?;
            let paced = |body| Either::Left(PacedBody::new(body, none, one));
            Ok::<_, Infallible>(response.map(paced))
        }
    });
    let patience = patience(&limits, &pace, &metrics, &draining);
    let streams = Owned::new(working, patience);
    let builder = builder(streams.executor(), &limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), checked));
    let writes = &owner.writes;
    let is_writing = || writes.are_waiting() || pace.is_waiting();
    let mut ends = pin!(async {
        tokio::select! {
            () = stalls(writes, &pace, limits.write_timeout, draining.clone()) => {
                metrics.stalled.inc();
            }
            () = under_way.none_at_stop(draining.clone(), is_writing) => {}
        }
    });
    // A peer may end its connection early at any time: that is not an event for the log.
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = ends.as_mut() => return,
        () = stopping::has_come(draining.clone()) => {}
        () = unwelcome.notified() => {}
        () = under_way.idle_for(limits.head_timeout, is_writing) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ended = connection => {}
        () = ends => {}
        () = under_way.none_left(is_writing) => {}
    }
}

/// With which each request is looked at by itself.
fn patience(
    limits: &ConnectionLimits,
    all: &Pace,
    metrics: &ConnectionMetrics,
    draining: &watch::Receiver<bool>,
) -> Patience {
    Patience {
        all: all.clone(),
        limit: limits.write_timeout.saturating_mul(STREAM_TIMES),
        draining: draining.clone(),
        stalled: metrics.stalled.clone(),
    }
}

/// Ready when the peer has not read for too long, or has taken no data for too long.
async fn stalls(writes: &Writes, pace: &Pace, limit: Duration, draining: watch::Receiver<bool>) {
    tokio::select! {
        () = writes.without_progress(limit, draining.clone()) => {}
        () = pace.without_progress(limit, draining) => {}
    }
}

fn builder(streams: Streams, limits: &ConnectionLimits) -> http2::Builder<Streams> {
    let window = u32::try_from(limits.buffer_bytes).unwrap_or(u32::MAX >> 1);
    let head_bytes = u32::try_from(limits.head_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(head_bytes)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_local_error_reset_streams(RESET_FOR_ERRORS)
        .initial_stream_window_size(window)
        .initial_connection_window_size(connection_window(limits))
        .max_send_buf_size(limits.buffer_bytes)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// No window is larger (RFC 9113 section 6.9.1).
const MAX_WINDOW: usize = (1 << 31) - 1;

fn connection_window(limits: &ConnectionLimits) -> u32 {
    let window = limits.buffer_bytes.saturating_mul(BUFFERS).min(MAX_WINDOW);
    u32::try_from(window).unwrap_or(u32::MAX >> 1)
}

/// The body of a service's response, or none where the request was refused before it.
type OrRefused<B> = Either<PacedBody<B>, Empty<Paced<<B as Body>::Data>>>;

fn refused<B: Body>(not_served: NotServed) -> Response<OrRefused<B>> {
    admission::refused(not_served, Either::Right(Empty::new()))
}
