//! Reads the answer, within a limit, while the layers above still watch over the call.
//!
//! It stands below the breaker, so that an answer whose head comes and whose body does not is a failure of the
//! instance and can be retried like any other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_client::{CallError, CallReport};
use hallpass_upstream::{Body, CollectError, TransportError, TransportErrorKind};
use http::{Request, Response};
use tower::Service;

use crate::answer::{Reading, Received};
use crate::error::FeignError;
use crate::facts::Facts;

/// Most of an error answer's body that is kept, in bytes.
pub const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// Turns answers into [`Received`] ones and errors of the layers below into [`FeignError`]s.
#[derive(Clone, Debug)]
pub(crate) struct Receive<S> {
    inner: S,
    facts: Arc<Facts>,
}

impl<S> Receive<S> {
    pub(crate) fn new(inner: S, facts: &Arc<Facts>) -> Self {
        let facts = Arc::clone(facts);
        Self { inner, facts }
    }
}

impl<S> Service<Request<Body>> for Receive<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<CallError>,
    S::Future: Send + 'static,
{
    type Response = Response<Received>;
    type Error = FeignError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Received>, FeignError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FeignError>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| FeignError::from(error.into()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        let facts = Arc::clone(&self.facts);
        Box::pin(async move {
            let answer = answer
                .await
                .map_err(|error| FeignError::from(error.into()))?;
            receive(&facts, answer).await
        })
    }
}

async fn receive(facts: &Facts, answer: Response<Body>) -> Result<Response<Received>, FeignError> {
    facts.note(|progress| {
        progress.status = Some(answer.status());
        progress.identity = answer.extensions().get::<CallReport>().cloned();
    });
    let (head, body) = answer.into_parts();
    let success = head.status.is_success();
    let received = match facts.reading {
        Reading::Streamed if success => Received::Stream(body),
        Reading::Whole if success => match body.collect_within(facts.max_answer_bytes).await {
            Err(CollectError::TooLarge { limit }) => return Err(FeignError::TooLarge { limit }),
            collected => Received::Whole(sound(collected)?),
        },
        Reading::Discarded if success => {
            ignoring_length(body.collect_within(facts.max_answer_bytes).await)?;
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
