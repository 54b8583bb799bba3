//! Whether all of a request was sent when its response began.
//!
//! A server that responds before it has read a body may take what comes of that later for a request of its own, and respond to that: whoever used the
//! connection next would be given that response. Nobody does.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::body::{Body, BoxError};

/// Knows whether a body that comes as its source gives it has come to its end.
pub(super) struct Sent(Arc<AtomicBool>);

impl Sent {
    /// `None` for a body that is there: it is written at once.
    pub(super) fn watch(body: &mut Body) -> Option<Self> {
        if !body.is_stream() {
            return None;
        }
        let is_whole = Arc::new(AtomicBool::new(false));
        let left = body.size_hint().exact();
        *body = Body::streamed(Watched {
            body: mem::take(body),
            left,
            is_whole: Arc::clone(&is_whole),
        });
        Some(Self(is_whole))
    }

    /// Whether the connection has taken all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Relaxed throughout: who writes the body is who asks.
struct Watched {
    body: Body,
    /// What is still to come of it, where it has said how long it is.
    left: Option<u64>,
    is_whole: Arc<AtomicBool>,
}

impl Watched {
    fn ends(&self) {
        self.is_whole.store(true, Ordering::Relaxed);
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.ends(),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(bytes));
                if self.left == Some(0) {
                    self.ends();
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let is_end = self.body.is_end_stream();
        if is_end {
            self.ends();
        }
        is_end
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
