//! What an identity costs an outgoing call whose token is in memory: the same call with and without the layer, in one
//! run.
//!
//! The callee responds at once, so what is left is the layer. Requests are made alike on both sides, with the three
//! headers that the call layer sets, because a header map without room would have to grow for the fourth.

use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hallpass::client::{
    AuthTokenService, AuthTokenServiceBuilder, BearerLayer, CallError, Credential, HostGuardLayer,
    Identity, ReplayLayer, TokenHandle,
};
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Secret;
use hallpass::token::{AccessToken, SecurityContext, UnixTime};
use hallpass::upstream::{Body, Target, TransportError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service};

use crate::measure::{Outcome, Pair};
use crate::verify::verified_claims;

const ROUND: Duration = Duration::from_millis(1);
const ROUNDS: usize = 800;
/// Calls over which allocations are counted.
const COUNTED: u64 = 1_000;
/// As long as a token of ours, signed with ES256.
pub(crate) const TOKEN_BYTES: usize = 475;

/// Measures and prints a Markdown table. The budget of the first line is 200 ns and no allocation.
///
/// # Errors
/// When no token comes or a call is refused: then there is nothing to measure.
pub(crate) fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let tokens = token_service()?.handle(&"service-system".parse()?, &"internal-service".parse()?);
    runtime.block_on(tokens.token())?;
    let bearer = |identity| {
        BearerLayer::new("orders", identity, Arc::clone(tokens.clock())).tokens(tokens.clone())
    };

    let service = bearer(Identity::Service).layer(callee());
    let relay = bearer(Identity::Relay).layer(callee());
    let anonymous = bearer(Identity::None).layer(callee());
    let reports = bearer(Identity::Service).reports(true).layer(callee());
    let guard = HostGuardLayer::new("orders").layer(callee());
    let replay = ReplayLayer::new(tokens.clone()).layer(service.clone());
    let context = context(&tokens)?;

    print_header();
    print_row("service token in memory", &request, service.clone())?;
    print_row(
        "the same, another Authorization replaced",
        &foreign,
        service,
    )?;
    print_row("user's token relayed", &|| relayed(&context), relay)?;
    print_row("identity = none", &request, anonymous)?;
    print_row("service token, with a report per call", &request, reports)?;
    print_row("host guard", &targeted, guard)?;
    print_row("service token, under the replay layer", &request, replay)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_header() {
    println!("| added to a call | ns, of the mins | ns, median of the rounds | allocations |");
    println!("|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_row<S>(name: &str, request: &dyn Fn() -> Request<Body>, ours: S) -> Outcome<()>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>,
{
    let (bare, ours) = (RefCell::new(callee()), RefCell::new(ours));
    call(&mut *ours.borrow_mut(), request())?;
    let call_bare = || call(&mut *bare.borrow_mut(), request()).is_ok();
    let call_ours = || call(&mut *ours.borrow_mut(), request()).is_ok();
    let pair = Pair::measure((ROUNDS, ROUND), call_bare, call_ours);
    let allocations = |call: &dyn Fn() -> bool| {
        let counted =
            allocation_counter::measure(|| (0..COUNTED).for_each(|_| _ = black_box(call())));
        counted.count_total as f64 / COUNTED as f64
    };
    let added = allocations(&call_ours) - allocations(&call_bare);
    let (of_mins, median) = pair.added_nanos();
    println!("| {name} | {of_mins:.0} | {median:.0} | {added:.0} |");
    Ok(())
}

/// One call, in one poll: nothing here has to wait.
fn call<S>(service: &mut S, request: Request<Body>) -> Outcome<Response<Body>>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<CallError>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let response = match service.poll_ready(&mut cx) {
        Poll::Ready(Ok(())) => pin!(service.call(request)).poll(&mut cx),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    };
    match response {
        Poll::Ready(response) => Ok(response.map_err(Into::into)?),
        Poll::Pending => Err("a call waited, so its token was not in memory".into()),
    }
}

/// Responds at once and shows the optimiser that it used the request.
#[derive(Clone, Copy)]
struct Callee;

fn callee() -> Callee {
    Callee
}

impl Service<Request<Body>> for Callee {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = std::future::Ready<Result<Response<Body>, TransportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(&request);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

fn request() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert(
        HeaderName::from_static("traceparent"),
        HeaderValue::from_static(trace),
    );
    request
}

fn foreign() -> Request<Body> {
    let mut request = request();
    request.headers_mut().insert(
        AUTHORIZATION,
        HeaderValue::from_static("Basic Zm9vOmJhcg=="),
    );
    request
}

fn relayed(context: &SecurityContext) -> Request<Body> {
    let mut request = request();
    request.extensions_mut().insert(context.clone());
    request
}

fn targeted() -> Request<Body> {
    let mut request = foreign();
    if let Ok(instance) = "10.0.0.1:8080".parse() {
        // A request without its target is refused, and the run ends with that.
        _ = Target::new("orders", instance).apply_to(&mut request);
    }
    request
}

/// A user, for ten minutes from now. The token on the wire is as long as the others of this table.
fn context(tokens: &TokenHandle) -> Outcome<SecurityContext> {
    let now = UnixTime::from(tokens.clock().now());
    let claims = verified_claims(now)?;
    Ok(SecurityContext::new(
        claims,
        AccessToken::new("x".repeat(TOKEN_BYTES)),
    ))
}

/// Tokens for an hour and more, from an issuer that responds at once.
pub(crate) fn token_service() -> Outcome<AuthTokenService> {
    Ok(token_service_builder()?.build())
}

/// The same, not built yet.
pub(crate) fn token_service_builder() -> Outcome<AuthTokenServiceBuilder> {
    let body = serde_json::json!({
        "access_token": "x".repeat(TOKEN_BYTES), "token_type": "Bearer", "expires_in": 86_400,
    });
    let body = body.to_string();
    let issuer = tower::service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Body::from(body.clone()));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        std::future::ready(Ok(response))
    });
    let endpoint = "https://issuer.example/oauth2/token".parse()?;
    let credential = Credential::new(
        "internal-service-client".parse()?,
        Secret::from("secret"),
        endpoint,
    );
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Ok(AuthTokenService::builder(credential, issuer).clock(clock))
}
