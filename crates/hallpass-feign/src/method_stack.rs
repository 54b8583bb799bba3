//! The part of a call below its deadline, outermost first, with the reason why each layer stands where it does. It is
//! the same for all calls of a method, so it is built once, with the client. What is above the retry is in `stack.rs`.

use std::sync::Arc;

use hallpass_client::BearerService;
use hallpass_client::HostGuard;
use hallpass_client::Replay;
use hallpass_upstream::HttpTransport;
use tower::{Layer as _, ServiceBuilder};

use crate::identity::IdentityLayers;
use crate::interceptor::Interceptors;
use crate::layers::admission::Admission;
use crate::layers::choice::{AttemptLimit, Choice};
use crate::layers::context_headers::{ContextHeaders, HeaderRules};
use crate::layers::guarded::{CallGuards, Guarded};
use crate::layers::hedge::{Hedge, HedgePlan};
use crate::layers::intercept::Intercept;
use crate::layers::receive::Receive;
use crate::layers::retry::{Retry, RetryRules};
use crate::layers::sent::{self, Sent};

/// What [`new`] builds. None of the layers allocates a future of its own: together they are one.
pub(crate) type MethodStack = Guarded<Retry<Hedge<Choice<AttemptStack>>>>;

/// From a request without a host to its response.
pub(crate) fn new(
    guards: CallGuards,
    (retry, hedge): (RetryRules, Option<HedgePlan>),
    isolate: bool,
    attempt: AttemptStack,
) -> MethodStack {
    let clock = Arc::clone(&guards.clock);
    // Breaker and bulkhead of the chosen instance; also where an isolated call changes its task.
    let admitted = Admission::new(attempt, isolate, clock);
    // Choice: above the breaker, because there is a breaker per instance, and one that is open is passed over. With the time of
    // an attempt, which is the instance's and includes the wait in its bulkhead.
    let upstream = Arc::clone(&retry.upstream);
    let limit = retry.settings.attempt_timeout.map(|timeout| AttemptLimit {
        timeout,
        timeouts: retry.metrics.attempt_timeouts(retry.client),
    });
    let directed = Choice::new(admitted, upstream, limit);
    // Hedge: above the choice, so that each of its attempts has an instance of its own; below the retry, because it is none and
    // has a budget of its own.
    // Retry: above the choice of an instance, so that another attempt can go to another instance.
    let retried = Retry::new(Hedge::new(directed, hedge), retry);
    // Guards of method and service: above the retry, because they judge calls, as Resilience4j, Hystrix and Sentinel do; what
    // becomes of an attempt is a matter of its instance.
    Guarded::new(retried, guards)
}

/// What the layers of an attempt go by, so that the same ones can stand before any transport.
#[derive(Clone, Debug)]
pub(crate) struct AttemptParts {
    pub(crate) headers: Arc<HeaderRules>,
    pub(crate) interceptors: Interceptors,
    pub(crate) identity: IdentityLayers,
    pub(crate) sent: Arc<sent::Plan>,
}

impl AttemptParts {
    /// From a request that has its instance to a response that was read, by `transport`.
    pub(crate) fn before<T: Clone>(&self, transport: T) -> AttemptStack<T> {
        let transport = self::transport(self.identity.clone(), &self.sent, transport);
        self.attempt(Receive::new(transport))
    }

    /// The same by our own transport, which is always ready.
    pub(crate) fn before_ours(&self, transport: HttpTransport) -> AttemptStack {
        let transport = self::transport(self.identity.clone(), &self.sent, transport);
        self.attempt(Receive::of_always_ready(transport))
    }

    // Body: read below the breaker and the retry, so that they judge the whole response and not only its head.
    fn attempt<T>(&self, received: Receive<Transport<T>>) -> AttemptStack<T> {
        // Interceptors: per attempt, so that a time or a nonce of theirs is fresh; below all that sets headers, so that they can sign
        // them, and above the bearer, so that they see no token.
        let intercepted = Intercept::new(received, self.interceptors.clone());
        // Headers of the context: per attempt, since each is a span of its own; above the replay, which is a part of an attempt.
        ContextHeaders::new(intercepted, Arc::clone(&self.headers))
    }
}

/// What [`AttemptParts::before`] builds.
pub(crate) type AttemptStack<T = HttpTransport> = ContextHeaders<Intercept<Receive<Transport<T>>>>;

/// From a request that has its headers to the wire.
fn transport<T: Clone>(
    identity: IdentityLayers,
    sent: &Arc<sent::Plan>,
    transport: T,
) -> Transport<T> {
    let renews = identity.replay.is_some();
    let identified = ServiceBuilder::new()
        // Bearer: below the retry, so that each attempt carries the token that is current then.
        .layer(identity.bearer)
        // Host guard: below bearer, so that it looks at what is about to leave.
        .layer(identity.host_guard)
        // Sent: lowest, so that the breaker's stopwatch does not count the wait for a token, and the callee is told what
        // is left after it.
        .layer_fn(|inner| Sent::new(inner, sent, renews))
        .service(transport);
    match identity.replay {
        // Replay after a 401 `invalid_token`: between breaker and bearer, as a part of one attempt at one instance. It
        // takes no second permit, costs no retry budget and works for every verb, because a callee that rejects the
        // token has done nothing; and the breaker sees its final response only.
        Some(replay) => replay.layer(identified),
        None => Replay::never(identified),
    }
}

/// What [`transport`] builds.
pub(crate) type Transport<T = HttpTransport> = Replay<HostGuarded<T>>;
type HostGuarded<T> = BearerService<HostGuard<Sent<T>>>;
