//! The whole way of a call, outermost first, with the reason why each layer stands where it does.

use std::future::Future;
use std::sync::Arc;

use hallpass_client::bearer::BearerService;
use hallpass_client::context::CaptureContextLayer;
use hallpass_client::host_guard::HostGuard;
use hallpass_client::replay::Replay;
use hallpass_client::{Body, HttpTransport};
use http::Request;
use tower::util::Either;
use tower::{ServiceBuilder, ServiceExt};

use crate::answer::Answer;
use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::facts::Facts;
use crate::identity::IdentityLayers;
use crate::layers::admission::AdmissionLayer;
use crate::layers::choice::ChoiceLayer;
use crate::layers::receive::ReceiveLayer;
use crate::layers::retry::RetryLayer;
use crate::layers::sent::{Sent, SentLayer};
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
        .layer(RetryLayer {
            client: client.name(),
            service: Arc::clone(client.service()),
            max_attempts: client.max_attempts(),
            metrics: client.metrics().clone(),
            facts: Arc::clone(facts),
        })
        // Choice: above the breaker, because there is a breaker per instance, and one that is open is passed over.
        .layer(ChoiceLayer {
            service: Arc::clone(client.service()),
            facts: Arc::clone(facts),
        })
        // Breaker and bulkhead of that instance; also where an isolated call changes its task.
        .layer(AdmissionLayer {
            service: Arc::clone(client.service().name()),
            isolate: client.isolates(),
            clock: Arc::clone(client.clock()),
            facts: Arc::clone(facts),
        })
        // Body: read below the breaker and the retry, so that they judge the whole answer and not only its head.
        .layer(ReceiveLayer {
            facts: Arc::clone(facts),
        })
        .service(method.transport.clone());
    let answer = stack.oneshot(request).await?;
    A::read(answer)
}

/// The part below the breaker: the same for all calls of a method, so it is built once.
pub(crate) fn transport(
    identity: IdentityLayers,
    sent: SentLayer,
    transport: HttpTransport,
) -> Transport {
    ServiceBuilder::new()
        // Replay after a 401 `invalid_token`: between breaker and bearer, as a part of one attempt at one instance. It
        // takes no second permit, costs no retry budget and works for every verb, because a callee that rejects the
        // token has done nothing; and the breaker sees its final answer only.
        .option_layer(identity.replay)
        // Bearer: below the retry, so that each attempt carries the token that is current then.
        .layer(identity.bearer)
        // Host guard: below bearer, so that it looks at what is about to leave.
        .layer(identity.host_guard)
        // Sent: lowest, so that the breaker's stopwatch does not count the wait for a token.
        .layer(sent)
        .service(transport)
}

/// What [`transport`] builds.
pub(crate) type Transport = Either<Replay<Guarded>, Guarded>;
type Guarded = BearerService<HostGuard<Sent<HttpTransport>>>;
