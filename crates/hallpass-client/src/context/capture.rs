//! From the task-local into the request: the one step that has to run in the caller's task.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::task_local::current;

/// Copies the [`current`] identity into the request's extensions, as a
/// [`SecurityContext`](hallpass_token::SecurityContext); one that is there already stays. For code that makes requests
/// without a stack of tower's; see [`CaptureContextLayer`].
pub fn capture<B>(request: &mut Request<B>) {
    let extensions = request.extensions_mut();
    if extensions
        .get::<hallpass_token::SecurityContext>()
        .is_none()
        && let Some(context) = current()
    {
        extensions.insert(context);
    }
}

/// Copies the [`current`] identity into the request's extensions, as a
/// [`SecurityContext`](hallpass_token::SecurityContext).
///
/// It reads the task-local inside `Service::call`, so it must stand above every layer that moves a call
/// to another task (tower `Buffer`, breakers with an executor, hedging). An identity that is in the
/// extensions already was put there by the caller on purpose and stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct CaptureContextLayer {}

impl CaptureContextLayer {
    /// The layer; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl<S> Layer<S> for CaptureContextLayer {
    type Service = CaptureContext<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CaptureContext { inner }
    }
}

/// The service of [`CaptureContextLayer`].
#[derive(Clone, Debug)]
pub struct CaptureContext<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CaptureContext<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        capture(&mut request);
        self.inner.call(request)
    }
}
