//! All routes in one place.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::routing::{any, get};
use bytes::Bytes;
use hallpass_token::UnixTime;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::Service as _;
use tracing::Instrument as _;

use crate::authority::endpoint as certificates;
use crate::core::Core;
use crate::http::public_urls::{
    BUNDLE_PATH, CERTIFICATE_PATH, INTROSPECT_PATH, JWKS_PATH, REVOCATIONS_PATH, REVOKE_PATH,
    TOKEN_PATH,
};
use crate::http::request_span::RequestSpan;
use crate::http::{health, jwks, metadata, revocations};
use crate::keys::adoption;
use crate::token::endpoint;
use crate::token::message;
use crate::token::question::{self, About};

/// Every endpoint of the issuer.
pub(crate) fn router(core: Arc<Core>) -> Router {
    public(core.clone()).merge(management(core))
}

/// What clients and verifiers ask for.
pub(crate) fn public(core: Arc<Core>) -> Router {
    Router::new()
        .route(TOKEN_PATH, any(token_endpoint))
        .route(JWKS_PATH, get(key_set))
        .route(REVOKE_PATH, any(revoke))
        .route(INTROSPECT_PATH, any(introspect))
        .route(REVOCATIONS_PATH, get(deny_list))
        .route(CERTIFICATE_PATH, any(certificate))
        .route(BUNDLE_PATH, get(bundle))
        // The place of the metadata depends on the issuer's name, so it has no fixed route.
        .fallback(metadata_or_not_found)
        .with_state(core)
}

/// What monitoring asks for.
pub(crate) fn management(core: Arc<Core>) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(core)
}

/// The same endpoints for one connection of a listener of our own.
#[derive(Clone)]
pub(crate) struct Connection {
    core: Arc<Core>,
    router: Router,
    peer: IpAddr,
}

impl Connection {
    /// Serves the requests of `peer`; `router` comes from [`router`].
    pub(crate) const fn new(core: Arc<Core>, router: Router, peer: IpAddr) -> Self {
        Self { core, router, peer }
    }

    /// Responds to one request, in a span of its own.
    pub(crate) async fn respond(
        self,
        request: Request<Incoming>,
    ) -> Response<Either<Full<Bytes>, Body>> {
        let span = RequestSpan::of(&request, &self.core);
        let response = self.answer(request).instrument(span.span()).await;
        span.ended(response.status());
        response
    }

    /// Token requests do not go through the router: they are nearly all of the load.
    async fn answer(
        mut self,
        mut request: Request<Incoming>,
    ) -> Response<Either<Full<Bytes>, Body>> {
        if request.uri().path() == TOKEN_PATH && request.method() == Method::POST {
            let (parts, body) = request.into_parts();
            let source = self
                .core
                .started_with()
                .sources
                .of_request(self.peer, &parts.headers);
            return endpoint::respond(&self.core, &parts, body, Some(source))
                .await
                .map(Either::Left);
        }
        let peer = ConnectInfo(SocketAddr::new(self.peer, 0));
        request.extensions_mut().insert(peer);
        match self.router.call(request).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

async fn token_endpoint(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    let source = source(&core, &request);
    let (parts, body) = request.into_parts();
    let response = if parts.method == Method::POST {
        endpoint::respond(&core, &parts, body, source).await
    } else {
        message::method_not_allowed(&parts.method)
    };
    response.map(Body::new)
}

async fn revoke(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    about_token(&core, About::Revocation, request).await
}

async fn introspect(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    about_token(&core, About::Introspection, request).await
}

async fn about_token(core: &Core, about: About, request: Request<Body>) -> Response<Body> {
    let source = source(core, &request);
    let (parts, body) = request.into_parts();
    let response = if parts.method == Method::POST {
        question::respond(core, about, &parts, body, source).await
    } else {
        message::method_not_allowed(&parts.method)
    };
    response.map(Body::new)
}

/// Without an authority there is nothing at its places.
async fn certificate(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    let source = source(&core, &request);
    let (parts, body) = request.into_parts();
    let Some(ring) = core.authorities().ring() else {
        return not_found(&core, &parts.method, &parts.uri);
    };
    let response = if parts.method == Method::POST {
        certificates::respond(&core, &ring, &parts, body, source).await
    } else {
        message::method_not_allowed(&parts.method)
    };
    response.map(Body::new)
}

async fn bundle(State(core): State<Arc<Core>>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    match core.authorities().ring() {
        Some(ring) => certificates::bundle(&ring, &headers),
        None => not_found(&core, &Method::GET, &uri),
    }
}

/// Where a request comes from, as far as that is known.
fn source(core: &Core, request: &Request<Body>) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(
        core.started_with()
            .sources
            .of_request(peer.ip(), request.headers()),
    )
}

async fn deny_list(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    let source = source(&core, &request);
    revocations::response(core.deny_list(), request.headers(), request.uri(), source)
}

async fn key_set(State(core): State<Arc<Core>>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let (keys, cache_control) = (core.keys(), core.jwks_cache_control());
    let keys = keys.at(UnixTime::from(core.clock().now()));
    if let Some(name) = adoption::name_in(&headers, &uri) {
        core.saw_verifier(name, keys);
    }
    jwks::response(keys, cache_control, &headers, &core.metrics().jwks)
}

async fn ready(State(core): State<Arc<Core>>) -> Response<Body> {
    health::ready(core.is_stopping(), core.store().standing().trouble())
}

async fn metrics(State(core): State<Arc<Core>>) -> Response<Body> {
    health::metrics(core.metrics())
}

async fn metadata_or_not_found(
    State(core): State<Arc<Core>>,
    method: Method,
    uri: Uri,
) -> Response<Body> {
    not_found(&core, &method, &uri)
}

/// Or the metadata, which stand where nothing else does.
fn not_found(core: &Core, method: &Method, uri: &Uri) -> Response<Body> {
    let (document, cache_control) = (core.metadata(), core.jwks_cache_control());
    metadata::response(&document, core.urls(), cache_control, method, uri)
}
