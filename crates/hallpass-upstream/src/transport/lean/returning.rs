//! A connection whose response has begun and not ended.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::link::Link;
use super::pool::Pool;
use crate::body::{Body, BoxError};

/// For so long at most a request is still sent whose response was read to its end. A server that has responded early and reads no further, as one that has
/// no use for a body, would hold connection and body for ever.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A connection that goes back as soon as it can be used again. When it is dropped before, it ends, unless the rest of the response is
/// there already.
pub(super) struct Returning {
    link: Option<Link>,
    pool: Weak<Pool>,
}

impl Returning {
    pub(super) fn new(link: Link, pool: &Arc<Pool>) -> Self {
        Self {
            link: Some(link),
            pool: Arc::downgrade(pool),
        }
    }

    /// One that is not used again.
    pub(super) fn nowhere(link: Link) -> Self {
        Self {
            link: Some(link),
            pool: Weak::new(),
        }
    }

    /// Goes on in a task of its own: for a request that is still being sent, which must not wait for somebody to read its response.
    /// The task ends with the exchange, when nobody wants the response any more, and some time after all of that was read.
    pub(super) fn go_on_alone(mut self, runtime: &Handle, incoming: Incoming) -> Body {
        let (until_read, read) = oneshot::channel();
        runtime.spawn(async move {
            tokio::select! {
                biased;
                () = poll_fn(|context| self.poll_done(context)) => {}
                () = rest_takes_too_long(read) => {}
            }
            self.go_back_if_idle();
        });
        Body::streamed(ReadAlone {
            incoming,
            until_read: Some(until_read),
        })
    }

    /// Ready when nothing more has to be sent or read.
    fn poll_done(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(link) = &mut self.link else {
            return Poll::Ready(());
        };
        match link.poll_ended(context) {
            Poll::Pending if link.is_idle() => Poll::Ready(()),
            polled => polled,
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(link) = &mut self.link {
            let _ended = link.poll_ended(context);
        }
    }

    fn go_back_if_idle(&mut self) {
        if let Some(link) = self.link.take_if(|link| link.is_idle())
            && let Some(pool) = self.pool.upgrade()
        {
            pool.check_in(link);
        }
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        // Nobody wants the rest any more: what is there of it is skipped, for what is not there the connection ends.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.go_back_if_idle();
    }
}

/// Ready some time after the response was read.
async fn rest_takes_too_long(read: oneshot::Receiver<Infallible>) {
    // Nothing is ever sent: an error says that the other end has gone.
    let _gone = read.await;
    sleep(LONGEST_REST).await;
}

/// The body of a response that its connection brings by itself.
struct ReadAlone {
    incoming: Incoming,
    /// Dropped at its end.
    until_read: Option<oneshot::Sender<Infallible>>,
}

impl HttpBody for ReadAlone {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.until_read = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The body of a response, which whoever reads it fetches from the connection. The connection goes back at its end.
pub(super) struct ReturningBody {
    // Dropped before the connection, which has to know that nobody reads on.
    incoming: Incoming,
    returning: Returning,
}

impl ReturningBody {
    pub(super) const fn new(incoming: Incoming, returning: Returning) -> Self {
        Self {
            incoming,
            returning,
        }
    }

    /// What the connection has brought so far. Nobody has to be woken for more: it comes when the connection is driven.
    fn poll_brought(&mut self) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
    }
}

impl HttpBody for ReturningBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut brought = self.poll_brought();
        if brought.is_pending() {
            self.returning.drive(context);
            brought = self.poll_brought();
        }
        self.returning.go_back_if_idle();
        brought.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
