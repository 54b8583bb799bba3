//! Chooses the instance of each attempt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hallpass_upstream::{Body, Target};
use http::{Request, Response};
use tower::Service;

use crate::answer::Received;
use crate::error::FeignError;
use crate::facts::Facts;
use crate::service::{self, Chosen};

/// A request that has an instance, and the right to be sent to it.
#[derive(Debug)]
pub(crate) struct Directed {
    pub(crate) request: Request<Body>,
    pub(crate) chosen: Chosen,
}

/// Points each attempt at an instance of the service; see [`service::Service::choose`].
#[derive(Clone, Debug)]
pub(crate) struct Choice<S> {
    inner: S,
    rules: ChoiceRules,
}

#[derive(Clone, Debug)]
struct ChoiceRules {
    service: Arc<service::Service>,
    facts: Arc<Facts>,
}

impl<S> Choice<S> {
    pub(crate) fn new(inner: S, service: &Arc<service::Service>, facts: &Arc<Facts>) -> Self {
        let rules = ChoiceRules {
            service: Arc::clone(service),
            facts: Arc::clone(facts),
        };
        Self { inner, rules }
    }
}

impl<S> Service<Request<Body>> for Choice<S>
where
    S: Service<Directed, Response = Response<Received>, Error = FeignError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Received>;
    type Error = FeignError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Received>, FeignError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FeignError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let rules = self.rules.clone();
        Box::pin(async move {
            let directed = rules.direct(request).await?;
            ready.call(directed).await
        })
    }
}

impl ChoiceRules {
    async fn direct(&self, mut request: Request<Body>) -> Result<Directed, FeignError> {
        // The instance of the failed attempt, when this is a retry.
        let avoid = self.facts.progress().instance;
        let chosen = self.service.choose(avoid.as_ref()).await?;
        let instance = chosen.instance.instance.clone();
        self.facts.begin_attempt(&instance);
        // A path that the builder of the request let through stands in a URI, so this does not fail.
        Target::new(Arc::clone(self.service.name()), instance)
            .apply_to(&mut request)
            .map_err(|_| FeignError::Interrupted)?;
        Ok(Directed { request, chosen })
    }
}
