//! A transport of the caller's own below our layers.

use std::future::ready;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hallpass_client::{CallError, HostRefusal};
use hallpass_upstream::{Body, Connections, TransportError};
use http::{Request, Response};
use tokio::time::Instant;
use tower::Service;

use crate::layers::sent::CallAt;

/// Lets nothing out whose token is bound to the certificate of this service (RFC 8705 section 3): such a request names the connections that
/// show it, and nobody knows over which ones this transport sends.
#[derive(Clone, Debug)]
pub(super) struct Foreign<T>(pub(super) T);

impl<T> Service<Request<Body>> for Foreign<T>
where
    T: Service<Request<Body>, Response = Response<Body>, Error = TransportError>,
    T::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Response<Body>, CallError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.0.poll_ready(cx).map_err(CallError::Transport)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.extensions().get::<Connections>().is_some() {
            let refused = CallError::HostRefused(HostRefusal::OtherConnections);
            return Box::pin(ready(Err(refused)));
        }
        let sending = self.0.call(request);
        Box::pin(async move { sending.await.map_err(CallError::Transport) })
    }
}

/// Which has no use for it.
impl<T> CallAt for Foreign<T>
where
    Self: Service<Request<Body>>,
{
    fn call_at(&mut self, request: Request<Body>, _now: Instant) -> Self::Future {
        self.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hallpass_upstream::HttpTransport;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn what_names_its_connections_does_not_leave_by_another_transport() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let transport = Foreign(service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, TransportError>(Response::new(Body::empty())) }
        }));
        let mut bound = Request::new(Body::empty());
        let connections = HttpTransport::new().unwrap().connections();
        bound.extensions_mut().insert(connections);
        let error = transport.clone().oneshot(bound).await.unwrap_err();
        assert_eq!(error, CallError::HostRefused(HostRefusal::OtherConnections));
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        let any = transport.oneshot(Request::new(Body::empty())).await;
        assert!(any.is_ok());
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }
}
