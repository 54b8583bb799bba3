//! A connection that speaks HTTP/1.1, until the peer, a limit or a stop ends it, and beyond where it is upgraded.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::Either::{Left, Right};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_service::Service;

use crate::admission::{self, NotServed};
use crate::gate::Gate;
use crate::head_timer::HeadTimer;
use crate::held::Held;
use crate::limits::ConnectionLimits;
use crate::progress::Writes;
use crate::stopping;
use crate::under_way::{LastPart, UnderWay};
use crate::watched::{Owner, Watched};

pub(crate) async fn speak<T, S, B>(stream: Watched<T>, owner: Owner, service: S, held: Held)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stream, noted) = stream.with_framing(held.strict_lines);
    let gate = Gate::new(noted, held.metrics.clone(), held.caller, &owner.handle);
    let (limits, metrics, draining) = (held.limits, held.metrics, held.draining);
    let service = TowerToHyperService::new(service);
    let under_way = UnderWay::default();
    let begun = under_way.clone();
    let checked = service_fn(move |mut request| {
        let one = begun.begin();
        let admitted = gate.admit(&mut request);
        let ends_http = gate.ends_http(&request);
        // Boxed: what a service needs for a request may be kilobytes, and would be copied with each step that wraps it.
        let serving = admitted.map(|()| Box::pin(service.call(request)));
        async move {
            let serving = match serving {
                Ok(serving) => serving,
                Err(not_served) => return Ok(refused(not_served)),
            };
            let response = serving.await?;
            ends_http.at(response.status());
            Ok::<_, Infallible>(response.map(|body| Either::Left(LastPart::new(body, one))))
        }
    });
    let writes = &owner.writes;
    let ends = async {
        let none_left = under_way.none_at_stop(draining.clone(), || writes.are_waiting());
        tokio::select! {
            () = stalls(writes, &limits, &metrics.stalled, draining.clone()) => {}
            () = none_left => {}
        }
        Event::End
    };
    let stops = stopping::has_come(draining.clone()).map(|()| Event::Stop);
    // In a set of their own they are polled when a timer or a stop wakes them, and not with each part of a request.
    let mut events = FuturesUnordered::new();
    events.push(Left(ends));
    events.push(Right(stops));
    // A peer may end its connection early at any time: that is not an event for the log.
    // In a block of its own: who waits below for the stream to be gone must not have it.
    let may_be_upgraded = {
        let mut connection = pin!(
            builder(&limits)
                .serve_connection(TokioIo::new(stream), checked)
                .with_upgrades()
        );
        loop {
            tokio::select! {
                biased;
                _ended = connection.as_mut() => break true,
                event = events.next() => match event {
                    Some(Event::Stop) => connection.as_mut().graceful_shutdown(),
                    Some(Event::End) | None => break false,
                },
            }
        }
    };
    drop(events);
    if may_be_upgraded {
        look_after(owner, &limits, &metrics.stalled, draining).await;
    }
}

/// What happens to a connection from outside.
enum Event {
    /// It may do what it has begun, and no more.
    Stop,
    End,
}

fn builder(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::default())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.buffer_bytes)
        // Heads and bodies are small here: one buffer costs the kernel less than a list of two.
        .writev(false);
    builder
}

/// Keeps the place of a connection that was upgraded until it is gone; whoever does not read loses it here too.
async fn look_after(
    mut owner: Owner,
    limits: &ConnectionLimits,
    stalled: &Counter,
    draining: watch::Receiver<bool>,
) {
    let writes = Arc::clone(&owner.writes);
    tokio::select! {
        biased;
        () = owner.gone() => {}
        () = stalls(&writes, limits, stalled, draining) => {}
    }
}

/// Ready, and counted, when the peer has not read for too long.
async fn stalls(
    writes: &Writes,
    limits: &ConnectionLimits,
    stalled: &Counter,
    draining: watch::Receiver<bool>,
) {
    let limit = limits.write_timeout;
    writes.without_progress(limit, draining).await;
    stalled.inc();
}

/// The body of a service's response, or none where the request was refused before it.
type OrRefused<B> = Either<LastPart<B>, Empty<<B as Body>::Data>>;

/// Who names no host, or two, is not listened to any more, nor whose request could end in two places, nor who would not be let in now.
fn refused<B: Body>(not_served: NotServed) -> Response<OrRefused<B>> {
    let mut refused = admission::refused(not_served, Either::Right(Empty::new()));
    let close = HeaderValue::from_static("close");
    refused.headers_mut().insert(CONNECTION, close);
    refused
}
