//! The part of a call below the breaker: the same for all calls of a method, so it is built once.

use std::sync::Arc;

use hallpass_client::bearer::BearerService;
use hallpass_client::host_guard::HostGuard;
use hallpass_client::replay::Replay;
use hallpass_clock::Clock;
use hallpass_upstream::HttpTransport;
use tower::ServiceBuilder;
use tower::util::Either;

use crate::identity::IdentityLayers;
use crate::layers::sent::Sent;

/// From a request that has its instance to the wire, outermost first; the layers above are in `stack.rs`.
pub(crate) fn new(
    identity: IdentityLayers,
    clock: &Arc<dyn Clock>,
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
        .layer_fn(|inner| Sent::new(inner, Arc::clone(clock)))
        .service(transport)
}

/// What [`new`] builds.
pub(crate) type Transport = Either<Replay<Guarded>, Guarded>;
type Guarded = BearerService<HostGuard<Sent<HttpTransport>>>;
