//! The decision: the resource server's, then the token for the upstream.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hallpass_client::AuthTokenService;
use hallpass_clock::Clock;
use hallpass_resource::{Authorized, EncodedCharacters, ResourceServer, identity_header_value};
use hallpass_token::SecurityContext;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use tokio::task::JoinHandle;

use super::allowed::{Allowed, Authorization, CLIENT_ID, is_other_spelling};
use super::metrics::{self, AuthzMetrics};
use super::plan::Plan;
use super::question::{Fault, Original};
use super::tenant::JudgedTenant;
use crate::problem::problem;
use crate::readiness::{Readiness, load_keys};
use crate::said::Said;
use crate::settings::AuthzSettings;
use crate::upstream_token::{Bears, UpstreamToken};

/// When to ask again after something was not there in time, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What every question needs.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) resource: ResourceServer,
    pub(crate) tokens: AuthTokenService,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) plan: ArcSwap<Plan>,
    pub(crate) metrics: AuthzMetrics,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) said: Said,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It may pass, with these changes.
    Allowed(Allowed),
    /// It may not; this is the response to its sender.
    Refused(Response<Bytes>),
    /// It may not, since the question says too little or too much; this is for who looks after the proxy.
    NotUnderstood(Response<Bytes>),
}

/// A decision, as it is counted; or why there can be none.
type Decided = Result<(metrics::Result, Decision), Fault>;

impl Core {
    /// Decides about a question of `protocol`, and counts it.
    pub(crate) async fn decide(
        &self,
        protocol: &'static str,
        question: Result<Original, Fault>,
    ) -> Decision {
        let begun = self.clock.monotonic();
        let decided = match question {
            Ok(original) => self.judge(original).await,
            Err(fault) => Err(fault),
        };
        let (result, decision) = decided.unwrap_or_else(|fault| {
            self.metrics.fault(protocol, fault.code());
            tracing::info!(
                protocol,
                fault = fault.code(),
                about = fault.subject(),
                "a question could not be understood; the request was refused"
            );
            let refusal = problem(
                StatusCode::BAD_REQUEST,
                "invalid_question",
                "The request could not be understood.",
            );
            (
                metrics::Result::NotUnderstood,
                Decision::NotUnderstood(refusal),
            )
        });
        let took = self.clock.monotonic().saturating_sub(begun);
        self.metrics.answered(protocol, result, took.as_secs_f64());
        decision
    }

    async fn judge(&self, original: Original) -> Decided {
        let plan = self.plan.load_full();
        let can_remove = original.can_remove;
        let parts = original.into_parts();
        let deciding = self.judge_by(&plan, &parts, can_remove);
        // It holds nothing that another request waits for: dropped, it leaves fetches of keys and tokens to their tasks.
        match tokio::time::timeout(plan.decision_timeout, deciding).await {
            Ok(decision) => decision,
            Err(_elapsed) => {
                let limit = u64::try_from(plan.decision_timeout.as_millis()).unwrap_or(u64::MAX);
                if let Some(times) = self.said.times("decision") {
                    tracing::warn!(
                        limit_ms = limit,
                        times,
                        "a decision took longer than allowed; the request was refused"
                    );
                }
                Ok((
                    metrics::Result::Unavailable,
                    Decision::Refused(unavailable()),
                ))
            }
        }
    }

    async fn judge_by(&self, plan: &Plan, parts: &Parts, can_remove: bool) -> Decided {
        let authorized = match self.resource.authorize(parts).await {
            Ok(authorized) => authorized,
            Err(refused) => {
                let response = refused.into_response();
                let result = match response.status() {
                    StatusCode::SERVICE_UNAVAILABLE => metrics::Result::Unavailable,
                    _ => metrics::Result::Refused,
                };
                return Ok((result, Decision::Refused(response)));
            }
        };
        let tenant = JudgedTenant::of(&authorized, &parts.headers);
        let is_spelled = tenant
            .as_ref()
            .is_some_and(JudgedTenant::is_spelled_otherwise);
        if is_spelled && !can_remove {
            // It would stay the caller's.
            return Err(Fault::Conflicting("tenant header"));
        }
        let context = authorized.context();
        let authorization = match self.token(plan.token_for(parts), context).await {
            Ok(authorization) => authorization,
            Err(()) => {
                return Ok((
                    metrics::Result::Unavailable,
                    Decision::Refused(unavailable()),
                ));
            }
        };
        let mut for_caller = HeaderMap::new();
        authorized.complete(&mut for_caller);
        let allowed = Allowed {
            identity: identity(&authorized, plan.sets_identity_headers),
            spelled: parts
                .headers
                .keys()
                .filter(|name| is_other_spelling(name.as_str()))
                .cloned()
                .collect(),
            tenant,
            authorization,
            came: parts
                .headers
                .get_all(AUTHORIZATION)
                .iter()
                .cloned()
                .collect(),
            for_caller,
        };
        Ok((metrics::Result::Allowed, Decision::Allowed(allowed)))
    }

    /// What the upstream gets; `Err` when there is no token that it should get. Why stands in the log.
    async fn token(
        &self,
        wanted: UpstreamToken,
        context: Option<&SecurityContext>,
    ) -> Result<Authorization, ()> {
        let identity = wanted.identity();
        match wanted.get(context).await {
            Ok(Bears::AsItCame) => Ok(Authorization::AsItCame),
            Ok(Bears::Nothing) => Ok(Authorization::None),
            Ok(Bears::Token(token)) => {
                self.metrics.token(identity, "ok");
                Ok(Authorization::Token(token.authorization().clone()))
            }
            Err(why) => {
                self.metrics.token(identity, why.as_str());
                why.say(identity, &self.said);
                Err(())
            }
        }
    }

    /// Fetches the keys of all issuers, for readiness.
    pub(crate) fn fetch_keys(&self) -> JoinHandle<()> {
        let readiness = Arc::clone(&self.readiness);
        tokio::spawn(load_keys(vec![self.resource.clone()], readiness))
    }

    pub(crate) fn apply(&self, settings: &AuthzSettings, encoded: EncodedCharacters) {
        self.plan
            .store(Arc::new(Plan::new(settings, &self.tokens, encoded)));
    }
}

/// Each identity header with its value, or to be removed.
fn identity(authorized: &Authorized, is_set: bool) -> Vec<(http::HeaderName, Option<HeaderValue>)> {
    let mut headers = authorized.identity_headers();
    if headers.is_empty() {
        return headers;
    }
    let client = authorized.context().and_then(SecurityContext::client_id);
    let client = client.and_then(|id| identity_header_value(id.as_str()));
    headers.push((CLIENT_ID, client));
    if !is_set {
        for (_, value) in &mut headers {
            *value = None;
        }
    }
    headers
}

/// It is a matter of time.
fn unavailable() -> Response<Bytes> {
    let mut response = problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "Something that the decision needs is not available.",
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}
