//! Two services that export their spans, as if each were a process.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hallpass::Settings;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::otlp::{Otlp, OtlpMetrics};
use hallpass::prelude::*;
use hallpass::token::UnixTime;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::{TestIdentityProvider, TestServer};
use http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt;
use tracing::{Dispatch, Instrument, dispatcher};
use tracing_subscriber::layer::SubscriberExt;

/// In a field of a span of the service's own: what nothing that is exported may hold.
pub(super) const ORDER_PASSWORD: &str = "hunter2-of-the-order";

#[feign_client(name = "logistics-service", path = "/logistics", identity = "relay")]
trait Logistics {
    #[get("/orders/{order_id}/status")]
    async fn status(&self, order_id: u64) -> Result<String, FeignError>;
}

/// A service with an export of its own, as if it were a process.
pub(super) struct Service {
    pub(super) server: TestServer,
    pub(super) otlp: Otlp,
}

/// Where its spans go, and further keys of `telemetry.otlp`.
#[derive(Clone, Copy)]
pub(super) struct Export<'a> {
    pub(super) endpoint: &'a str,
    pub(super) further: &'a str,
    /// Keys of `trace`.
    pub(super) trace: &'a str,
}

/// What a process does for a request, with the subscriber of that process, also when it is dropped: spans end by it.
struct Within {
    dispatch: Dispatch,
    answer: Option<Pin<Box<dyn Future<Output = Response> + Send>>>,
}

impl Future for Within {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let Self { dispatch, answer } = &mut *self;
        let answer = answer.as_mut().unwrap();
        dispatcher::with_default(dispatch, || answer.as_mut().poll(context))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let Self { dispatch, answer } = self;
        dispatcher::with_default(dispatch, || drop(answer.take()));
    }
}

impl Service {
    /// `order-service`, which asks logistics for its caller.
    pub(super) async fn order(
        users: &TestIdentityProvider,
        export: Export<'_>,
        next: SocketAddr,
    ) -> Self {
        Self::start("order-service", users, export, Some(next)).await
    }

    /// `logistics-service`, which answers by itself.
    pub(super) async fn logistics(users: &TestIdentityProvider, export: Export<'_>) -> Self {
        Self::start("logistics-service", users, export, None).await
    }

    async fn start(
        name: &str,
        users: &TestIdentityProvider,
        export: Export<'_>,
        next: Option<SocketAddr>,
    ) -> Self {
        let otlp = Otlp::new();
        let subscriber = tracing_subscriber::registry().with(otlp.layer());
        let dispatch = Dispatch::new(subscriber);
        let settings = settings(name, users, export, next);
        let build = || Hallpass::builder(&settings).otlp(&otlp).build().unwrap();
        let hallpass = dispatcher::with_default(&dispatch, build);
        let guard = hallpass
            .resource_server()
            .route(Method::GET, "/orders/{order_id}", Rule::Authenticated)
            .route_any("/logistics/orders/{order_id}/status", Rule::Authenticated)
            .build()
            .unwrap();
        let logistics = FeignLogistics::new(hallpass.feign()).unwrap();
        let order = get(async move || {
            // As `#[instrument]` does: with an argument in it that is nobody's business, and one that the settings name.
            let span = tracing::info_span!(
                "look_up_order",
                password = ORDER_PASSWORD,
                client = ORDER_PASSWORD,
                order.kind = "gift"
            );
            match logistics.status(7).instrument(span).await {
                Ok(status) => Json(status).into_response(),
                Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
            }
        });
        let asked = Arc::new(AtomicU32::new(0));
        let status = get(async move |headers: HeaderMap| {
            let again = headers.contains_key("x-fails-once");
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 if again => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                _ => Json("on its way").into_response(),
            }
        });
        let own = from_fn(move |request: AxumRequest, next: Next| {
            let (dispatch, answer) = (dispatch.clone(), Box::pin(next.run(request)));
            Within {
                dispatch,
                answer: Some(answer),
            }
        });
        let router = Router::new()
            .route("/orders/{order_id}", order)
            .route("/logistics/orders/{order_id}/status", status)
            .layer(guard.layer())
            .layer(own);
        let server = TestServer::start(router).await.unwrap();
        Self { server, otlp }
    }

    pub(super) fn metrics(&self) -> &OtlpMetrics {
        self.otlp.metrics()
    }
}

fn settings(
    name: &str,
    users: &TestIdentityProvider,
    Export {
        endpoint,
        further,
        trace,
    }: Export<'_>,
    next: Option<SocketAddr>,
) -> Settings {
    let next = next.map_or_else(String::new, |it| format!("\"{it}\""));
    let yaml = format!(
        r#"
hallpass:
  service: {{ name: {name} }}
  context: {{ headers: [X-Fails-Once] }}
  trace: {{ {trace} }}
  telemetry: {{ otlp: {{ endpoint: "{endpoint}", interval-ms: 10 {further} }} }}
  discovery: {{ static: {{ logistics-service: [{next}] }} }}
  security:
    internal-jwt:
      issuers:
        - {{ name: users, issuer: "{issuer}", audience: {audience}, jwks-url: "{jwks}" }}
"#,
        issuer = TestIdentityProvider::ISSUER,
        audience = TestIdentityProvider::AUDIENCE,
        jwks = users.jwks_url(),
    );
    let loader = Loader::new("hallpass").text("service", yaml);
    let loaded = loader.load::<Settings>();
    loaded.unwrap_or_else(|it| panic!("{it}")).into_settings()
}

/// Alice asks for an order; what she is answered, and her token.
pub(super) async fn ask(
    users: &TestIdentityProvider,
    service: &Service,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let now = UnixTime::from(SystemClock::new().now());
    let token = users.token("alice", now).unwrap().expose().to_owned();
    let mut request = Request::get(service.server.url("/orders/7"));
    request = request.header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    let response = transport.oneshot(request).await.unwrap();
    (response.status(), token)
}

/// Alice asks logistics itself.
pub(super) async fn ask_logistics(
    users: &TestIdentityProvider,
    logistics: &Service,
    traceparent: Option<&str>,
) -> StatusCode {
    let now = UnixTime::from(SystemClock::new().now());
    let token = users.token("alice", now).unwrap();
    let mut request = Request::get(logistics.server.url("/logistics/orders/7/status"))
        .header("authorization", format!("Bearer {}", token.expose()));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let request = request.body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    transport.oneshot(request).await.unwrap().status()
}
