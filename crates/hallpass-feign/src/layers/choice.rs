//! Chooses the instance of each attempt.

use std::sync::Arc;

use hallpass_upstream::{Body, Chosen, Target, Upstream};
use http::Request;

use super::{CallResult, Layer};
use crate::error::FeignError;
use crate::ongoing_attempt::OngoingAttempt;
use crate::ongoing_call::OngoingCall;

/// A request that has an instance, and the right to be sent to it.
#[derive(Debug)]
pub(crate) struct Directed {
    pub(crate) request: Request<Body>,
    pub(crate) chosen: Chosen,
}

/// Points each attempt at an instance of the service; see [`Upstream::choose_for`].
#[derive(Clone, Debug)]
pub(crate) struct Choice<L> {
    inner: L,
    upstream: Arc<Upstream>,
}

impl<L> Choice<L> {
    pub(crate) fn new(inner: L, upstream: Arc<Upstream>) -> Self {
        Self { inner, upstream }
    }

    async fn direct(
        &self,
        call: &OngoingCall,
        mut request: Request<Body>,
    ) -> Result<(Arc<OngoingAttempt>, Directed), FeignError> {
        // Where the attempts before this one failed.
        let (tried, wish) = (call.tried(), call.origin.wish());
        let chosen = self.upstream.choose_for(&tried, wish).await?;
        let attempt = call.begin_attempt(chosen.instance());
        // A path that the builder of the request let through stands in a URI, so this does not fail.
        Target::new(Arc::clone(self.upstream.name()), chosen.instance().clone())
            .apply_to(&mut request)
            .map_err(|_| FeignError::Interrupted)?;
        Ok((attempt, Directed { request, chosen }))
    }
}

impl<L: Layer<Directed, Arc<OngoingAttempt>>> Layer<Request<Body>> for Choice<L> {
    async fn send(&self, call: &OngoingCall, request: Request<Body>) -> CallResult {
        let (attempt, directed) = self.direct(call, request).await?;
        let result = self.inner.send(&attempt, directed).await;
        call.end_attempt(&attempt);
        result
    }
}
