//! The attempts for one request: another one where that may help and can do no harm.

use std::time::Duration;

use hallpass_client::rejects_bearer_token;
use hallpass_upstream::{
    AttemptMade, Body, Instance, NextStep, Outcome as _, RetryAdvice, SpareRequest, next_step,
    random_fraction,
};
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};

use super::attempt::{Answered, Attempts, Renewal, Tried};
use super::upload::Upload;
use super::upstream_error::UpstreamError;

/// Longest body that is kept to be sent again, in bytes, of a request that may be made twice.
pub(crate) const REPLAY_BODY_BYTES: u64 = 64 * 1024;
/// How long a request pauses, on average, before it looks again whether the only instance of a service has started.
const RESTART_PAUSE: Duration = Duration::from_millis(50);
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Whether making a request twice does no harm: by its method (RFC 9110 section 9.2.2), or by its key.
pub(crate) fn is_idempotent<B>(request: &Request<B>) -> bool {
    let method = request.method();
    method.is_idempotent() && method != Method::TRACE
        || request.headers().contains_key(IDEMPOTENCY_KEY)
}

impl Attempts<'_> {
    /// Sends a request, without its body if that comes as it is sent, until a response stands. It is taken out of its place: so it is not moved from
    /// step to step.
    ///
    /// # Errors
    /// That of the last attempt.
    pub(crate) async fn send(
        &self,
        request: &mut Request<Body>,
        is_idempotent: bool,
    ) -> Result<Answered, UpstreamError> {
        self.route.service.upstream.retry_budget().deposit();
        let spare = self.spare(request, 1);
        self.add_body(request);
        let tried = self.attempt(request, &[]).await;
        match spare {
            // The usual end. The rest in a box, so that a request that is sent once is no larger for it.
            Some(spare) if advice(&tried) != RetryAdvice::Stands => {
                Box::pin(self.further(spare, tried, is_idempotent)).await
            }
            _ => tried.result,
        }
    }

    async fn further(
        &self,
        spare: SpareRequest,
        first: Tried,
        is_idempotent: bool,
    ) -> Result<Answered, UpstreamError> {
        let service = &self.route.service;
        let (mut number, mut spare, mut tried) = (1, Some(spare), first);
        let mut is_renewed = false;
        let mut instances: Vec<Instance> = tried.instance.take().into_iter().collect();
        while let Some(next) = spare.take() {
            if advice(&tried) == RetryAdvice::Stands || !self.can_send_again() {
                break;
            }
            if let (Err(error), [only]) = (&tried.result, instances.as_slice())
                && self.may_be_starting(error, only)
            {
                tokio::time::sleep(RESTART_PAUSE.mul_f64(0.5 + random_fraction())).await;
                if !service.looks.may_look() {
                    spare = Some(next);
                    continue;
                }
                // Neither their number nor the budget knows of it.
                service.counters.retries.inc();
                (tried, spare) = self.once_more(next.into_request(), number, &[]).await;
                service.looks.found(!is_refused(&tried));
                continue;
            }
            if let Some(renewal) = self.renewal.as_ref().filter(|_| !is_renewed)
                && is_rejected(&tried)
            {
                is_renewed = true;
                let Renewal { caller, generation } = renewal;
                let Some(token) = self.route.token.renew(*generation, *caller).await else {
                    break;
                };
                let mut request = next.into_request();
                let headers = request.headers_mut();
                headers.insert(AUTHORIZATION, token.authorization().clone());
                (tried, spare) = self.once_more(request, number, &[]).await;
                continue;
            }
            let made = AttemptMade {
                number,
                idempotent: is_idempotent,
                elsewhere: service.upstream.others_than(&instances) > 0,
            };
            let (settings, budget) = (&self.route.settings.retry, service.upstream.retry_budget());
            let step = match &tried.result {
                Ok((response, _)) => next_step(response, made, self.left(), settings, budget),
                Err(error) => next_step(error, made, self.left(), settings, budget),
            };
            match step {
                NextStep::Stand | NextStep::BudgetExhausted => break,
                // Even a timer of nothing waits for the next millisecond.
                NextStep::RetryAfter(Duration::ZERO) => {}
                NextStep::RetryAfter(wait) => tokio::time::sleep(wait).await,
            }
            service.counters.retries.inc();
            number += 1;
            let request = next.into_request();
            (tried, spare) = self.once_more(request, number, &instances).await;
            // Once each: whether there is an only one, which may be starting, is asked of this list.
            let instance = tried.instance.take();
            instances.extend(instance.filter(|it| !instances.contains(it)));
        }
        tried.result
    }

    async fn once_more(
        &self,
        mut request: Request<Body>,
        number: u32,
        avoid: &[Instance],
    ) -> (Tried, Option<SpareRequest>) {
        let spare = self.spare(&request, number);
        self.add_body(&mut request);
        (self.attempt(&mut request, avoid).await, spare)
    }

    /// What a further attempt is made of; `None` after the last one.
    fn spare(&self, request: &Request<Body>, number: u32) -> Option<SpareRequest> {
        let is_last = number >= self.route.settings.retry.max_attempts;
        if is_last {
            return None;
        }
        SpareRequest::of(request)
    }

    /// Whether all of the body can be sent once more.
    fn can_send_again(&self) -> bool {
        self.upload.is_none_or(Upload::is_unread)
    }

    fn add_body(&self, request: &mut Request<Body>) {
        if let Some(upload) = self.upload {
            *request.body_mut() = upload.body();
        }
    }
}

/// Whether the upstream says that the token of the request is invalid: once more with another one is no harm, since it has done nothing.
fn is_rejected(tried: &Tried) -> bool {
    let said = |response: &Response<Body>| {
        response.status() == StatusCode::UNAUTHORIZED && rejects_bearer_token(response.headers())
    };
    tried
        .result
        .as_ref()
        .is_ok_and(|(response, _)| said(response))
}

/// Whether nobody was there.
fn is_refused(tried: &Tried) -> bool {
    advice(tried) == RetryAdvice::Unsent
}

fn advice(tried: &Tried) -> RetryAdvice {
    match &tried.result {
        Ok((response, _)) => response.retry_advice(),
        Err(error) => error.retry_advice(),
    }
}
