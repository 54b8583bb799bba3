//! The tower layer: no call reaches the service behind it unjudged.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_client::context::{
    CallContext, ContextBody, body_scope_all, scope_all, sync_scope_all,
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::request_span::{RequestSpan, refused_span};
use crate::server::ResourceServer;
use crate::stream_end::{EndingBody, StreamUpgrade, TokenEnd};

/// Puts a [`ResourceServer`] in front of a service: axum's `Router::layer`, or any tower HTTP service.
///
/// With axum, add it after all routes (routes added later are not covered) and with `layer`, not `route_layer`, so
/// that unknown paths are refused too. What must answer without a token to paths that need one (a CORS layer to its
/// preflight requests) stands outside of it.
///
/// Rules are for the whole path that the caller wrote, wherever the layer stands: below axum's `nest` and `nest_service`,
/// which take their prefix away, it judges the path with the prefix (axum's `OriginalUri`, which the outermost router sets;
/// no caller can). A rule that fits a request only without the prefix opens nothing, closes nevertheless, and is named in
/// the log. A request whose path was rewritten between the router and this layer has no single meaning and is refused:
/// rewrite outside of the router.
///
/// What streams for longer than the token of its request is ended ([`EndingBody`]): the body of every response, and that of a request which is
/// axum's `Body`. A body of another type cannot be replaced by one that ends; who reads such a one puts an [`EndingBody`] around it.
/// A connection that was upgraded (a WebSocket) is ended where `hallpass-listen` serves it; under another server its handler does that by
/// [`TokenEnd`].
///
/// A caller that says for how long it waits (`x-request-timeout-ms`, `grpc-timeout`) is not worked for any longer: the handler is dropped
/// then, and the response is 504 `deadline_exceeded`. A response whose head was there in time may take longer with its body.
///
/// A request passes one such layer: a proof of possession (DPoP) counts once, so a second layer would refuse it.
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

/// The body of a response: the handler's, polled in the caller's identity context until its token ends, or ours.
pub type ResourceBody<B> = Either<EndingBody<ContextBody<B>>, Full<Bytes>>;

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
        // To be ready is nobody's request, so it happens in nobody's name.
        sync_scope_all(CallContext::default(), || self.inner.poll_ready(cx))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The instance that was polled ready is the one that must be called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let server = self.server.clone();
        Box::pin(async move {
            let arrived = Instant::now();
            let (mut parts, body) = request.into_parts();
            let authorized = match server.authorize(&parts).await {
                Ok(authorized) => authorized,
                Err(mut refused) => {
                    let trace = refused.trace.take();
                    let response = refused.into_response_to(&parts);
                    refused_span(&parts, trace.as_ref(), response.status());
                    return Ok(response.map(|body| Either::Right(Full::new(body))));
                }
            };
            authorized.admit(&mut parts);
            let deadline = Deadline::of(&authorized, &parts, arrived);
            let mut span = RequestSpan::of(&parts, &authorized);
            let upgrade = StreamUpgrade::asked_for(&parts);
            // What is upgraded goes on for as long as both sides like.
            let until = deadline.at().filter(|_| upgrade.is_none());
            let context = authorized.call_context().clone().with_deadline(until);
            let end = authorized.token_end();
            let request = Request::from_parts(parts, ending(body, end));
            // Entered before the service is called, which may look at the identity at once. Without identity the scope
            // is entered too: it hides one that an outer scope may have.
            let call = async move { inner.call(request).await };
            let called = scope_all(context.clone(), call).instrument(span.span());
            let Ok(response) = deadline.within(called).await else {
                let late = deadline.response(&authorized);
                span.ended(late.status());
                return Ok(late.map(|body| Either::Right(Full::new(body))));
            };
            let mut response = response.inspect_err(|_| span.failed())?;
            span.ended(response.status());
            if let Some(refused) = authorized.cut_off(response.status()) {
                return Ok(refused.map(|body| Either::Right(Full::new(body))));
            }
            if let Some(upgrade) = upgrade {
                upgrade.ends_with(end, response.status());
            }
            authorized.complete(response.headers_mut());
            let end = end.clone();
            // What a body that streams does takes as long as that.
            let context = context.with_deadline(None);
            Ok(response
                .map(|body| Either::Left(EndingBody::new(body_scope_all(context, body), end))))
        })
    }
}

/// `body`, until `end`, where that can be had: the service behind takes bodies of this one type.
fn ending<B: 'static>(mut body: B, end: &TokenEnd) -> B {
    if end.is_watched()
        && let Some(place) = (&mut body as &mut dyn Any).downcast_mut::<axum::body::Body>()
    {
        let whole = std::mem::take(place);
        *place = axum::body::Body::new(EndingBody::of_request(whole, end.clone()));
    }
    body
}
