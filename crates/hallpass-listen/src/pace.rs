//! Whether a peer that speaks HTTP/2 takes what it was promised: its windows may be shut while its socket is open.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::watch;

use crate::progress::{Outstanding, Pace, stands_still};
use crate::under_way::OneRequest;

/// One request, until the last data of its response is written: what is known of that data.
#[derive(Debug)]
pub(crate) struct OneStream {
    _request: OneRequest,
    /// Parts that the service has given and that are not written.
    waiting: AtomicUsize,
    /// How often a part of one was written.
    moves: AtomicU64,
}

impl OneStream {
    /// Whether data waits for the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Ready when the peer has taken nothing of it for `limit`, or for a shorter time once `draining` is true, while something of it waited and others on
    /// its connection, of which `all` knows, went on. Where none goes on, it is the connection that ends.
    pub(crate) async fn falls_behind(
        &self,
        all: &Pace,
        limit: Duration,
        draining: watch::Receiver<bool>,
    ) {
        let look = || {
            let own = self.moves.load(Ordering::Relaxed);
            self.is_waiting().then(|| (own, all.moves()))
        };
        let is_stuck =
            |before: &(u64, u64), now: &(u64, u64)| before.0 == now.0 && before.1 != now.1;
        stands_still(look, is_stuck, limit, draining).await;
    }
}

thread_local! {
    /// The stream whose response has begun in the task that runs at the moment.
    static BEGUN: Cell<Option<Arc<OneStream>>> = const { Cell::new(None) };
}

/// The stream whose response has begun since this was asked last, on this thread.
pub(crate) fn take_begun() -> Option<Arc<OneStream>> {
    BEGUN.try_with(Cell::take).ok().flatten()
}

/// Data of a response, from the moment at which the service gives it until it is written, or given up.
#[derive(Debug)]
pub(crate) struct Paced<D> {
    data: D,
    outstanding: Outstanding,
    waits: Waits,
}

/// One part of a stream, until it is dropped.
#[derive(Debug)]
struct Waits(Arc<OneStream>);

impl Waits {
    fn begin(stream: &Arc<OneStream>) -> Self {
        stream.waiting.fetch_add(1, Ordering::Relaxed);
        // What begins to wait has not waited yet.
        stream.moves.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stream))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: Buf> Buf for Paced<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        if count > 0 {
            self.outstanding.moved();
            self.waits.0.moves.fetch_add(1, Ordering::Relaxed);
        }
        self.data.advance(count);
    }
}

pin_project! {
    /// The body of a response, whose request ends when the last of its data is written.
    #[derive(Debug)]
    pub(crate) struct PacedBody<B> {
        #[pin]
        body: B,
        none: Outstanding,
        stream: Arc<OneStream>,
    }
}

impl<B> PacedBody<B> {
    /// `none` counts nothing itself: a clone of it counts one. The task that runs learns of the stream by [`take_begun`].
    pub(crate) fn new(body: B, none: Outstanding, request: OneRequest) -> Self {
        let stream = Arc::new(OneStream {
            _request: request,
            waiting: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
        });
        let begun = Arc::clone(&stream);
        let _at_the_end_of_a_thread = BEGUN.try_with(|it| it.set(Some(begun)));
        Self { body, none, stream }
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = Paced<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(context);
        polled.map_ok(|frame| {
            frame.map_data(|data| Paced {
                data,
                outstanding: this.none.one_more(),
                waits: Waits::begin(this.stream),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
