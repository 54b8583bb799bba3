//! The whole way of a call, outermost first, with the reason why each layer stands where it does. What is below the
//! breaker goes on in `transport.rs`.

use std::future::Future;
use std::sync::Arc;

use hallpass_client::context::CaptureContextLayer;
use hallpass_upstream::Body;
use http::Request;
use tower::{ServiceBuilder, ServiceExt};

use crate::answer::Answer;
use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::facts::Facts;
use crate::layers::admission::{Admission, AdmissionRules};
use crate::layers::choice::Choice;
use crate::layers::receive::Receive;
use crate::layers::retry::{Retry, RetryRules};
use crate::layers::{deadline, fallback, observe};

/// Makes one call: the layers that know what a method returns, and inside them those that know requests only.
pub(crate) async fn call<A, F, Fut>(
    client: &Client,
    method: &Method,
    request: Result<Request<Body>, FeignError>,
    fallback: Option<F>,
) -> Result<A::Value, FeignError>
where
    A: Answer,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<A::Value, FeignError>>,
{
    let facts = Arc::new(client.facts(method, A::READING));
    // Span and metrics: outermost, so that they show what the caller gets, and how long that took in all.
    observe::observed(client, method, &facts, async {
        // Fallback: outside the deadline, because a deadline that ran out is one of its reasons; in the caller's task,
        // so that it acts for the same caller.
        fallback::or_else(client, method, &facts, fallback, async {
            // Deadline: around all attempts and the waits between them, so that retries never add up beyond it.
            deadline::within(&facts, send::<A>(client, method, &facts, request)).await
        })
        .await
    })
    .await
}

async fn send<A: Answer>(
    client: &Client,
    method: &Method,
    facts: &Arc<Facts>,
    request: Result<Request<Body>, FeignError>,
) -> Result<A::Value, FeignError> {
    let mut request = request?;
    request.extensions_mut().insert(Arc::clone(facts));
    let stack = ServiceBuilder::new()
        // Capture: the last layer that certainly runs in the caller's task; from here on the identity is in the
        // request, and no layer below asks which task it runs on.
        .layer(CaptureContextLayer::new())
        // Retry: above the choice of an instance, so that another attempt can go to another instance.
        .layer_fn(|inner| Retry::new(inner, RetryRules::of(client, facts)))
        // Choice: above the breaker, because there is a breaker per instance, and one that is open is passed over.
        .layer_fn(|inner| Choice::new(inner, client.service(), facts))
        // Breaker and bulkhead of that instance; also where an isolated call changes its task.
        .layer_fn(|inner| Admission::new(inner, AdmissionRules::of(client, facts)))
        // Body: read below the breaker and the retry, so that they judge the whole answer and not only its head.
        .layer_fn(|inner| Receive::new(inner, facts))
        // Replay, bearer, host guard and the wire: the same for all calls of a method, so built once.
        .service(method.transport.clone());
    let answer = stack.oneshot(request).await?;
    A::read(answer)
}
