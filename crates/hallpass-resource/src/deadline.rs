//! A handler stops when its caller has stopped waiting, and so do the calls that it makes.
//!
//! The caller says for how long it waits; anybody can, as anybody can close the connection, so it is no matter of identity.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::authorize::Authorized;
use crate::grpc;
use crate::time_left::time_left;

/// When the caller of a request stops waiting, if it says so.
#[derive(Debug)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    is_enforced: bool,
    /// The media type of a request that speaks gRPC and may be cut off.
    spoken_grpc: Option<HeaderValue>,
}

/// The time is over.
#[derive(Debug)]
pub(crate) struct Late;

impl Deadline {
    /// Of a request whose head was read at `arrived`: what passed before, on the way, nobody here knows.
    pub(crate) fn of(authorized: &Authorized, parts: &Parts, arrived: Instant) -> Self {
        let settings = authorized.deadline_settings();
        let at = time_left(settings, &parts.headers).map(|left| arrived + left);
        let spoken_grpc = at.and_then(|_| grpc::grpc_media_type(parts).cloned());
        Self {
            at,
            is_enforced: settings.enforce,
            spoken_grpc,
        }
    }

    /// When it is; `None` when the caller does not say.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Does `work`, and drops it when the time is over; does not begin when it is over already.
    pub(crate) fn within<F: Future>(&self, work: F) -> Within<F> {
        let end = self.at.filter(|_| self.is_enforced);
        Within {
            work,
            is_late: end.is_some_and(|end| end <= Instant::now()),
            end: end.map(|end| Box::pin(sleep_until(end))),
        }
    }

    /// The response to a request whose work was late: 504 `deadline_exceeded`, for whoever on the way still waits. It is counted.
    pub(crate) fn response(self, authorized: &Authorized) -> Response<Bytes> {
        authorized.too_late().into_response_in(self.spoken_grpc)
    }
}

pin_project! {
    /// The future of [`Deadline::within`]. Without a deadline it costs nothing.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Within<F> {
        #[pin]
        work: F,
        is_late: bool,
        end: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Late>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.is_late {
            return Poll::Ready(Err(Late));
        }
        if let Poll::Ready(output) = this.work.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match this.end {
            Some(end) => end.as_mut().poll(cx).map(|()| Err(Late)),
            None => Poll::Pending,
        }
    }
}
