//! A network that a test makes up.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};

use super::error::TransportError;
use crate::body::Body;

type Responding = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

/// Whoever responds in place of all servers.
#[derive(Clone)]
pub(super) struct Simulated(Arc<dyn Fn(Request<Body>) -> Responding + Send + Sync>);

/// A request under way there.
pub(super) struct Call(Responding);

impl Simulated {
    pub(super) fn new<F>(respond: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<Body>, TransportError>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(respond(request))))
    }

    pub(super) fn call(&self, request: Request<Body>) -> Call {
        Call((self.0)(request))
    }
}

impl Future for Call {
    type Output = Result<Response<Body>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
