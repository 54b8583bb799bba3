//! Reads the response, within a limit, while the layers above still watch over the call.
//!
//! It stands below the breaker, so that an response whose head comes and whose body does not is a failure of the
//! instance and can be retried like any other.

use std::sync::Arc;

use bytes::Bytes;
use hallpass_client::{CallError, CallReport};
use hallpass_upstream::{Body, CollectError, TransportError, TransportErrorKind};
use http::{Request, Response};
use tower::{Service, ServiceExt};

use super::{CallResult, Layer};
use crate::error::FeignError;
use crate::ongoing_attempt::OngoingAttempt;
use crate::response::{Reading, Received};

/// Most of an error response's body that is kept, in bytes.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// Turns responses into [`Received`] ones and errors of the layers below into [`FeignError`]s.
#[derive(Clone, Debug)]
pub(crate) struct Receive<S> {
    inner: S,
}

impl<S> Receive<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Layer<Request<Body>, Arc<OngoingAttempt>> for Receive<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<CallError>,
    S::Future: Send,
{
    async fn send(&self, attempt: &Arc<OngoingAttempt>, request: Request<Body>) -> CallResult {
        let response = self.inner.clone().oneshot(request).await;
        receive(attempt, response.map_err(Into::into)?).await
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
