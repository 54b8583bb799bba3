//! The outer part of a call: the layers that know what its method returns, outermost first, with the reason why each
//! stands where it does. What is below the deadline goes on in `method_stack.rs`.

use std::future::Future;
use std::pin::pin;

use hallpass_client::context::body_scope_all;
use hallpass_upstream::Body;
use http::Request;

use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::layers::{Layer, fallback, observe};
use crate::ongoing_call::OngoingCall;
use crate::response::FromResponse;

/// Makes one call.
pub(crate) async fn call<A, F, Fut>(
    client: &Client,
    method: &Method,
    (request, is_usual): (Result<&mut Request<Body>, FeignError>, bool),
    fallback: Option<F>,
) -> Result<A::Value, FeignError>
where
    A: FromResponse,
    F: FnOnce(&FeignError) -> Fut,
    Fut: Future<Output = Result<A::Value, FeignError>>,
{
    // Capture: here certainly the caller's task runs; from here on the identity is in the call and its request, and no layer
    // below asks which task it runs on.
    let mut call = OngoingCall::new(
        method.origin.begin(),
        method.deadline,
        method.spec.idempotent,
        A::READING,
        client.max_response_bytes(),
    );
    call.usual = is_usual.then_some(A::ACCEPT);
    let ongoing = &call;
    let in_time = move || async move {
        // Deadline: around all attempts and the waits between them, so that retries never add up beyond it. In a box
        // of its own, so that the future of a method stays small: this is the one that the whole way allocates.
        let sending = Box::pin(send::<A>(method, ongoing, request?));
        ongoing.within_deadline(sending).await
    };
    // Fallback: outside the deadline, because a deadline that ran out is one of its reasons; in the caller's task,
    // so that it acts for the same caller.
    let answered = || fallback::or_else(client, method, ongoing, (fallback, in_time));
    // Span and metrics: outermost, so that they show what the caller gets, and how long that took in all.
    pin!(observe::observed(client, method, ongoing, answered)).await
}

async fn send<A: FromResponse>(
    method: &Method,
    call: &OngoingCall,
    request: &mut Request<Body>,
) -> Result<A::Value, FeignError> {
    if call.has_no_time() {
        // Whoever waits for this has stopped: nothing is chosen, asked for or sent.
        return Err(call.too_late());
    }
    let context = &call.origin.context;
    context.identify(request.extensions_mut());
    // What streams is polled by the task of its connection, where nobody would be found.
    if request.body().is_stream() {
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::wrap(body_scope_all(context.clone(), body));
    }
    let response = pin!(method.stack.send(call, request)).await?;
    A::read(response)
}

#[cfg(test)]
mod tests;
