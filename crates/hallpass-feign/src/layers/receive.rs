//! Reads the response, within a limit, while the layers above still watch over the call.
//!
//! It stands below the breaker, so that an response whose head comes and whose body does not is a failure of the
//! instance and can be retried like any other.

mod copies;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use hallpass_client::{CallError, CallReport};
use hallpass_upstream::{Body, CollectError, TransportError, TransportErrorKind};
use http::{Request, Response};
use tower::{Service, ServiceExt};

use super::{CallResult, Layer};
use crate::error::FeignError;
use crate::ongoing_attempt::OngoingAttempt;
use crate::response::{Reading, Received};
use copies::Copies;

/// Most of an error response's body that is kept, in bytes.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// Turns responses into [`Received`] ones and errors of the layers below into [`FeignError`]s.
#[derive(Clone, Debug)]
pub(crate) struct Receive<S> {
    inner: S,
    /// Where the service below is always ready.
    copies: Option<Arc<Copies<S>>>,
}

impl<S> Receive<S> {
    pub(crate) fn new(inner: S) -> Self {
        let copies = None;
        Self { inner, copies }
    }

    /// The same for a service that is always ready, and whose futures hold nothing of it: it is not copied for each call.
    pub(crate) fn of_always_ready(inner: S) -> Self
    where
        S: Clone,
    {
        let copies = Some(Arc::new(Copies::of(&inner)));
        Self { inner, copies }
    }
}

/// Calls a service that is always ready: a copy of it, or where another thread has that, one more.
fn call_at_once<S>(copies: &Copies<S>, service: &S, request: Request<Body>) -> S::Future
where
    S: Service<Request<Body>> + Clone,
{
    let mut context = Context::from_waker(Waker::noop());
    let call = |service: &mut S| {
        // It is asked because a service may count on that. What it answers is known.
        let _ready = service.poll_ready(&mut context);
        service.call(request)
    };
    match copies.lend() {
        Some(mut lent) => call(&mut lent),
        None => call(&mut service.clone()),
    }
}

impl<S> Layer<Arc<OngoingAttempt>> for Receive<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<CallError>,
    S::Future: Send,
{
    async fn send(&self, attempt: &Arc<OngoingAttempt>, request: &mut Request<Body>) -> CallResult {
        let request = std::mem::take(request);
        let response = match &self.copies {
            Some(copies) => pin!(call_at_once(copies, &self.inner, request)).await,
            // In a box, so that nearly all calls are no larger for it.
            None => Box::pin(self.inner.clone().oneshot(request)).await,
        };
        pin!(receive(attempt, response.map_err(Into::into)?)).await
    }
}

async fn receive(attempt: &OngoingAttempt, response: Response<Body>) -> CallResult {
    attempt.responded(response.status(), response.extensions().get::<CallReport>());
    let (head, body) = response.into_parts();
    let success = head.status.is_success();
    let received = match attempt.reading {
        Reading::Streamed if success => Received::Stream(body),
        Reading::Untouched => Received::Stream(body),
        Reading::Whole if success => match body.collect_within(attempt.max_response_bytes).await {
            Err(CollectError::TooLarge { limit }) => return Err(FeignError::TooLarge { limit }),
            collected => Received::Whole(sound(collected)?),
        },
        Reading::Discarded if success => {
            ignoring_length(body.collect_within(attempt.max_response_bytes).await)?;
            Received::Whole(Bytes::new())
        }
        // The status matters more than a body that is too long to keep.
        _ => Received::Whole(ignoring_length(
            body.collect_within(MAX_ERROR_BODY_BYTES).await,
        )?),
    };
    Ok(Response::from_parts(head, received))
}

fn ignoring_length(collected: Result<Bytes, CollectError>) -> Result<Bytes, FeignError> {
    match collected {
        Err(CollectError::TooLarge { .. }) => Ok(Bytes::new()),
        collected => sound(collected),
    }
}

fn sound(collected: Result<Bytes, CollectError>) -> Result<Bytes, FeignError> {
    collected.map_err(|error| {
        FeignError::Transport(TransportError::new(TransportErrorKind::Broken, error))
    })
}
