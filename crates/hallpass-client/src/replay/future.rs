//! The response of the replay layer: a box for a call that is made again alone.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use hallpass_upstream::Body;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::further::{Further, Next};
use crate::error::{CallError, TokenError};

pin_project! {
    /// The response of [`Replay`](crate::Replay).
    #[must_use = "futures do nothing unless polled"]
    pub struct ReplayFuture<S>
    where
        S: Service<Request<Body>>,
    {
        #[pin]
        state: State<S>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S>
    where
        S: Service<Request<Body>>,
    {
        First {
            #[pin]
            future: S::Future,
            further: Option<Further<S>>,
            has_ended: bool,
        },
        Again {
            future: BoxFuture<'static, Result<Response<Body>, CallError>>,
        },
    }
}

impl<S: Service<Request<Body>>> ReplayFuture<S> {
    pub(super) fn new(future: S::Future, further: Option<Further<S>>) -> Self {
        Self {
            state: State::First {
                future,
                further,
                has_ended: false,
            },
        }
    }
}

impl<S> Future for ReplayFuture<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Output = Result<Response<Body>, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::First {
                    future,
                    further,
                    has_ended,
                } => {
                    if *has_ended {
                        // Polled after its end: an error, not a panic.
                        return Poll::Ready(Err(CallError::Token(TokenError::Lost)));
                    }
                    let response = ready!(future.poll(cx))?;
                    *has_ended = true;
                    let Some(further) = further.take() else {
                        return Poll::Ready(Ok(response));
                    };
                    match further.after(response) {
                        Next::Done(response) => return Poll::Ready(Ok(response)),
                        Next::Again(future) => this.state.set(State::Again { future }),
                    }
                }
                StateProjection::Again { future } => return future.as_mut().poll(cx),
            }
        }
    }
}

impl<S: Service<Request<Body>>> fmt::Debug for ReplayFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayFuture").finish_non_exhaustive()
    }
}
