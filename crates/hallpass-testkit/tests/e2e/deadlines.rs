//! A deadline that goes through two services.

use std::future::pending;

use axum::http::HeaderMap;
use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::TestServer;
use http::StatusCode;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::ServiceExt as _;

#[feign_client(name = "stock-service", identity = "relay", when_absent = "none")]
trait Stock {
    #[get("/stock")]
    async fn stock(&self) -> Result<String, FeignError>;
}

/// Says so when it is dropped.
struct Dropped(UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

/// A service of this name, with one open route.
fn service(name: &str, more: &str) -> Hallpass {
    let yaml = format!("hallpass: {{ service: {{ name: {name} }}{more} }}");
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let settings: Settings = loader.load().unwrap().into_settings();
    Hallpass::from_settings(&settings).unwrap()
}

async fn serve(
    hallpass: &Hallpass,
    path: &str,
    handler: axum::routing::MethodRouter,
) -> TestServer {
    let guard = hallpass.resource_server().route_any(path, Rule::Anonymous);
    let guard = guard.build().unwrap();
    let router = Router::new().route(path, handler).layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

#[tokio::test]
async fn a_callee_stops_when_its_caller_has_stopped_waiting() {
    let (told, mut was_told) = unbounded_channel();
    let (dropped, mut was_dropped) = unbounded_channel();
    let hangs = get(move |headers: HeaderMap| {
        let left = headers.get("x-request-timeout-ms").cloned();
        told.send(left).unwrap();
        let held = Dropped(dropped.clone());
        async move {
            pending::<()>().await;
            drop(held);
        }
    });
    let stock = serve(&service("stock-service", ""), "/stock", hangs).await;

    let places = format!(
        ", discovery: {{ static: {{ stock-service: ['{}'] }} }}",
        stock.address()
    );
    let hallpass = service("order-service", &places);
    let client = FeignStock::new(hallpass.feign()).unwrap();
    let asks = get(move || {
        let client = client.clone();
        async move {
            client
                .stock()
                .await
                .map_err(|_| StatusCode::GATEWAY_TIMEOUT)
        }
    });
    let orders = serve(&hallpass, "/orders", asks).await;

    // Its connection stays, so that nothing but the time stops anybody.
    let request = http::Request::get(format!("http://{}/orders", orders.address()))
        .header("x-request-timeout-ms", "300")
        .body(Body::empty())
        .unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    // By the handler, whose call has ended, or by the layer: both have the same moment.
    assert_eq!(response.status(), 504);
    let left = was_told.recv().await.unwrap().unwrap();
    let left: u64 = left.to_str().unwrap().parse().unwrap();
    assert!(
        left <= 300,
        "{left}: the service between has no more than its caller"
    );
    was_dropped.recv().await.unwrap();
}
