//! Calls of programs that make their requests themselves.

mod foreign;
mod handed_on;
mod through;

use std::any::Any;
use std::fmt;
use std::future::Ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use futures_util::future::BoxFuture;
use hallpass_client::context::{CallContext, scope_all};
use hallpass_client::{Identity, WhenAbsent};
use hallpass_upstream::{Body, BoxError, EndpointUrl, Http2};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as HttpBody;
use tower::Service;

use crate::build_error::BuildError;
use crate::client::{Client, ClientState, Overrides};
use crate::error::{ArgumentProblem, FeignError, MAX_TARGET_BYTES};
use crate::feign::Feign;
use crate::grpc;
use crate::interceptor::Intercepted;
use crate::request::leaves_its_place;
use crate::response::Untouched;
use crate::spec::{ClientSpec, MethodSpec, SharedSpec, Verb};
use crate::stack;

/// A way to one service for programs that make their requests themselves: a `tower::Service` which gives each request what
/// `#[feign_client]` gives a call, by the same settings (`feign.clients.NAME`): an identity, an instance, a deadline, retries with
/// their budget, circuit breaker and bulkhead, metrics. Cheap to clone.
///
/// Path and query of the request count, and its host does not: it goes to the service and nowhere else. Where the client's URL has a
/// path, the request's own has no dot segments, which would lead out of it. A response is handed on as it comes, whatever its
/// status; redirects are not followed. The deadline is over with the headers of the response.
///
/// So do its headers, but for those of the connection (and what `Connection` names), and those of identity (`X-User-Id`, `X-Username`,
/// `X-Authorities` too, in every spelling). Those that travel beside the identity (`context.headers`) are the context's and not the
/// request's. A third party (`identity = none`) gets besides nothing that may be a secret by its name (`Cookie`, `X-Api-Key`), no deadline,
/// `tracestate` or `baggage`. [`CallerBuilder::pass_header`] lets one go on all the same.
///
/// Only a [`Body`] in memory and an empty body can be sent again, and only verbs that may be repeated are.
///
/// **gRPC**: clients of tonic take it as their channel. What this side refuses is a response of gRPC then, with a status that fits
/// (`UNAVAILABLE`, `UNAUTHENTICATED`, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`) and the text of the [`FeignError`], which holds no secret;
/// a response that says at once that the instance failed counts for its breaker.
///
/// The identity is that of the task that calls, or of the request's extensions, as `CaptureContextLayer` puts it there.
///
/// ```
/// use hallpass_feign::{Feign, Identity};
/// use hallpass_upstream::{Body, Http2};
///
/// # async fn example(feign: &Feign) -> Result<(), Box<dyn std::error::Error>> {
/// let orders = feign.caller("order-service").identity(Identity::Relay).build()?;
/// let request = http::Request::get("/orders/7/status").body(Body::empty())?;
/// let response = orders.send(request).await?;
/// let status = response.into_body().collect_within(64 * 1024).await?;
///
/// // For gRPC: GreeterClient::with_origin(greeter, "http://greeter".parse()?)
/// let greeter = feign.caller("greeter").identity(Identity::Exchange).http2(Http2::Always).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    client: Client,
    passed: Arc<[HeaderName]>,
}

/// Settings of a [`ServiceCaller`], as the attributes of `#[feign_client]` have them; the configuration of the client goes over
/// them where it says something, but for `deadline`, `http2` and `url`, which go over it. Made by [`Feign::caller`].
#[must_use]
pub struct CallerBuilder {
    feign: Feign,
    spec: ClientSpec,
    overrides: Overrides,
    passed: Vec<HeaderName>,
}

impl Feign {
    /// Begins a way to the service `name` for programs that make their requests themselves.
    pub fn caller(&self, name: &'static str) -> CallerBuilder {
        CallerBuilder {
            feign: self.clone(),
            spec: ClientSpec {
                trait_name: "ServiceCaller",
                name,
                url: None,
                shared: NOTHING,
                isolate: false,
                methods: METHODS,
            },
            overrides: Overrides::default(),
            passed: Vec::new(),
        }
    }
}

impl CallerBuilder {
    /// Whose identity the requests carry; default [`Identity::Service`].
    pub fn identity(mut self, identity: Identity) -> Self {
        self.spec.shared.identity = Some(identity);
        self
    }

    /// What relay and exchange do without a caller; default [`WhenAbsent::Fail`].
    pub fn when_absent(mut self, when_absent: WhenAbsent) -> Self {
        self.spec.shared.when_absent = Some(when_absent);
        self
    }

    /// Whom a token is made for; default: what the configuration says, else the name of the service.
    pub fn audience(mut self, audience: &'static str) -> Self {
        self.spec.shared.audience = Some(audience);
        self
    }

    /// What a token is asked for; default: what the token service says.
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.spec.shared.scope = Some(scope);
        self
    }

    /// For each request with its attempts, up to the headers of the response; goes over the configuration. Default: what that says of the
    /// client or of all clients, else 5 s. `methods` of the configuration names methods of traits, and none of a caller.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.overrides.deadline = Some(deadline);
        self
    }

    /// Which version of HTTP is spoken; default: what the configuration says, else HTTP/1.1. gRPC needs HTTP/2.
    pub fn http2(mut self, http2: Http2) -> Self {
        self.overrides.http2 = Some(http2);
        self
    }

    /// Adds to each attempt what only the moment of sending knows: see [`ClientBuilder::intercept`](crate::ClientBuilder::intercept).
    pub fn intercept(
        mut self,
        interceptor: impl Fn(&mut Intercepted<'_>) -> Result<(), ArgumentProblem>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.overrides.interceptors.add(interceptor);
        self
    }

    /// Where the service is, in place of discovery; goes over the configuration.
    pub fn url(mut self, url: EndpointUrl) -> Self {
        self.overrides.url = Some(url);
        self
    }

    /// Lets a header of this name go on that would stay here otherwise, see [`ServiceCaller`]: the key of a third party, say, which the
    /// program sets. What belongs to the connection or to the identity of a call (`Authorization`, `DPoP`) stays all the same. May be
    /// given several times.
    pub fn pass_header(mut self, name: HeaderName) -> Self {
        self.passed.push(name);
        self
    }

    /// The caller. Opens no connection and asks for no token.
    ///
    /// # Errors
    /// When the address, the audience or the scope cannot be used.
    pub fn build(self) -> Result<ServiceCaller, BuildError> {
        let client = self.feign.client(self.spec, self.overrides)?;
        let passed = self.passed.into();
        Ok(ServiceCaller { client, passed })
    }
}

impl fmt::Debug for CallerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerBuilder")
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

/// What a caller says nothing about.
const NOTHING: SharedSpec = SharedSpec {
    identity: None,
    when_absent: None,
    audience: None,
    scope: None,
    deadline_ms: None,
    headers: &[],
};

/// One for each verb. The path is not known before the request, so metrics do not name it.
static METHODS: &[MethodSpec] = &[
    method(Verb::Get, true),
    method(Verb::Head, true),
    method(Verb::Options, true),
    method(Verb::Put, true),
    method(Verb::Delete, true),
    method(Verb::Post, false),
    method(Verb::Patch, false),
];

const fn method(verb: Verb, idempotent: bool) -> MethodSpec {
    MethodSpec {
        name: "send",
        verb,
        template: "*",
        shared: NOTHING,
        idempotent,
        idempotency_key: false,
    }
}

impl ServiceCaller {
    /// Sends a request.
    ///
    /// # Errors
    /// What was refused on this side, or came to nothing on the way; a status is no error. For gRPC none: see [`ServiceCaller`].
    pub async fn send<B>(&self, request: Request<B>) -> Result<Response<Body>, FeignError>
    where
        B: HttpBody + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        self.clone().call(request).await
    }

    async fn send_body(&self, request: Request<Body>) -> Result<Response<Body>, FeignError> {
        let is_grpc = grpc::is_spoken(request.headers());
        let state = self.client.state();
        let verb = request.method().clone();
        let same_verb = |method: &&crate::client::Method| method.spec.verb.method() == verb;
        let result = match state.methods.iter().find(same_verb) {
            Some(method) => {
                let base = (&*state, &*method.headers, &*self.passed);
                let mut request = prepared(request, base);
                let request = request.as_mut().map_err(|error| error.clone());
                let none: Option<NoFallback> = None;
                stack::call::<Untouched, _, _>(&self.client, method, (request, false), none).await
            }
            None => Err(refused("method", ArgumentProblem::Verb)),
        };
        match result {
            Err(error) if is_grpc => Ok(grpc::refusal(&error)),
            result => result,
        }
    }
}

type NoFallback = fn(&FeignError) -> Ready<Result<Response<Body>, FeignError>>;

impl<B> Service<Request<B>> for ServiceCaller
where
    B: HttpBody + Send + 'static,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = FeignError;
    type Future = BoxFuture<'static, Result<Response<Body>, FeignError>>;

    /// Always ready: a request waits for its place while it is called, under its deadline.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FeignError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Here and not in the future: whoever polls that may be another task.
        let context = CallContext::of(request.extensions());
        let (caller, request) = (self.clone(), request.map(known_body));
        Box::pin(scope_all(context, async move {
            caller.send_body(request).await
        }))
    }
}

/// Ours as it is, so that it can be sent again where it is in memory; any other as a stream.
fn known_body<B>(body: B) -> Body
where
    B: HttpBody + Send + 'static,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let mut body = Some(body);
    if let Some(own) = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>() {
        return own.take().unwrap_or_default();
    }
    body.map(Body::wrap).unwrap_or_default()
}

/// The client as it is, the headers of the method, and what goes on though it would stay here.
type Base<'a> = (
    &'a ClientState,
    &'a [(HeaderName, HeaderValue)],
    &'a [HeaderName],
);

/// The request as it goes on: without a host, and with nothing of the way it came.
fn prepared(
    request: Request<Body>,
    (state, headers, passed): Base<'_>,
) -> Result<Request<Body>, FeignError> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if !path.starts_with('/') || head.method == Method::CONNECT {
        return Err(refused("path", ArgumentProblem::NotPlain));
    }
    let base_path = &state.base_path;
    let target = if base_path.is_empty() {
        PathAndQuery::try_from(path)
    } else if leaves_its_place(path.split('?').next().unwrap_or_default()) {
        return Err(refused("path", ArgumentProblem::DotSegment));
    } else {
        PathAndQuery::try_from(format!("{base_path}{path}"))
    };
    let target = target.map_err(|_| refused("path", ArgumentProblem::NotPlain))?;
    if target.as_str().len() > MAX_TARGET_BYTES {
        return Err(refused("path", ArgumentProblem::TooLong));
    }
    let mut next = Request::new(body);
    *next.method_mut() = head.method;
    *next.uri_mut() = Uri::from(target);
    *next.headers_mut() = head.headers;
    handed_on::clean(next.headers_mut(), &state.kept, passed);
    for (name, value) in headers {
        let entry = next.headers_mut().entry(name);
        entry.or_insert_with(|| value.clone());
    }
    if state.http2 != Http2::Never {
        next.extensions_mut().insert(state.http2);
    }
    Ok(next)
}

const fn refused(argument: &'static str, problem: ArgumentProblem) -> FeignError {
    FeignError::InvalidArgument { argument, problem }
}
