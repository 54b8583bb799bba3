//! A connection that has become something else than HTTP: bytes both ways, until the token of its request ends or the server does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hallpass_listen::ConnectionHandle;
use hallpass_resource::TokenEnd;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use super::caller_places::HeldPlaces;

/// The buffer of each direction, in bytes.
const BUFFER_BYTES: usize = 8 * 1024;

/// What ends a tunnel.
#[derive(Debug)]
pub(crate) struct TunnelEnds {
    pub(crate) token: TokenEnd,
    /// The connection of the caller.
    pub(crate) connection: ConnectionHandle,
    /// The longest time in which nothing moves, in either direction; twice of it at most.
    pub(crate) idle: Duration,
}

/// What a tunnel holds as long as it lasts.
#[derive(Debug)]
pub(crate) struct TunnelPlace {
    _places: HeldPlaces,
    open: Gauge,
}

impl TunnelPlace {
    pub(crate) fn new(places: HeldPlaces, open: &Gauge) -> Self {
        open.inc();
        Self {
            _places: places,
            open: open.clone(),
        }
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Joins both sides as soon as each of them has switched, in a task of its own, which lives no longer than the caller's connection.
pub(crate) fn join(
    (caller, upstream): (OnUpgrade, OnUpgrade),
    ends: TunnelEnds,
    place: TunnelPlace,
) {
    tokio::spawn(async move {
        let TunnelEnds {
            token,
            connection,
            idle,
        } = ends;
        tokio::select! {
            biased;
            () = connection.ended() => {}
            copied = token.until(copy((caller, upstream), idle)) => match copied {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a tunnel broke off"),
                Err(why) => tracing::info!(%why, "a tunnel was ended"),
            },
        }
        connection.end();
        drop(place);
    });
}

async fn copy((caller, upstream): (OnUpgrade, OnUpgrade), idle: Duration) -> io::Result<()> {
    let (caller, upstream) = tokio::try_join!(caller, upstream).map_err(io::Error::other)?;
    copy_between(TokioIo::new(caller), TokioIo::new(upstream), idle).await
}

/// Bytes both ways until both sides have ended, one breaks off, or nothing has moved for too long.
pub(crate) async fn copy_between(
    caller: impl AsyncRead + AsyncWrite + Unpin,
    upstream: impl AsyncRead + AsyncWrite + Unpin,
    idle: Duration,
) -> io::Result<()> {
    let moved = Arc::new(AtomicU64::new(0));
    let mut caller = Noted::new(caller, &moved);
    let mut upstream = Noted::new(upstream, &moved);
    tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut caller, &mut upstream, BUFFER_BYTES, BUFFER_BYTES) => copied.map(drop),
        () = stands_still(&moved, idle) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing has moved for too long")),
    }
}

/// Ready when nothing has moved for `limit`.
async fn stands_still(moved: &AtomicU64, limit: Duration) {
    loop {
        let before = moved.load(Ordering::Relaxed);
        tokio::time::sleep(limit).await;
        if moved.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Counts what is read.
struct Noted<T> {
    io: T,
    moved: Arc<AtomicU64>,
}

impl<T> Noted<T> {
    fn new(io: T, moved: &Arc<AtomicU64>) -> Self {
        Self {
            io,
            moved: Arc::clone(moved),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if polled.is_ready() {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
