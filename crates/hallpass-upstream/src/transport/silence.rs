//! Connections that many requests share and that say nothing any more: a process that is frozen, a network that swallows everything.
//!
//! Nothing ends such a connection before a ping has run out of time, and all requests to the instance would go over it until then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Request};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{
    CaptureConnection, Connected, Connection, capture_connection,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::http2::Http2;
use crate::body::Body;

/// A connection on which a request has waited for so long, and nothing at all was read meanwhile, gets no further ones. Those that
/// are on it go on: an answer that takes its time may still come.
const LONGEST: Duration = Duration::from_secs(1);

/// When something was last read from a connection. Clones share it.
///
/// Relaxed throughout: the times are compared with seconds between them, and no other memory depends on them.
#[derive(Clone, Debug)]
struct Heard(Arc<Times>);

/// In nanoseconds since the connection was made.
#[derive(Debug)]
struct Times {
    begun: Instant,
    read: AtomicU64,
    /// Since when somebody has waited for what is read next.
    waits_since: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self(Arc::new(Times {
            begun: Instant::now(),
            read: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
        }))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn read(&self) {
        self.0.read.store(self.now(), Ordering::Relaxed);
    }

    /// A further request waits from now on. Whether others have waited for too long before it.
    fn asked(&self) -> bool {
        let is_silent = self.is_silent();
        let waits_since = self.0.waits_since.load(Ordering::Relaxed);
        if waits_since <= self.0.read.load(Ordering::Relaxed) {
            // Never 0 after what was read at 0.
            let now = self.now().max(1);
            self.0.waits_since.store(now, Ordering::Relaxed);
        }
        is_silent
    }

    /// Whether somebody has waited for too long, and nothing was read since.
    fn is_silent(&self) -> bool {
        let waits_since = self.0.waits_since.load(Ordering::Relaxed);
        let waited = Duration::from_nanos(self.now().saturating_sub(waits_since));
        waits_since > self.0.read.load(Ordering::Relaxed) && waited >= LONGEST
    }
}

/// A TCP connection that may note when something was read.
#[derive(Debug)]
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    heard: Option<Heard>,
}

impl Stream {
    pub(super) fn new(io: TokioIo<TcpStream>, is_shared: bool) -> Self {
        let heard = is_shared.then(Heard::new);
        Self { io, heard }
    }
}

impl Connection for Stream {
    /// Without the addresses, which nobody asks for: they would cost each response an allocation.
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match &self.heard {
            Some(heard) => connected.extra(heard.clone()),
            None => connected,
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some(heard)) = (&read, &self.heard) {
            heard.read();
        }
        read
    }
}

impl Write for Stream {
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

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            // As most requests are: the kernel has less to do for it than for a list of one.
            [one] => Pin::new(&mut self.io).poll_write(context, one),
            _ => Pin::new(&mut self.io).poll_write_vectored(context, slices),
        }
    }
}

/// Watches the connection of one request by HTTP/2 until its response comes.
#[derive(Debug)]
pub(super) struct Watch {
    captured: CaptureConnection,
    is_http2: bool,
    /// The connection it goes over, once that is known.
    heard: Option<Heard>,
}

impl Watch {
    /// `None`: requests by HTTP/1.1 share no connection.
    pub(super) fn over(request: &mut Request<Body>, http2: Http2) -> Option<Self> {
        (http2 != Http2::Never).then(|| Self {
            captured: capture_connection(request),
            is_http2: http2 == Http2::Always,
            heard: None,
        })
    }

    /// It has been polled, and there is no response yet.
    pub(super) fn waits(&mut self) {
        if self.heard.is_some() {
            return;
        }
        let connected = self.captured.connection_metadata();
        let Some(connected) = connected.as_ref() else {
            return;
        };
        if !self.is_http2 && !connected.is_negotiated_h2() {
            return;
        }
        let mut extensions = Extensions::new();
        connected.get_extras(&mut extensions);
        self.heard = extensions.remove();
        if self.heard.as_ref().is_some_and(Heard::asked) {
            connected.poison();
        }
    }

    /// It was given up before a response came.
    pub(super) fn given_up(&self) {
        if self.heard.as_ref().is_some_and(Heard::is_silent)
            && let Some(connected) = self.captured.connection_metadata().as_ref()
        {
            connected.poison();
        }
    }
}
