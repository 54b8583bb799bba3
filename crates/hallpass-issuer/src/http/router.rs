//! All routes in one place.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use http::Method;

use crate::core::Core;
use crate::http::documents;
use crate::http::public_urls::{JWKS_PATH, TOKEN_PATH};
use crate::token::endpoint;

/// Every endpoint of the issuer.
pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route(TOKEN_PATH, any(token_endpoint))
        .route(JWKS_PATH, get(documents::jwks))
        .route("/health/live", get(documents::live))
        .route("/health/ready", get(documents::ready))
        .route("/metrics", get(documents::metrics))
        // The place of the metadata depends on the issuer's name, so it is no fixed route.
        .fallback(documents::metadata_or_not_found)
        .with_state(core)
}

async fn token_endpoint(State(core): State<Arc<Core>>, request: Request) -> Response {
    let source = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip());
    let (parts, body) = request.into_parts();
    let response = if parts.method == Method::POST {
        endpoint::answer(&core, &parts.headers, body, source).await
    } else {
        endpoint::method_not_allowed(&parts.method)
    };
    response.map(Body::new)
}
