//! One request over the pools of hyper-util: by HTTP/2, or on a connection that becomes something else.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::uri::Authority;
use http::{Request, Response};
use hyper_util::client::legacy::ResponseFuture;

use super::error::TransportError;
use super::http2::Http2;
use super::keep_alive::AnnouncedLimits;
use super::pools::ByVersion;
use super::silence::Watch;
use crate::body::Body;

/// The response of one request, up to and including its headers.
#[derive(Debug)]
pub(super) struct PooledCall {
    response: ResponseFuture,
    server: Option<Authority>,
    limits: AnnouncedLimits,
    /// Until there is a response.
    watch: Option<Watch>,
}

impl PooledCall {
    pub(super) fn new(
        pools: &ByVersion,
        mut request: Request<Body>,
        http2: Http2,
        limits: &AnnouncedLimits,
    ) -> Self {
        let server = request.uri().authority().cloned();
        let limit = server.as_ref().and_then(|server| limits.of(server));
        let watch = Watch::over(&mut request, http2);
        Self {
            response: pools.fitting(http2, limit).request(request),
            server,
            limits: limits.clone(),
            watch,
        }
    }
}

impl Drop for PooledCall {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.given_up();
        }
    }
}

impl Future for PooledCall {
    type Output = Result<Response<Body>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.response).poll(context);
        if let (Poll::Pending, Some(watch)) = (&polled, &mut this.watch) {
            watch.waits();
        }
        let response = ready!(polled);
        this.watch = None;
        Poll::Ready(match response {
            Ok(response) => {
                if let Some(server) = &this.server {
                    this.limits.note(server, response.headers());
                }
                Ok(response.map(Body::from))
            }
            Err(error) => Err(TransportError::from_client(error)),
        })
    }
}
