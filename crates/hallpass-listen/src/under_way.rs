//! Whether a connection has a request under way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::watch;

/// How long a stop waits for the rest of a head: a peer that sends half of one must not decide how long a stop takes.
const HEAD_LIMIT: Duration = Duration::from_secs(1);

/// The requests of one connection that are under way: from the end of a head to the end of the response. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    ever: AtomicU64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct OneRequest(UnderWay);

impl UnderWay {
    pub(crate) fn begin(&self) -> OneRequest {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.ever.fetch_add(1, Ordering::Relaxed);
        OneRequest(self.clone())
    }

    fn is_none(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) == 0
    }

    /// Ready when the server stops, a second has passed, and there is none, nor a response that waits for its reader
    /// (`is_writing`): what the peer may still have sent is no request.
    pub(crate) async fn none_at_stop(
        &self,
        mut draining: watch::Receiver<bool>,
        is_writing: impl Fn() -> bool,
    ) {
        if draining.wait_for(|draining| *draining).await.is_err() {
            // The server is gone, and ends this connection.
            return std::future::pending().await;
        }
        self.none_left(is_writing).await;
    }

    /// Ready when a second has passed, and there is none, nor a response that waits for its reader.
    pub(crate) async fn none_left(&self, is_writing: impl Fn() -> bool) {
        loop {
            tokio::time::sleep(HEAD_LIMIT).await;
            if self.is_none() && !is_writing() {
                return;
            }
        }
    }

    /// Ready when there was none for `limit`, and at most for twice of it: it looks once in that time.
    pub(crate) async fn idle_for(&self, limit: Duration, is_writing: impl Fn() -> bool) {
        loop {
            let before = self.0.ever.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            let after = self.0.ever.load(Ordering::Relaxed);
            if before == after && self.is_none() && !is_writing() {
                return;
            }
        }
    }
}

impl Drop for OneRequest {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// The body of a response, with which its request ends.
    #[derive(Debug)]
    pub(crate) struct LastPart<B> {
        #[pin]
        body: B,
        request: OneRequest,
    }
}

impl<B> LastPart<B> {
    pub(crate) const fn new(body: B, request: OneRequest) -> Self {
        Self { body, request }
    }
}

impl<B: Body> Body for LastPart<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
