//! What users of the test kit rely on: its tokens are judged as those of the real parts, and its services call and are called.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use hallpass::prelude::*;
use hallpass::resource::ResourceServer;
use hallpass_testkit::{Broken, TestEstate, TestServer};
use tower::ServiceExt as _;

#[feign_client(name = "stock-service", path = "/internal")]
trait Stock {
    #[get("/stock")]
    async fn stock(&self) -> Result<String, FeignError>;
}

async fn ask(guard: &ResourceServer, path: &str, token: &str) -> StatusCode {
    let handler = async |caller: Caller| caller.subject().to_string();
    let app = Router::new()
        .route("/orders", get(handler))
        .route("/internal", get(handler))
        .layer(guard.layer());
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).unwrap();
    app.oneshot(request).await.unwrap().status()
}

async fn guard(estate: &mut TestEstate) -> ResourceServer {
    let service = estate.service("order-service").build().await.unwrap();
    let internal = Rule::InternalOnly(TestEstate::SCOPE.parse().unwrap());
    let read = Rule::all_scopes("orders:read".parse().unwrap());
    service
        .resource_server()
        .route(Method::GET, "/orders", read)
        .route(Method::GET, "/internal", internal)
        .build()
        .unwrap()
}

#[tokio::test]
async fn sound_tokens_of_users_and_services_are_accepted_where_their_rules_allow_them() {
    let mut estate = TestEstate::start().await.unwrap();
    let guard = guard(&mut estate).await;
    let user = estate.token_of_user("alice").token().unwrap();
    let service = estate.token_of_service("billing", "order-service");
    let service = service.token().unwrap();
    let both = estate.exchanged_token("alice", "billing", "order-service");
    let both = both.token().unwrap();
    assert_eq!(ask(&guard, "/orders", user.expose()).await, StatusCode::OK);
    assert_eq!(
        ask(&guard, "/internal", user.expose()).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        ask(&guard, "/internal", service.expose()).await,
        StatusCode::OK
    );
    assert_eq!(ask(&guard, "/orders", both.expose()).await, StatusCode::OK);
    let weak = estate.token_of_user("alice").scope("profile");
    let weak = weak.token().unwrap();
    assert_eq!(
        ask(&guard, "/orders", weak.expose()).await,
        StatusCode::FORBIDDEN
    );
}

/// A broken token that were sound would be let in: the one that it was made from is.
#[tokio::test]
async fn no_broken_token_is_accepted_whoever_it_is_of() {
    let mut estate = TestEstate::start().await.unwrap();
    let guard = guard(&mut estate).await;
    let mut texts = BTreeSet::new();
    for broken in Broken::ALL {
        let user = estate.token_of_user("alice").broken(broken).unwrap();
        let service = estate.token_of_service("billing", "order-service");
        let service = service.broken(broken).unwrap();
        for (path, token) in [("/orders", user), ("/internal", service)] {
            let status = ask(&guard, path, &token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {broken:?}");
            assert!(texts.insert(token), "{broken:?} is another one");
        }
    }
}

#[tokio::test]
async fn a_token_expires_when_the_test_says_so() {
    let mut estate = TestEstate::start().await.unwrap();
    let guard = guard(&mut estate).await;
    let token = estate.token_of_user("alice");
    let token = token.expires_in(Duration::from_secs(60)).token().unwrap();
    assert_eq!(ask(&guard, "/orders", token.expose()).await, StatusCode::OK);
    estate.clock().advance(Duration::from_secs(120));
    assert_eq!(
        ask(&guard, "/orders", token.expose()).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_service_calls_another_one_with_a_token_of_the_real_issuer() {
    let mut estate = TestEstate::start().await.unwrap();
    let stock = estate.service("stock-service").build().await.unwrap();
    let internal = Rule::InternalOnly(TestEstate::SCOPE.parse().unwrap());
    let guard = stock
        .resource_server()
        .route(Method::GET, "/internal/stock", internal)
        .build()
        .unwrap();
    let handler = async |caller: Caller| Json(format!("for {}", caller.subject()));
    let router = Router::new().route("/internal/stock", get(handler));
    let server = TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap();
    let orders = estate.service("order-service");
    let orders = orders.calls("stock-service", server.address());
    let orders = orders
        .with("hallpass: { feign: { defaults: { deadline-ms: 20000 } } }")
        .build()
        .await
        .unwrap();
    let client = FeignStock::new(orders.feign()).unwrap();
    assert_eq!(client.stock().await.unwrap(), "for order-service");
    assert_eq!(client.stock().await.unwrap(), "for order-service");
    assert_eq!(estate.issuer().tokens_issued(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_token_is_told() {
    let estate = TestEstate::start().await.unwrap();
    assert!(estate.token_of_user("").token().is_err());
    let scope = estate.token_of_user("alice").scope("a\"b");
    assert!(scope.broken(Broken::Expired).is_err());
    let claim = estate.token_of_user("alice").claim("exp", 7.into());
    assert!(claim.token().is_err());
}

/// What docs/testing.md prints is a test of this crate, which runs.
#[test]
fn the_test_of_the_page_is_one_that_runs() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md");
    let page = std::fs::read_to_string(root).unwrap();
    let printed = page.split("```rust\n").nth(1).unwrap();
    let printed = printed.split("```").next().unwrap();
    let runs = include_str!("first_test.rs").split_once("\n\n").unwrap().1;
    assert_eq!(printed, runs);
}
