//! A token leaves only for the service it was made for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hallpass_upstream::{Target, find_header};
use http::Request;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{CallError, HostRefusal};
use crate::metrics::ClientMetrics;

pub(crate) mod metrics;

use metrics::HostGuardMetrics;

/// Stops requests that are about to leave for another host than the one chosen for them: an absolute URL
/// or a `Host` header slipped in by a parameter, a layer that rewrites the URI, a client of another
/// service. It stands below the bearer layer, as the last step before the transport.
///
/// A request without [`Target`] passes only when it carries no `Authorization`.
///
/// ```
/// use hallpass_client::{CallError, HostGuardLayer, HostRefusal};
/// use http::{Request, Response};
/// use hallpass_upstream::TransportError;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = service_fn(|_: Request<()>| async { Ok::<_, TransportError>(Response::new(())) });
/// let guarded = HostGuardLayer::new("order-service").layer(transport);
///
/// // Nobody has chosen an instance of `order-service` for this request, and it carries a token.
/// let request = Request::get("http://elsewhere.example/").header("authorization", "Bearer t").body(())?;
/// let refused = guarded.oneshot(request).await.unwrap_err();
/// assert_eq!(refused, CallError::HostRefused(HostRefusal::NoTarget));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HostGuardLayer {
    service: Arc<str>,
    metrics: HostGuardMetrics,
}

impl HostGuardLayer {
    /// A guard for calls to `service`.
    pub fn new(service: impl Into<Arc<str>>) -> Self {
        Self {
            service: service.into(),
            metrics: HostGuardMetrics::default(),
        }
    }

    /// Counts refusals in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &ClientMetrics) -> Self {
        self.metrics = metrics.host_guard.clone();
        self
    }
}

impl fmt::Debug for HostGuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostGuardLayer")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HostGuardLayer {
    type Service = HostGuard<S>;

    fn layer(&self, inner: S) -> HostGuard<S> {
        HostGuard {
            inner,
            guard: self.clone(),
        }
    }
}

/// The service of [`HostGuardLayer`].
#[derive(Clone, Debug)]
pub struct HostGuard<S> {
    inner: S,
    guard: HostGuardLayer,
}

impl<S> HostGuard<S> {
    fn check<B>(&self, request: &Request<B>) -> Result<(), HostRefusal> {
        match request.extensions().get::<Target>() {
            Some(target) => check_target(target, &self.guard.service, request),
            None if request.headers().contains_key(AUTHORIZATION) => Err(HostRefusal::NoTarget),
            None => Ok(()),
        }
    }
}

impl<S, B> Service<Request<B>> for HostGuard<S>
where
    S: Service<Request<B>>,
    S::Error: Into<CallError>,
{
    type Response = S::Response;
    type Error = CallError;
    type Future = HostGuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.check(&request) {
            Ok(()) => HostGuardFuture::Calling {
                future: self.inner.call(request),
            },
            Err(refusal) => {
                self.guard.metrics.refused(&self.guard.service);
                tracing::error!(service = %self.guard.service, %refusal, "an outgoing call was stopped");
                HostGuardFuture::Refused { refusal }
            }
        }
    }
}

pin_project! {
    /// The response of [`HostGuard`].
    #[project = HostGuardProjection]
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub enum HostGuardFuture<F> {
        #[doc(hidden)]
        Calling {
            #[pin]
            future: F,
        },
        #[doc(hidden)]
        Refused {
            refusal: HostRefusal,
        },
    }
}

impl<F, T, E> Future for HostGuardFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<CallError>,
{
    type Output = Result<T, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            HostGuardProjection::Calling { future } => {
                Poll::Ready(ready!(future.poll(cx)).map_err(Into::into))
            }
            HostGuardProjection::Refused { refusal } => {
                Poll::Ready(Err(CallError::HostRefused(*refusal)))
            }
        }
    }
}

/// Nearly always they share their text, and then it is not read.
fn are_same(one: &Authority, other: &Authority) -> bool {
    std::ptr::eq(one.as_str(), other.as_str()) || one == other
}

fn check_target<B>(
    target: &Target,
    service: &str,
    request: &Request<B>,
) -> Result<(), HostRefusal> {
    if target.service() != service {
        return Err(HostRefusal::OtherService);
    }
    let (uri, instance) = (request.uri(), target.instance());
    let authority = uri.authority();
    let is_same = authority.is_some_and(|authority| are_same(authority, instance.authority()));
    if uri.scheme() != Some(instance.scheme()) || !is_same {
        return Err(HostRefusal::OtherAuthority);
    }
    if find_header(request.headers(), &HOST).is_none() {
        return Ok(());
    }
    let host = instance.authority().as_str().as_bytes();
    let same_host = request
        .headers()
        .get_all(HOST)
        .iter()
        .all(|value| value.as_bytes() == host);
    if same_host {
        Ok(())
    } else {
        Err(HostRefusal::OtherHostHeader)
    }
}
