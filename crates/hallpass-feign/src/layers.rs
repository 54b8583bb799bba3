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

use hallpass_upstream::Body;
use http::{Request, Response, StatusCode};

use crate::error::FeignError;
use crate::grpc;
use crate::ongoing_call::OngoingCall;
use crate::response::Received;

/// How an attempt, or a call with all its attempts, ends.
pub(crate) type CallResult = Result<Response<Received>, FeignError>;

/// Whether a callee, or a proxy before it, has given up for want of time: 504, or DEADLINE_EXCEEDED of gRPC.
fn says_too_late(result: &CallResult) -> bool {
    result.as_ref().is_ok_and(|response| {
        let grpc_status = response.headers().get(grpc::STATUS);
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
pub(crate) trait Layer<P = OngoingCall>: Clone + Send + Sync + 'static {
    /// Sends a request as a part of `part`. It is lent, because it is large: each future that held it would have to be moved with it, and the
    /// one that they become together would have room for it once a layer. Who takes it leaves an empty one.
    ///
    /// Who awaits this pins it first (`pin!(...).await`): then it is made where it stays. What is awaited as it is, or put into another future, is
    /// moved, whole, once a layer.
    fn send(
        &self,
        part: &P,
        request: &mut Request<Body>,
    ) -> impl Future<Output = CallResult> + Send;
}
