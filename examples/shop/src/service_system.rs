//! `service-system`: takes reports from other services. Its endpoint is internal-only, which is written
//! in `config/shop.yaml`: no customer's token opens it, whatever scopes it has.

use axum::http::Method;
use axum::routing::{get, post};
use axum::{Json, Router};
use hallpass::prelude::*;
use serde::{Deserialize, Serialize};

/// The name it is found by.
pub const NAME: &str = "service-system";

/// What a service reports in the evening.
#[derive(Debug, Deserialize, Serialize)]
pub struct DailyReport {
    /// Orders in the books.
    pub orders: usize,
}

/// The response to a report.
#[derive(Debug, Deserialize, Serialize)]
pub struct Receipt {
    /// Which service reported.
    pub received_from: String,
}

/// The one route of its own, whose rule comes from the configuration, and its metrics.
pub fn router(hallpass: &Hallpass) -> Result<Router, BoxError> {
    let guard = hallpass
        .resource_server()
        .route(Method::GET, "/metrics", Rule::Anonymous)
        .build()?;
    let metrics = hallpass.metrics();
    Ok(Router::new()
        .route("/metrics", get(async move || metrics.text()))
        .route("/internal/daily-reports", post(receive))
        .layer(guard.layer()))
}

async fn receive(service: Caller, Json(report): Json<DailyReport>) -> Json<Receipt> {
    tracing::info!(orders = report.orders, from = %service.subject(), "daily report");
    Json(Receipt {
        received_from: service.subject().to_string(),
    })
}
