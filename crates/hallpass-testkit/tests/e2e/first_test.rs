//! The test of docs/testing.md, to the letter.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::{Router, routing::get};
use hallpass::prelude::*;
use hallpass_testkit::{Broken, TestEstate};
use tower::ServiceExt;

#[tokio::test]
async fn only_sound_tokens_are_let_in() -> Result<(), BoxError> {
    let mut estate = TestEstate::start().await?;
    let hallpass = estate.service("order-service").build().await?;
    let server = hallpass.resource_server();
    let guard = server
        .route_any("/orders/**", Rule::Authenticated)
        .build()?;
    let alice = estate.token_of_user("alice").token()?;
    let stale = estate.token_of_user("alice").broken(Broken::Expired)?;

    // The service under test, behind its guard.
    let orders = get(async |caller: Caller| format!("orders of {}", caller.subject()));
    let service = Router::new()
        .route("/orders/7", orders)
        .layer(guard.layer());

    let ask = async |token: &str| {
        let request = Request::get("/orders/7").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty())?;
        Ok::<_, BoxError>(service.clone().oneshot(request).await?.status())
    };
    assert_eq!(ask(alice.expose()).await?, StatusCode::OK);
    assert_eq!(ask(&stale).await?, StatusCode::UNAUTHORIZED);
    Ok(())
}
