//! Sends a call again when that may help and can do no harm.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{
    AttemptMade, Body, NextStep, Outcome, RetryAdvice, RetrySettings, SpareRequest, Upstream,
    next_step,
};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::{CallResult, Layer};
use crate::headers::{self, Header};
use crate::ongoing_call::OngoingCall;
use crate::spec::MethodSpec;

/// Makes the attempts of a call.
#[derive(Clone, Debug)]
pub(crate) struct Retry<L> {
    inner: L,
    rules: RetryRules,
}

/// What the retries of a method go by.
#[derive(Clone, Debug)]
pub(crate) struct RetryRules {
    /// Name of the client, for the metrics.
    pub(crate) client: &'static str,
    /// Whose budget they use.
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) settings: RetrySettings,
    pub(crate) metrics: RetryMetrics,
    /// What the calls of the method begin with.
    pub(crate) constants: Arc<[Header]>,
    /// Their verb, where what each of them begins with is the same each time.
    pub(crate) constant: Option<Method>,
}

/// The request of a further attempt, which nearly no call makes.
enum Spare {
    /// Of a call that has nothing of its own but where it goes.
    Usual {
        path: PathAndQuery,
        accept: &'static str,
    },
    /// In a box, so that the others are small.
    Whole(Box<SpareRequest>),
}

impl<L> Retry<L> {
    pub(crate) fn new(inner: L, rules: RetryRules) -> Self {
        Self { inner, rules }
    }
}

impl<L: Layer> Layer for Retry<L> {
    async fn send(&self, call: &OngoingCall, request: &mut Request<Body>) -> CallResult {
        self.rules.upstream.retry_budget().deposit();
        let copy = self.rules.first_copy(call, request);
        let result = pin!(self.inner.send(call, request)).await;
        match copy {
            // What stands whatever the settings say is what nearly every call ends with. The rest in a box, so that a call that is made
            // once is no larger for it.
            Some(copy) if result.retry_advice() != RetryAdvice::Stands => {
                Box::pin(self.further(call, request, (copy, result))).await
            }
            _ => result,
        }
    }
}

impl<L: Layer> Retry<L> {
    /// The attempts after the first one.
    async fn further(
        &self,
        call: &OngoingCall,
        request: &mut Request<Body>,
        (copy, mut result): (Spare, CallResult),
    ) -> CallResult {
        let rules = &self.rules;
        let mut attempt = 1;
        let mut copy = Some(copy);
        while let Some(next) = copy.take() {
            // The usual case looks for nobody else.
            if result.retry_advice() == RetryAdvice::Stands {
                return result;
            }
            let left = call.time.deadline.saturating_duration_since(Instant::now());
            let budget = rules.upstream.retry_budget();
            let made = AttemptMade {
                number: attempt,
                idempotent: call.idempotent,
                elsewhere: rules.upstream.others_than(&call.tried()) > 0,
            };
            match next_step(&result, made, left, &rules.settings, budget) {
                NextStep::Stand => return result,
                NextStep::BudgetExhausted => {
                    rules.metrics.budget_exhausted(rules.client);
                    return result;
                }
                // Even a timer of nothing waits for the next millisecond.
                NextStep::RetryAfter(Duration::ZERO) => {}
                NextStep::RetryAfter(wait) => tokio::time::sleep(wait).await,
            }
            rules.metrics.retry(rules.client);
            attempt += 1;
            *request = next.into_request(rules);
            copy = rules.copy(request, attempt);
            result = self.inner.send(call, request).await;
        }
        result
    }
}

impl RetryRules {
    /// The request for a further attempt; `None` after the last one and for bodies that are streams.
    fn copy(&self, request: &Request<Body>, attempt: u32) -> Option<Spare> {
        let wanted = attempt < self.settings.max_attempts;
        let spare = wanted.then(|| SpareRequest::of(request)).flatten()?;
        Some(Spare::Whole(Box::new(spare)))
    }

    /// The same before the first attempt.
    fn first_copy(&self, call: &OngoingCall, request: &Request<Body>) -> Option<Spare> {
        match call.usual {
            // A caller is in the extensions, or what else is of this call alone.
            Some(accept) if self.constant.is_some() && request.extensions().is_empty() => {
                let path = request.uri().path_and_query();
                let path = path.filter(|_| self.settings.max_attempts > 1)?.clone();
                Some(Spare::Usual { path, accept })
            }
            _ => self.copy(request, 1),
        }
    }

    /// The same for the calls of one method.
    pub(crate) fn for_method(&self, method: &MethodSpec, constants: &Arc<[Header]>) -> Self {
        Self {
            constants: Arc::clone(constants),
            constant: (!method.idempotency_key).then(|| method.verb.method()),
            ..self.clone()
        }
    }
}

impl Spare {
    fn into_request(self, rules: &RetryRules) -> Request<Body> {
        match self {
            Self::Whole(spare) => spare.into_request(),
            Self::Usual { path, accept } => {
                let mut request = Request::new(Body::empty());
                *request.method_mut() = rules.constant.clone().unwrap_or_default();
                *request.uri_mut() = Uri::from(path);
                *request.headers_mut() = headers::begun(&rules.constants);
                headers::accept(request.headers_mut(), accept);
                request
            }
        }
    }
}

/// Further attempts, and those that the budget did not allow. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryMetrics {
    retries: Family<ClientLabels, Counter>,
    budget_exhausted: Family<ClientLabels, Counter>,
    attempt_timeouts: Family<ClientLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: &'static str,
}

impl RetryMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_feign_retries",
            "Attempts beyond the first of a call",
            it.retries,
        );
        registry.register(
            "hallpass_feign_retry_budget_exhausted",
            "Retries that were not made because the service's budget was used up",
            it.budget_exhausted,
        );
        registry.register(
            "hallpass_feign_attempt_timeouts",
            "Attempts that were given up because they took longer than an attempt may",
            it.attempt_timeouts,
        );
    }

    /// The counter of a client's attempts that took too long.
    pub(crate) fn attempt_timeouts(&self, client: &'static str) -> Counter {
        let labels = ClientLabels { client };
        self.attempt_timeouts.get_or_create_owned(&labels)
    }

    fn retry(&self, client: &'static str) {
        self.retries.get_or_create(&ClientLabels { client }).inc();
    }

    fn budget_exhausted(&self, client: &'static str) {
        self.budget_exhausted
            .get_or_create(&ClientLabels { client })
            .inc();
    }
}

#[cfg(test)]
mod tests;
