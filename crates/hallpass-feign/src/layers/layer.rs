//! What the layers between deadline and transport have in common.

use std::future::Future;
use std::sync::Arc;

use http::Response;

use crate::answer::Received;
use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;

/// How an attempt, or a call with all its attempts, ends.
pub(crate) type Answered = Result<Response<Received>, FeignError>;

/// A layer that is built once and shared by all calls of a method; each call brings its own state.
///
/// In place of tower's `Service`, whose `call` has to name its future: an async block then needs a box per layer and
/// call, and the layer has to be copied into it.
pub(crate) trait Layer<R>: Clone + Send + Sync + 'static {
    /// Sends a request as a part of `call`.
    fn send(&self, call: &Arc<OngoingCall>, request: R) -> impl Future<Output = Answered> + Send;
}
