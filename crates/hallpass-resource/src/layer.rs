//! The tower layer: no call reaches the service behind it unjudged.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_client::context::{ContextBody, body_scope, scope};
use hallpass_token::SecurityContext;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::identity_headers;
use crate::judge::Verdict;
use crate::server::ResourceServer;

/// Puts a [`ResourceServer`] in front of a service: axum's `Router::layer`, or any tower HTTP service.
///
/// With axum, add it after all routes (routes added later are not covered) and with `layer`, not `route_layer`, so
/// that unknown paths are refused too. What must answer without a token to paths that need one (a CORS layer to its
/// preflight requests) stands outside of it. Under `Router::nest` it judges the path that the nested router sees.
#[derive(Clone, Debug)]
pub struct ResourceLayer {
    server: ResourceServer,
}

impl ResourceServer {
    /// The layer for axum's `Router::layer` and other tower services.
    #[must_use]
    pub fn layer(&self) -> ResourceLayer {
        ResourceLayer {
            server: self.clone(),
        }
    }
}

impl<S> Layer<S> for ResourceLayer {
    type Service = ResourceService<S>;

    fn layer(&self, inner: S) -> ResourceService<S> {
        ResourceService {
            inner,
            server: self.server.clone(),
        }
    }
}

/// The service that [`ResourceLayer`] makes.
#[derive(Clone, Debug)]
pub struct ResourceService<S> {
    inner: S,
    server: ResourceServer,
}

/// The body of a response: the handler's, polled in the caller's identity context, or ours.
pub type ResourceBody<B> = Either<ContextBody<B>, Full<Bytes>>;

/// The future of [`ResourceService`].
pub type ResourceFuture<B, E> =
    Pin<Box<dyn Future<Output = Result<Response<ResourceBody<B>>, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ResourceService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    ReqBody: Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ResourceBody<ResBody>>;
    type Error = S::Error;
    type Future = ResourceFuture<ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The instance that was polled ready is the one that must be called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let server = self.server.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            // Whatever an outer layer put there, only what this layer verifies counts from here on.
            parts.extensions.remove::<SecurityContext>();
            let judge = server.judge();
            identity_headers::strip(&mut parts.headers, &judge.headers);
            let context = match judge.judge(&parts).await {
                Verdict::Respond(response) => {
                    return Ok(response.map(|body| Either::Right(Full::new(body))));
                }
                Verdict::Pass(context) => context,
            };
            parts.extensions.insert(judge.challenger.clone());
            if let Some(context) = &context {
                if judge.writes_identity_headers {
                    identity_headers::write(&mut parts.headers, context);
                }
                parts.extensions.insert(context.clone());
            }
            // Without identity the scope is entered too: it hides one that an outer scope may have.
            let future = scope(
                context.clone(),
                inner.call(Request::from_parts(parts, body)),
            );
            let response = future.await?;
            Ok(response.map(|body| Either::Left(body_scope(context, body))))
        })
    }
}
