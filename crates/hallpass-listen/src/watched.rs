//! The stream of a connection: its writes are watched, it can be ended from outside, and its owner knows when it is gone.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::framing::{Framing, Noted};
use crate::handle::ConnectionHandle;
use crate::preface::Begun;
use crate::progress::Writes;

/// A stream whose writes are watched.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    stream: T,
    /// What was read of it before.
    begun: Begun,
    /// Sees what is read, where HTTP/1 is spoken.
    framing: Option<Framing>,
    writes: Arc<Writes>,
    handle: ConnectionHandle,
    _held: oneshot::Sender<Infallible>,
}

/// Owns a [`Watched`] that somebody else has: dropped, it ends it.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) writes: Arc<Writes>,
    pub(crate) handle: ConnectionHandle,
    gone: oneshot::Receiver<Infallible>,
}

impl<T> Watched<T> {
    pub(crate) fn new(stream: T, begun: Begun, handle: ConnectionHandle) -> (Self, Owner) {
        let writes = Arc::new(Writes::default());
        let (held, gone) = oneshot::channel();
        let watched = Self {
            stream,
            begun,
            framing: None,
            writes: Arc::clone(&writes),
            handle: handle.clone(),
            _held: held,
        };
        let owner = Owner {
            writes,
            handle,
            gone,
        };
        (watched, owner)
    }

    /// Has what is read from now on looked at before it is handed on: see [`Framing`].
    pub(crate) fn with_framing(mut self, strict_lines: bool) -> (Self, Arc<Noted>) {
        let (framing, noted) = Framing::new(strict_lines);
        self.framing = Some(framing);
        (self, noted)
    }

    /// Has what `buffer` holds beyond `before` bytes looked at.
    fn see(&mut self, buffer: &ReadBuf<'_>, before: usize) {
        if let Some(framing) = &mut self.framing {
            framing.see(buffer.filled().get(before..).unwrap_or_default());
        }
    }

    /// An error once the connection was ended.
    fn check(&self) -> io::Result<()> {
        if self.handle.has_ended() {
            return Err(ended());
        }
        Ok(())
    }

    /// What comes of a write; one that has to wait is woken at the end.
    fn written<R>(
        &self,
        written: Poll<io::Result<R>>,
        context: &Context<'_>,
    ) -> Poll<io::Result<R>> {
        if written.is_pending() && self.handle.writer_waits(context) {
            return Poll::Ready(Err(ended()));
        }
        self.writes.note(written)
    }
}

impl Owner {
    /// Ready when nobody has the stream any more.
    pub(crate) async fn gone(&mut self) {
        let _dropped = (&mut self.gone).await;
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.handle.end();
    }
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the connection was ended by its server",
    )
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buffer.filled().len();
        if self.begun.take(buffer) {
            self.see(buffer, before);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.handle.reader_waits(context) {
            return Poll::Ready(Err(ended()));
        }
        self.see(buffer, before);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // A flush with nothing left to write is no progress.
        if flushed.is_pending() {
            return self.written(flushed, context);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(ended, context)
    }
}
