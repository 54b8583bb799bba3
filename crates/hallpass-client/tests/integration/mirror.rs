//! A callee that shows what identity a call arrived with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_client::{BearerLayer, CallError, Identity, TokenHandle};
use hallpass_clock::Clock;
use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
use hallpass_upstream::{Body, TransportError};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::scripted_issuer::ScriptedIssuer;

pub(crate) const LIFE: Duration = Duration::from_secs(600);

/// Answers with the `Authorization` values that came, one a line, and counts its calls.
#[derive(Clone, Default)]
pub(crate) struct Mirror {
    calls: Arc<AtomicUsize>,
}

impl Mirror {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn service(
        &self,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = TransportError, Future: Send>
    + Clone
    + Send
    + 'static {
        let calls = Arc::clone(&self.calls);
        tower::service_fn(move |request: Request<Body>| {
            calls.fetch_add(1, Ordering::Relaxed);
            let values: Vec<_> = request
                .headers()
                .get_all(AUTHORIZATION)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect();
            async move { Ok(Response::new(Body::from(values.join("\n")))) }
        })
    }
}

pub(crate) struct Setup {
    pub(crate) issuer: ScriptedIssuer,
    pub(crate) tokens: TokenHandle,
    pub(crate) mirror: Mirror,
}

pub(crate) fn setup() -> Setup {
    let issuer = ScriptedIssuer::new(LIFE);
    Setup {
        tokens: issuer.handle(),
        issuer,
        mirror: Mirror::default(),
    }
}

impl Setup {
    pub(crate) fn layer(&self, identity: Identity) -> BearerLayer {
        BearerLayer::new("callee", identity, Arc::clone(self.tokens.clock()))
            .tokens(self.tokens.clone())
    }

    pub(crate) async fn send(
        &self,
        layer: BearerLayer,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        layer.layer(self.mirror.service()).oneshot(request).await
    }

    pub(crate) async fn sent(&self, layer: BearerLayer, request: Request<Body>) -> String {
        let body = self.send(layer, request).await.unwrap().into_body();
        String::from_utf8(body.collect_within(10_000).await.unwrap().to_vec()).unwrap()
    }

    /// Alice, whose token ends after `seconds`.
    pub(crate) fn alice(&self, seconds: u64) -> SecurityContext {
        let [issuer, subject, audience] = ["internal", "alice", "order-service"];
        let now = UnixTime::from(self.issuer.clock().now());
        let ends = now.saturating_add(Duration::from_secs(seconds));
        let claims = TokenClaims::new(
            issuer.parse().unwrap(),
            subject.parse().unwrap(),
            audience.parse().unwrap(),
            ends,
        );
        SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("token-of-alice"),
        )
    }

    pub(crate) fn of_alice(&self) -> Request<Body> {
        let mut request = plain();
        request.extensions_mut().insert(self.alice(60));
        request
    }
}

pub(crate) fn plain() -> Request<Body> {
    Request::get("http://callee/orders")
        .header("accept", "*/*")
        .body(Body::empty())
        .unwrap()
}

pub(crate) fn with_foreign_authorization(mut request: Request<Body>) -> Request<Body> {
    for foreign in ["Basic Zm9vOmJhcg==", "Bearer foreign", "Bearer another"] {
        request
            .headers_mut()
            .append(AUTHORIZATION, foreign.parse().unwrap());
    }
    request
}
