//! The layers that [`stack`](crate::stack) and [`method_stack`](crate::method_stack) put together, in the order in which
//! a call meets them.

// In the order of a call, which is not the order of the alphabet.
pub(crate) mod observe;

pub(crate) mod fallback;

pub(crate) mod guarded;

pub(crate) mod retry;

pub(crate) mod hedge;

pub(crate) mod attempt_span;

pub(crate) mod choice;

pub(crate) mod admission;

pub(crate) mod context_headers;

pub(crate) mod intercept;

pub(crate) mod receive;

pub(crate) mod sent;

use std::future::Future;

use http::{Response, StatusCode};

use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;
use crate::response::Received;

/// How an attempt, or a call with all its attempts, ends.
pub(crate) type CallResult = Result<Response<Received>, FeignError>;

/// Whether a callee, or a proxy before it, has given up for want of time: 504, or DEADLINE_EXCEEDED of gRPC.
fn says_too_late(result: &CallResult) -> bool {
    result.as_ref().is_ok_and(|response| {
        let grpc_status = response.headers().get("grpc-status");
        response.status() == StatusCode::GATEWAY_TIMEOUT
            || grpc_status.is_some_and(|status| status == "4")
    })
}

/// A layer that is built once and shared by all calls of a method; each call brings its own state.
///
/// In place of tower's `Service`, whose `call` has to name its future: an async block then needs a box per layer and
/// call, and the layer has to be copied into it.
///
/// `P` is what a request is a part of: the call above the choice of an instance, and one of its attempts below.
pub(crate) trait Layer<R, P = OngoingCall>: Clone + Send + Sync + 'static {
    /// Sends a request as a part of `part`.
    fn send(&self, part: &P, request: R) -> impl Future<Output = CallResult> + Send;
}
