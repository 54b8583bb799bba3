//! The shop's services, tested as their owners would: with the test kit, and without the other services.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use hallpass_testkit::{Broken, TestEstate};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shop::{logistics_service, service_system};
use tower::ServiceExt as _;

const SHIPMENT: &str = "/logistics/orders/1002/shipment";
/// What config/shop.yaml says of the internal endpoint.
const INTERNAL: &str = "hallpass: { security: { internal-jwt: { internal-only: { paths: [/internal/**], scope: internal-service } } } }";

async fn carrier(estate: &mut TestEstate) -> Router {
    let hallpass = estate.service(logistics_service::NAME).build().await;
    logistics_service::router(&hallpass.unwrap()).unwrap()
}

async fn system(estate: &mut TestEstate) -> Router {
    let service = estate.service(service_system::NAME).with(INTERNAL);
    service_system::router(&service.build().await.unwrap()).unwrap()
}

async fn get(service: &Router, path: &str, token: &str) -> Response<Body> {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    service.clone().oneshot(request).await.unwrap()
}

async fn report(service: &Router, token: &str) -> Response<Body> {
    let request = Request::post("/internal/daily-reports")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let request = request.body(Body::from(r#"{"orders":3}"#)).unwrap();
    service.clone().oneshot(request).await.unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

#[tokio::test]
async fn the_carrier_shows_a_customer_her_own_parcels_and_knows_who_asks_for_her() {
    let mut estate = TestEstate::start().await.unwrap();
    let carrier = carrier(&mut estate).await;
    let hers = estate.exchanged_token("login|alice", "order-service", logistics_service::NAME);
    let hers = hers.token().unwrap();
    let shipment = json_of(get(&carrier, SHIPMENT, hers.expose()).await).await;
    let expected = json!({
        "order_id": 1002, "status": "on its way", "asked_for": "login|alice", "asked_by": "order-service",
    });
    assert_eq!(shipment, expected);

    let his = estate.exchanged_token("login|bob", "order-service", logistics_service::NAME);
    let his = his.token().unwrap();
    let response = get(&carrier, SHIPMENT, his.expose()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_carrier_wants_the_scope_and_takes_no_broken_token() {
    let mut estate = TestEstate::start().await.unwrap();
    let carrier = carrier(&mut estate).await;
    let token = |it: &TestEstate| {
        it.exchanged_token("login|alice", "order-service", logistics_service::NAME)
            .scope("profile")
            .token()
    };
    let weak = token(&estate).unwrap();
    let response = get(&carrier, SHIPMENT, weak.expose()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    for broken in Broken::ALL {
        let token = estate.exchanged_token("login|alice", "order-service", logistics_service::NAME);
        let token = token.broken(broken).unwrap();
        let response = get(&carrier, SHIPMENT, &token).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{broken:?}");
    }
}

#[tokio::test]
async fn reports_come_from_services_and_never_from_customers() {
    let mut estate = TestEstate::start().await.unwrap();
    let system = system(&mut estate).await;
    let service = estate.token_of_service("order-service", service_system::NAME);
    let receipt = json_of(report(&system, service.token().unwrap().expose()).await).await;
    assert_eq!(receipt, json!({ "received_from": "order-service" }));

    let customer = estate.token_of_user("alice").scope("internal-service");
    let response = report(&system, customer.token().unwrap().expose()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let acting = estate.exchanged_token("alice", "order-service", service_system::NAME);
    let acting = acting.scope("internal-service").token().unwrap();
    let response = report(&system, acting.expose()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
