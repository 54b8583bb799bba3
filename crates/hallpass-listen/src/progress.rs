//! Whether a peer reads what is written to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// How long a peer may read nothing while the server stops: it must not decide how long that takes.
const DRAIN_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of the writes to one stream.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// The last one found no room.
    waits: AtomicBool,
    /// Those that did find room.
    done: AtomicU64,
}

impl Writes {
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_ready() {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        self.waits.store(written.is_pending(), Ordering::Relaxed);
        written
    }

    /// The count of writes at which the stream waits for its peer, if it does.
    fn waiting_at(&self) -> Option<u64> {
        let waits = self.waits.load(Ordering::Relaxed);
        waits.then(|| self.done.load(Ordering::Relaxed))
    }

    /// Whether something is written that the peer has not made room for.
    pub(crate) fn are_waiting(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Ready when the peer has read nothing for `limit`, or for a shorter time once `draining` is true.
    ///
    /// It looks once in that time, and not at each write: a busy connection pays for no timer.
    pub(crate) async fn without_progress(
        &self,
        limit: Duration,
        mut draining: watch::Receiver<bool>,
    ) {
        loop {
            let is_draining = *draining.borrow();
            let limit = if is_draining {
                limit.min(DRAIN_WRITE_TIMEOUT)
            } else {
                limit
            };
            let before = self.waiting_at();
            tokio::select! {
                () = tokio::time::sleep(limit) => {
                    if before.is_some() && before == self.waiting_at() {
                        return;
                    }
                }
                changed = draining.changed(), if !is_draining => {
                    if changed.is_err() {
                        // The server is gone, and ends this connection.
                        return std::future::pending().await;
                    }
                }
            }
        }
    }
}

/// A stream whose writes are watched.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    stream: T,
    writes: Arc<Writes>,
}

impl<T> Watched<T> {
    pub(crate) fn new(stream: T) -> (Self, Arc<Writes>) {
        let writes = Arc::new(Writes::default());
        let watched = Self {
            stream,
            writes: Arc::clone(&writes),
        };
        (watched, writes)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.writes.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.writes.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // A flush with nothing left to write is no progress.
        if flushed.is_pending() {
            return self.writes.note(flushed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.writes.note(ended)
    }
}
