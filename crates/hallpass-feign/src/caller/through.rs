//! Requests that go out by a transport of the caller's own.

use std::sync::Arc;

use hallpass_client::HostRefusal;
use hallpass_client::context::{CallContext, scope_all};
use hallpass_upstream::{Body, Destination, Target, TransportError};
use http::uri::PathAndQuery;
use http::{HeaderName, Request, Response, Uri};
use tower::Service;

use super::foreign::Foreign;
use super::{ServiceCaller, handed_on, refused};
use crate::client::{Kept, Method};
use crate::error::{ArgumentProblem, FeignError};
use crate::layers::{Layer, observe};
use crate::ongoing_call::OngoingCall;
use crate::request::leaves_its_place;
use crate::response::{FromResponse, Reading, Untouched};

impl ServiceCaller {
    /// Sends a request by `transport`, for programs that have one of their own: with the identity, the deadline, the context and the
    /// trace that [`send`](Self::send) gives it, counted in the same metrics, repeated once with a new token where the callee refuses the
    /// one it had and the body can be sent again. An instance is not chosen, and nothing else is repeated: how requests arrive is then the
    /// transport's business. So is TLS.
    ///
    /// The request says where it goes, and it goes there only when that is where this caller calls: the `url` of its settings or of its
    /// builder, scheme, host, port and the beginning of the path, without dot segments where there is one. `transport` must follow no
    /// redirect, not to another path of the same host either: what is behind it may be another service, and the token would go there.
    ///
    /// A token that is bound to the certificate of this service (RFC 8705) does not leave so: which one `transport` shows is not known.
    /// Tokens that are bound to a key (`internal-token.dpop`) do.
    ///
    /// # Errors
    /// What was refused on this side, among it [`FeignError::HostRefused`] for a request to another place, for a caller without a `url`,
    /// and for such a token;
    /// what `transport` makes of its failure; and a deadline that has passed. A status is no error.
    pub async fn send_through<T>(
        &self,
        transport: T,
        request: Request<Body>,
    ) -> Result<Response<Body>, FeignError>
    where
        T: Service<Request<Body>, Response = Response<Body>, Error = TransportError>
            + Clone
            + Send
            + Sync
            + 'static,
        T::Future: Send,
    {
        let state = self.client.state();
        let verb = request.method().clone();
        let mut methods = state.methods.iter();
        let method = methods.find(|method| method.spec.verb.method() == verb);
        let method = method.ok_or_else(|| refused("method", ArgumentProblem::Verb))?;
        let context = CallContext::of(request.extensions());
        let place = (state.fixed.clone(), &*state.base_path);
        let (kept, passed) = (&state.kept, &*self.passed);
        let calling = Box::pin(async move {
            let call = OngoingCall::new(
                method.origin.begin(),
                method.deadline,
                method.spec.idempotent,
                Reading::Untouched,
                self.client.max_response_bytes(),
            );
            let ongoing = &call;
            observe::observed(&self.client, method, ongoing, || async move {
                let instance = place
                    .0
                    .ok_or(FeignError::HostRefused(HostRefusal::NoTarget))?;
                if !is_below(request.uri(), place.1) {
                    return Err(FeignError::HostRefused(HostRefusal::OtherAuthority));
                }
                if ongoing.has_no_time() {
                    return Err(ongoing.too_late());
                }
                let mut request = headed(request, method, (kept, passed));
                ongoing.origin.context.identify(request.extensions_mut());
                let destination = Destination::new(self.client.name(), instance);
                let attempt = ongoing.begin_attempt(destination, None);
                // Only noted and not put into the address: whether both are the same is for the host guard to say. With the attempt
                // for `Sent`.
                let target = Target::of(Arc::clone(&attempt));
                request.extensions_mut().insert(target);
                let layers = method.parts.before(Foreign(transport));
                let response = ongoing
                    .within_deadline(layers.send(&attempt, &mut request))
                    .await;
                ongoing.end_attempt(&attempt);
                Untouched::read(response?)
            })
            .await
        });
        scope_all(context, calling).await
    }
}

/// Without what does not go on, and with what the settings say of each call.
fn headed(
    mut request: Request<Body>,
    method: &Method,
    (kept, passed): (&Kept, &[HeaderName]),
) -> Request<Body> {
    let headers = request.headers_mut();
    handed_on::clean(headers, kept, passed);
    for (name, value) in method.headers.iter() {
        let entry = headers.entry(name);
        entry.or_insert_with(|| value.clone());
    }
    request
}

/// Whether the path of `uri` is `base` or stands below it, however it is read.
fn is_below(uri: &Uri, base: &str) -> bool {
    let path = uri.path_and_query().map_or("/", PathAndQuery::path);
    let rest = path.strip_prefix(base);
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    base.is_empty() || rest.is_some_and(|rest| is_below(rest) && !leaves_its_place(rest))
}
