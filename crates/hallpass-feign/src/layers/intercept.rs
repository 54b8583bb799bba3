//! What the code of a client adds to each attempt.

use std::pin::pin;
use std::sync::Arc;

use hallpass_upstream::Body;
use http::Request;

use super::{CallResult, Layer};
use crate::error::FeignError;
use crate::interceptor::Interceptors;
use crate::ongoing_attempt::OngoingAttempt;

/// Asks the interceptors of the client, if it has some.
#[derive(Clone, Debug)]
pub(crate) struct Intercept<L> {
    inner: L,
    interceptors: Interceptors,
}

impl<L> Intercept<L> {
    pub(crate) fn new(inner: L, interceptors: Interceptors) -> Self {
        Self {
            inner,
            interceptors,
        }
    }
}

impl<L: Layer<Arc<OngoingAttempt>>> Layer<Arc<OngoingAttempt>> for Intercept<L> {
    async fn send(&self, attempt: &Arc<OngoingAttempt>, request: &mut Request<Body>) -> CallResult {
        match self.interceptors.see(request) {
            Ok(()) => pin!(self.inner.send(attempt, request)).await,
            Err(problem) => Err(FeignError::InvalidArgument {
                argument: "interceptor",
                problem,
            }),
        }
    }
}
