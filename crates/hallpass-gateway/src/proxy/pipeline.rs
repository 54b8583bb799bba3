//! What happens to a request, in this order and for these reasons.
//!
//! 1. `head`: what is no request to a service never gets further.
//! 2. `hop_by_hop`: what `Connection` names goes first, so that what is judged is what is sent on.
//! 3. `forwarded`: what strangers say of proxies goes, and what is known here comes, so that nobody behind believes them. What a mesh says of its callers
//!    stays for the decision, which knows whose word about that counts, and goes then.
//! 4. the route is looked for, in the plan that the request holds to its end: it is never chosen again after a wait. What browsers ask before a page
//!    may send something (`cors`) is answered here: it has no token and goes no further.
//! 5. `rates` by address, before a signature costs anything; `authorize`: with a limit to its time; trouble of our own refuses. Before "there is no such route", which would tell strangers what there is. Then
//!    `logout`, and what is counted of callers: `caller_places` and `rates`.
//! 6. the token for the upstream: without it nothing is sent.
//! 7. `outgoing`: the headers that the upstream sees; those that name the caller come last, so that nothing later adds one.
//! 8. the attempts; before the first one no connection is opened and nothing of the body is read.
//! 9. the response is handed on as it comes, until the token ends.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hallpass_client::AuthTokenService;
use hallpass_resource::{Authorized, EncodedCharacters, ResourceServer, grpc_media_type};
use hallpass_upstream::{Body, KeyedPlace, Network};
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::attempt::Times;
use super::caller_places::TooMany;
use super::head::{self, Framing};
use super::logout::{Issuer, LoggedOut};
use super::metrics::ProxyMetrics;
use super::noted::Noted;
use super::outgoing;
use super::parts::{Came, Peer, ReplyBody};
use super::plan::{ProxyPlan, Route};
use super::rates::RateTold;
use super::reply;
use super::rescue::Trouble;
use super::seen::{self, Looked, Seen, upgrade_of};
use super::sending::Sending;
use super::upload::{self, UploadFault};
use crate::readiness::Readiness;
use crate::said::Said;
use crate::upstream_token::Bears;

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) resource: ResourceServer,
    pub(crate) tokens: AuthTokenService,
    pub(crate) network: Network,
    pub(crate) plan: arc_swap::ArcSwap<ProxyPlan>,
    pub(crate) metrics: ProxyMetrics,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) logged_out: LoggedOut,
    pub(crate) said: Said,
}

impl Proxy {
    /// Answers one request.
    pub(crate) async fn respond(
        &self,
        peer: Peer,
        request: Request<Incoming>,
    ) -> Response<ReplyBody> {
        let begun = Instant::now();
        let plan = self.plan.load_full();
        let (parts, body) = request.into_parts();
        let spoken_grpc = grpc_media_type(&parts).cloned();
        let mut came = Came {
            peer,
            parts,
            body: Some(body),
            spoken_grpc,
            begun,
            waits: false,
        };
        let mut noted = Noted::new(&plan, &came.parts, peer.address.ip());
        let result = self.forward(&plan, &mut came, &mut noted).await;
        let mut response = match result {
            Ok(response) => response,
            Err(trouble) => {
                if !trouble.is_answer() {
                    noted.refused_by = Some(trouble.by());
                    noted.counters.refused(trouble.by());
                }
                // Who waits for a word before it sends its body must not be told to send it.
                if let Some(body) = came.body.take().filter(|_| !came.waits) {
                    upload::drain(body);
                }
                let refusal = trouble.into_response(came.spoken_grpc.take());
                refusal.map(|body| Either::Right(Full::new(body)))
            }
        };
        noted.answered(&mut response, begun, &*self.network.clock);
        response
    }

    async fn forward<'p>(
        &self,
        plan: &'p ProxyPlan,
        came: &mut Came,
        noted: &mut Noted<'p>,
    ) -> Result<Response<ReplyBody>, Trouble> {
        let seen = match seen::look(plan, came, noted)? {
            Looked::Request(seen) => seen,
            Looked::Preflight(answer) => return Ok(answer.map(Either::Right)),
        };
        let authorized = self.admit(plan, came, &seen, &mut noted.rate).await?;
        noted.passes(&authorized);
        if let Some(answer) = self.logout(plan, &came.parts, &authorized).await? {
            return Ok(answer.map(Either::Right));
        }
        let Some(route) = seen.route else {
            return Err(Trouble::NoRoute);
        };
        noted.counters = &route.counters;
        let place = self.count(&seen, came, &authorized, noted).await?;
        if matches!(seen.framing, Framing::Length(length) if length > route.settings.max_body_bytes)
        {
            return Err(UploadFault::TooLarge.into());
        }
        let bears = self.token(plan, route, &authorized).await?;
        let is_upgrade = route.settings.websocket
            && head::asks_for_websocket(&came.parts, &seen.kept, seen.framing);
        let upgrade = is_upgrade.then(|| upgrade_of(&mut came.parts)).flatten();
        let times = times(&authorized, route, came);
        let mut request = Request::new(Body::empty());
        take_head(route, came, plan.encoded, &mut request)?;
        let generation = bears.generation();
        let outgoing = outgoing::Outgoing {
            route,
            names: &plan.names,
            authorized: &authorized,
            framing: seen.framing,
            is_upgrade: upgrade.is_some(),
            wants_trailers: seen.kept.wants_trailers,
            is_grpc: came.spoken_grpc.is_some(),
            times,
        };
        outgoing.dress(&mut request, bears)?;
        let sent = Sending {
            network: &self.network,
            metrics: &self.metrics,
            names: &plan.names,
            route,
            authorized: &authorized,
            times,
            framing: seen.framing,
            is_upgrade: upgrade.is_some(),
            trail: noted.trail(),
            generation,
        };
        let has_trailers = seen.kept.wants_trailers || came.spoken_grpc.is_some();
        let answered = sent.send(&mut request, came, has_trailers).await?;
        let reply = reply::Reply {
            metrics: &self.metrics,
            route,
            authorized: &authorized,
            has_trailers,
            begun: came.begun,
            place,
        };
        match upgrade.filter(|_| reply::is_switch(&answered)) {
            Some(upgrade) => Ok(reply.switch(answered, upgrade)),
            None => Ok(reply.hand_on(answered)),
        }
    }

    /// Whether a request may pass; before that costs anything, whether its address may ask.
    async fn admit(
        &self,
        plan: &ProxyPlan,
        came: &mut Came,
        seen: &Seen<'_>,
        told: &mut Option<RateTold>,
    ) -> Result<Authorized, Trouble> {
        if let Some(limited) = seen.limited() {
            let who = seen.who(limited, &came.parts, None);
            let counted = Box::pin(limited.rates.before_decision(who, self.now(), told));
            counted.await.map_err(Trouble::Rate)?;
        }
        let authorized = self.decide(plan, &came.parts).await?;
        plan.forwarded.forget_mesh(&mut came.parts.headers);
        Ok(authorized)
    }

    /// The answer to a caller whose token was taken back, or is to be.
    async fn logout(
        &self,
        plan: &ProxyPlan,
        parts: &Parts,
        authorized: &Authorized,
    ) -> Result<Option<Response<Full<Bytes>>>, Trouble> {
        let issuer = Issuer {
            tokens: &self.tokens,
            network: &self.network,
        };
        let logout = plan.logout.as_ref();
        self.logged_out
            .answer(logout, parts, authorized, issuer)
            .await
    }

    /// Whether its caller may ask so often, and a place among those of its requests that are under way. Who has none uses up no quota.
    async fn count(
        &self,
        seen: &Seen<'_>,
        came: &Came,
        authorized: &Authorized,
        noted: &mut Noted<'_>,
    ) -> Result<Option<KeyedPlace>, Trouble> {
        let Some(route) = seen.route else {
            return Ok(None);
        };
        let who = seen.who(route, &came.parts, authorized.context());
        let place = route.service.callers.enter(who);
        let place = place.map_err(|TooMany| Trouble::TooMany)?;
        if !route.rates.is_empty() {
            let told = &mut noted.rate;
            let counted = Box::pin(route.rates.after_decision(who, self.now(), told));
            counted.await.map_err(Trouble::Rate)?;
        }
        Ok(place)
    }

    fn now(&self) -> Duration {
        self.network.clock.monotonic()
    }

    /// What the resource server says of a request, in time: it holds nothing that another request waits for, so that dropping it leaves fetches of keys to
    /// their tasks.
    async fn decide(&self, plan: &ProxyPlan, parts: &Parts) -> Result<Authorized, Trouble> {
        let deciding = pin!(self.resource.authorize(parts));
        match in_time(plan.decision_timeout, deciding).await {
            Some(Ok(authorized)) => Ok(authorized),
            Some(Err(refused)) => {
                let response = refused.into_response_to(parts);
                Err(Trouble::Decided(Box::new(response)))
            }
            None => {
                let limit = u64::try_from(plan.decision_timeout.as_millis()).unwrap_or(u64::MAX);
                if let Some(times) = self.said.times("decision") {
                    tracing::warn!(
                        limit_ms = limit,
                        times,
                        "a decision took longer than allowed; the request was refused"
                    );
                }
                Err(Trouble::Undecided)
            }
        }
    }

    /// What the upstream gets in `Authorization`.
    async fn token(
        &self,
        plan: &ProxyPlan,
        route: &Route,
        authorized: &Authorized,
    ) -> Result<Bears, Trouble> {
        let identity = route.token.identity();
        // In a box, so that a request that bears its caller's own token is no larger for it.
        if let Some(bears) = route.token.at_once() {
            return Ok(bears);
        }
        let mut getting = Box::pin(route.token.get(authorized.context()));
        match in_time(plan.decision_timeout, getting.as_mut()).await {
            Some(Ok(bears)) => {
                if matches!(bears, Bears::Token(_)) {
                    self.metrics.token(identity, "ok");
                }
                Ok(bears)
            }
            Some(Err(why)) => {
                self.metrics.token(identity, why.as_str());
                why.say(identity, &self.said);
                Err(Trouble::NoToken)
            }
            None => {
                self.metrics.token(identity, "timeout");
                if let Some(times) = self.said.times("token") {
                    tracing::warn!(
                        identity,
                        times,
                        "a token for an upstream took longer than allowed; the request was refused"
                    );
                }
                Err(Trouble::NoToken)
            }
        }
    }
}

/// Makes the head that has come the one of the request that is sent. The headers are moved and not copied.
fn take_head(
    route: &Route,
    came: &mut Came,
    encoded: EncodedCharacters,
    request: &mut Request<Body>,
) -> Result<(), Trouble> {
    *request.method_mut() = std::mem::take(&mut came.parts.method);
    *request.headers_mut() = std::mem::take(&mut came.parts.headers);
    if route.settings.preserves_host
        && let Some(authority) = came.parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // HTTP/2 names it there alone.
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = route.path_for(&came.parts.uri, encoded)?.into();
    Ok(())
}

/// By when there has to be a response.
fn times(authorized: &Authorized, route: &Route, came: &Came) -> Times {
    let total = route
        .settings
        .timeouts
        .total
        .map(|total| came.begun + total);
    let callers = authorized.time_left(&came.parts.headers);
    let callers = callers.map(|left| came.begun + left);
    let end = [total, callers].into_iter().flatten().min();
    Times {
        end,
        is_callers: end.is_some() && end != total,
    }
}

/// `None` when `work` takes longer than `limit`. The usual answer is there at once, and no timer is set for it.
async fn in_time<F: Future>(limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    let at_once = poll_fn(|context| {
        Poll::Ready(match work.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    });
    match at_once.await {
        Some(output) => Some(output),
        None => Box::pin(timeout(limit, work)).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<'a, F: Future>(
        _answers: impl FnOnce(&'a Proxy, Peer, Request<Incoming>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_a_request_needs_is_small_enough_to_be_put_into_one_box() {
        let bytes = size_of_future(|proxy, peer, request| proxy.respond(peer, request));
        assert!(bytes < 8 * 1_024, "{bytes} bytes");
    }
}
