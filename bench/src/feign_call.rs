//! What the call layer costs a call: a method of `#[feign_client]` against the bare transport, to the same callee, in
//! one run.
//!
//! The callee is a server on another thread, so what is counted is the caller's side: the call layer and the HTTP
//! client below it on the one hand, the HTTP client alone on the other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass::clock::SystemClock;
use hallpass::feign::{Feign, FeignError, feign_client};
use hallpass::upstream::{Body, HttpTransport, Network, StaticDiscovery};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::Outcome;
use crate::bearer::{TOKEN_BYTES, token_service};
use crate::measure::{Pair, allocations};

const ROUND: Duration = Duration::from_millis(4);
const ROUNDS: usize = 400;
/// Longest response that the bare side reads, in bytes; as the call layer's own default.
const MAX_RESPONSE_BYTES: usize = 2 * 1024 * 1024;
const RESPONSE: &[u8] = b"\"order 7 is on its way\"";

#[feign_client(name = "logistics-service", path = "/logistics")]
trait Logistics {
    #[get("/orders/{order_id}/status", identity = "none")]
    async fn anonymous(&self, order_id: u64) -> Result<String, FeignError>;

    #[get("/orders/{order_id}/status", identity = "service")]
    async fn status(&self, order_id: u64) -> Result<String, FeignError>;

    #[post("/orders", identity = "service")]
    async fn place(&self, #[json] order: &str) -> Result<String, FeignError>;
}

/// Measures and prints a Markdown table.
///
/// # Errors
/// When a call fails: then there is nothing to measure.
pub(crate) fn run() -> Outcome<()> {
    let address = start_callee()?;
    // One thread: whatever the HTTP client leaves to its own tasks is counted with the call that caused it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let transport = HttpTransport::new()?;
    let tokens = token_service()?;
    let handle = tokens.handle(&"logistics-service".parse()?, &"".parse()?);
    runtime.block_on(handle.token())?;
    let discovery =
        StaticDiscovery::new().with("logistics-service", [address.to_string().parse()?]);
    let network = Network::new(
        transport.clone(),
        Arc::new(discovery),
        Arc::new(SystemClock::new()),
    );
    let feign = Feign::builder(&network).tokens(tokens).build();
    let logistics = FeignLogistics::new(&feign)?;
    let mut token = HeaderValue::try_from(format!("Bearer {}", "x".repeat(TOKEN_BYTES)))?;
    token.set_sensitive(true);
    let bare = Bare {
        transport,
        address,
        token,
    };

    print_header();
    print_row(
        &runtime,
        "GET without identity",
        async || bare.get(false).await,
        async || logistics.anonymous(7).await.map_err(Into::into),
    )?;
    print_row(
        &runtime,
        "GET with a service token",
        async || bare.get(true).await,
        async || logistics.status(7).await.map_err(Into::into),
    )?;
    print_row(
        &runtime,
        "POST of JSON with a service token",
        async || bare.post("order 7").await,
        async || logistics.place("order 7").await.map_err(Into::into),
    )
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_header() {
    println!(
        "| call | allocations, bare transport | allocations, feign | bytes, bare transport | bytes, feign | added ns, median of the rounds |"
    );
    println!("|---|---|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_row(
    runtime: &Runtime,
    name: &str,
    bare: impl AsyncFn() -> Outcome<String>,
    ours: impl AsyncFn() -> Outcome<String>,
) -> Outcome<()> {
    // Also opens the connection that both sides share.
    let (response, same) = (runtime.block_on(bare())?, runtime.block_on(ours())?);
    if response != same {
        return Err("the two sides do not make the same call".into());
    }
    let call_bare = || runtime.block_on(bare()).is_ok();
    let call_ours = || runtime.block_on(ours()).is_ok();
    let pair = Pair::measure((ROUNDS, ROUND), call_bare, call_ours);
    let (bare, ours) = (allocations(&call_bare), allocations(&call_ours));
    let (_, added) = pair.added_nanos();
    println!(
        "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {added:.0} |",
        bare.0, ours.0, bare.1, ours.1
    );
    Ok(())
}

/// The same calls by hand, with the headers that the call layer sets.
struct Bare {
    transport: HttpTransport,
    address: SocketAddr,
    token: HeaderValue,
}

impl Bare {
    async fn get(&self, with_token: bool) -> Outcome<String> {
        let address = self.address;
        let uri = format!("http://{address}/logistics/orders/7/status");
        let mut request = Request::get(uri).body(Body::empty())?;
        if with_token {
            self.identify(&mut request);
        }
        self.send(request).await
    }

    async fn post(&self, order: &str) -> Outcome<String> {
        let address = self.address;
        let uri = format!("http://{address}/logistics/orders");
        let mut request = Request::post(uri).body(Body::from(serde_json::to_vec(order)?))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        self.identify(&mut request);
        self.send(request).await
    }

    fn identify(&self, request: &mut Request<Body>) {
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.token.clone());
    }

    async fn send(&self, mut request: Request<Body>) -> Outcome<String> {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let response = self.transport.clone().oneshot(request).await?;
        let body = response
            .into_body()
            .collect_within(MAX_RESPONSE_BYTES)
            .await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// A server that reads what it is sent and responds with [`RESPONSE`], on a thread of its own until the process ends.
fn start_callee() -> Outcome<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || runtime.block_on(serve(listener)));
    Ok(address)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service_fn(respond));
        tokio::spawn(connection);
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(RESPONSE)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
