//! The service that is called: it responds at once to whoever brings a token.

use axum::extract::Path;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::get};

use crate::measure::Failure;

pub(super) async fn serve(listen: &str) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let stock = async |Path(item): Path<u64>, headers: HeaderMap| {
        let token = headers.get(AUTHORIZATION).map(|token| token.as_bytes());
        match token.is_some_and(|token| token.starts_with(b"Bearer ey")) {
            true => Ok(Json(format!("3 x {item}"))),
            false => Err(StatusCode::UNAUTHORIZED),
        }
    };
    let router = Router::new().route("/internal/stock/{item}", get(stock));
    Ok(axum::serve(listener, router).await?)
}
