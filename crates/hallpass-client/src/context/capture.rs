//! From the task-local into the request: the one step that has to run in the caller's task.

use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::call_context::CallContext;

/// Copies the current [`CallContext`] into the request's extensions, and its identity as a
/// [`SecurityContext`](hallpass_token::SecurityContext), which is what the layers below read. An identity that is there already stays, and
/// then nothing of another user comes beside it. For code that makes requests without a stack of tower's; see [`CaptureContextLayer`].
pub fn capture<B>(request: &mut Request<B>) {
    let extensions = request.extensions_mut();
    let context = CallContext::of(extensions);
    context.identify(extensions);
    if !context.is_empty() {
        extensions.insert(context);
    }
}

impl CallContext {
    /// That of a request: what was captured into its extensions, else what is current. When the extensions name another
    /// identity than that, the identity counts, with what is of the work beside it and nothing of another user.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        let captured = extensions.get::<Self>();
        let context = captured.map_or_else(Self::current, Clone::clone);
        match (extensions.get::<SecurityContext>(), context.identity()) {
            (Some(named), Some(found)) if named.is_same(found) => context,
            (Some(named), _) => context.for_another(named.clone()),
            (None, _) => context,
        }
    }

    /// Puts the identity into the extensions of a request, where layers below look for it.
    pub fn identify(&self, extensions: &mut Extensions) {
        if let Some(identity) = &self.identity {
            extensions.insert(identity.clone());
        }
    }
}

/// Copies the current [`CallContext`] into the request's extensions, and its identity as a
/// [`SecurityContext`](hallpass_token::SecurityContext): see [`capture`].
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
