//! The caller with Hallpass.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Json, Router, routing::get};
use hallpass::config::Loader;
use hallpass::prelude::*;

use super::stand::{CLIENT, SCOPE, SECRET, TOKEN_LIFE_SECONDS};
use crate::measure::Failure;

#[feign_client(name = "service-system", path = "/internal", identity = "service")]
trait Stock {
    #[get("/stock/{item}")]
    async fn stock(&self, item: u64) -> Result<String, FeignError>;
}

pub(super) async fn serve(listen: &str, callee: &str, issuer: &str) -> Result<(), Failure> {
    let yaml = format!(
        "hallpass:\n  service: {{ name: caller }}\n  internal-token:\n    client-id: {CLIENT}\n    client-secret: {SECRET}\n    \
         scope: {SCOPE}\n    token-url: http://{issuer}/oauth2/token\n    cache-expire-seconds: {}\n    refresh-ahead-seconds: 5\n  \
         discovery: {{ static: {{ service-system: ['{callee}'] }} }}\n",
        TOKEN_LIFE_SECONDS - 10
    );
    let settings = Loader::new("hallpass")
        .text("caller", yaml)
        .load::<hallpass::Settings>()?
        .into_settings();
    let hallpass = Hallpass::builder(&settings).build()?;
    let stock = Arc::new(FeignStock::new(hallpass.feign())?);
    let order = async move |Path(number): Path<u64>| match stock.stock(number).await {
        Ok(stock) => Ok(Json(stock)),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    };
    let router = Router::new().route("/orders/{number}", get(order));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, router).await?)
}
