//! A connection that others may end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, watch};

/// The connection of a request that asks for an upgrade (a WebSocket, or `CONNECT`), in the extensions of that request. A
/// clone means the same connection.
///
/// Once it is upgraded, the connection belongs to whoever took it, and outlives the response; this ends it from outside, as
/// when the token of its request has ended. A connection of HTTP/2 has none, since it is never upgraded.
///
/// ```
/// use hallpass_listen::ConnectionHandle;
///
/// async fn end_with_the_server<B>(request: &http::Request<B>) {
///     if let Some(connection) = request.extensions().get::<ConnectionHandle>() {
///         connection.stopping().await;
///         connection.end();
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    has_ended: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// For those who wait for the end and neither read nor write.
    end: Notify,
    draining: watch::Receiver<bool>,
}

impl ConnectionHandle {
    pub(crate) fn new(draining: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Shared {
            has_ended: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            end: Notify::new(),
            draining,
        }))
    }

    /// Ends the connection: whoever reads from it or writes to it gets an error, and the peer sees it closed when they let
    /// go of it. What was not written yet is lost. Nothing happens where it has ended already.
    pub fn end(&self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
        self.0.reader.wake();
        self.0.writer.wake();
        self.0.end.notify_waiters();
    }

    /// Ready when [`has_ended`](Self::has_ended) says so: the connection is gone, or is about to be.
    pub async fn ended(&self) {
        let told = self.0.end.notified();
        let mut told = std::pin::pin!(told);
        // Before the look, so that no end comes between the two.
        told.as_mut().enable();
        if !self.has_ended() {
            told.await;
        }
    }

    /// Whether [`end`](Self::end) was called, or a limit or the server has ended the connection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::SeqCst)
    }

    /// Ready when the server is to stop, or is gone. A shutdown waits for upgraded connections until its limit, so whoever
    /// serves one should end it then, by the rules of its protocol.
    pub async fn stopping(&self) {
        let mut draining = self.0.draining.clone();
        let _gone = draining.wait_for(|draining| *draining).await;
    }

    /// For a read that has to wait: woken at the end. `true`: it has ended.
    pub(crate) fn reader_waits(&self, context: &Context<'_>) -> bool {
        self.0.reader.register(context.waker());
        self.has_ended()
    }

    /// For a write that has to wait: woken at the end. `true`: it has ended.
    pub(crate) fn writer_waits(&self, context: &Context<'_>) -> bool {
        self.0.writer.register(context.waker());
        self.has_ended()
    }
}
