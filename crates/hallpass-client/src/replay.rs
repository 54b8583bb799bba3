//! One renewal and one replay when a callee says that the service token is invalid.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use hallpass_upstream::{Body, try_clone_request};
use http::header::WWW_AUTHENTICATE;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth_token_service::handle::TokenHandle;
use crate::bearer::future::RejectedToken;
use crate::error::{CallError, DenialCode, TokenError};
use crate::prover::DPOP_NONCE;

mod challenge;
pub(crate) mod metrics;

/// Repeats a call once with a renewed token when the callee responds 401 with `error="invalid_token"`
/// (RFC 6750 section 3.1): its keys or the token's client may have changed before the token's end.
///
/// A call with a bound token is repeated too when the callee demands a nonce in its proof (`use_dpop_nonce`, RFC 9449 section 9): with
/// the token that it had.
///
/// [`RenewOn`] says which other 401 counts, if any does.
///
/// It stands right above [`BearerLayer`](crate::BearerLayer). Only calls that carried a service token and
/// whose body can be sent again are repeated. However many calls are rejected at once, one token request is
/// made; renewals of one key keep a minimum distance, and after one that did not help there is none until a callee has
/// accepted a token: an issuer in trouble is not asked for a token by each call. A second 401, a 401 with another error, and 403 go to
/// the caller as they are; so does the first 401 when no newer token can be had.
///
/// Each call is copied beforehand, which costs a few allocations.
#[derive(Clone, Debug)]
pub struct ReplayLayer {
    tokens: TokenHandle,
    renew_on: RenewOn,
}

/// Which 401 makes a call renew its service token and repeat itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenewOn {
    /// `invalid-token`: one that says so in a `Bearer` challenge, as RFC 6750 section 3.1 wants it, or for a bound token in one of `DPoP`.
    #[default]
    InvalidToken,
    /// `any-401`: every one, for callees that give no reason, or another one.
    AnyUnauthorized,
}

impl RenewOn {
    /// The names in configuration.
    pub const NAMES: &'static [&'static str] = &["invalid-token", "any-401"];

    /// The one with that name in configuration; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "invalid-token" => Some(Self::InvalidToken),
            "any-401" => Some(Self::AnyUnauthorized),
            _ => None,
        }
    }
}

impl ReplayLayer {
    /// Renews through `tokens`, which must be the handle of the bearer layer below.
    #[must_use]
    pub const fn new(tokens: TokenHandle) -> Self {
        Self {
            tokens,
            renew_on: RenewOn::InvalidToken,
        }
    }

    /// Default [`RenewOn::InvalidToken`].
    #[must_use]
    pub const fn renew_on(mut self, renew_on: RenewOn) -> Self {
        self.renew_on = renew_on;
        self
    }
}

impl<S> Layer<S> for ReplayLayer {
    type Service = Replay<S>;

    fn layer(&self, inner: S) -> Replay<S> {
        Replay {
            inner,
            tokens: self.tokens.clone(),
            renew_on: self.renew_on,
        }
    }
}

/// The service of [`ReplayLayer`].
#[derive(Clone, Debug)]
pub struct Replay<S> {
    inner: S,
    tokens: TokenHandle,
    renew_on: RenewOn,
}

impl<S> Service<Request<Body>> for Replay<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, CallError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let spare = try_clone_request(&request);
        let first = self.inner.call(request);
        let (service, tokens) = (self.inner.clone(), self.tokens.clone());
        let renew_on = self.renew_on;
        Box::pin(async move {
            let response = first.await?;
            if was_accepted(response.status()) {
                tokens.accepted();
            }
            let (Some(again), Some(spare)) = (again(&response, renew_on), spare) else {
                return Ok(response);
            };
            let rejected = match again {
                // The nonce is known by now: the next proof repeats it.
                Again::WithNonce => {
                    drop(response);
                    return replay(service, spare, &tokens).await;
                }
                Again::WithNewToken(rejected) => rejected,
            };
            let caller = spare.extensions().get::<SecurityContext>().cloned();
            match renew(&tokens, rejected, caller).await {
                Ok(()) => {
                    // The connection is free again before the second attempt needs one.
                    drop(response);
                    replay(service, spare, &tokens).await
                }
                Err(error) => {
                    tracing::debug!(%error, "a rejected token could not be renewed");
                    if !rejected.is_exchanged && gets_none(&error) {
                        tokens.evict().await;
                    }
                    tokens.metrics().replays.ended("not_renewed");
                    Ok(response)
                }
            }
        })
    }
}

/// Sees to a token newer than the rejected one.
async fn renew(
    tokens: &TokenHandle,
    rejected: RejectedToken,
    caller: Option<SecurityContext>,
) -> Result<(), TokenError> {
    let RejectedToken {
        generation,
        is_exchanged,
        is_bound: _,
    } = rejected;
    match caller.filter(|_| is_exchanged) {
        None => tokens.renew_rejected(generation).await.map(drop),
        Some(caller) if tokens.reject_exchanged(&caller, generation) => {
            tokens.exchanged(&caller).await.map(drop)
        }
        Some(_) => Err(TokenError::RenewedInVain),
    }
}

async fn replay<S>(
    mut service: S,
    request: Request<Body>,
    tokens: &TokenHandle,
) -> Result<Response<Body>, CallError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>,
{
    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
    let response = service.call(request).await;
    let status = response.as_ref().ok().map(Response::status);
    let accepted = status.is_some_and(|status| status != StatusCode::UNAUTHORIZED);
    if status.is_some_and(was_accepted) {
        tokens.renewal_helped();
    }
    tokens
        .metrics()
        .replays
        .ended(if accepted { "accepted" } else { "rejected" });
    response
}

/// Whether the callee has looked at the token and found it good. 503 and other failures do not say so.
/// Whether the issuer says that this client gets no token: with a callee that rejects the one at hand, both have taken it
/// back, and it is not sent again.
const fn gets_none(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Denied {
            code: DenialCode::UnauthorizedClient,
            ..
        }
    )
}

fn was_accepted(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::FORBIDDEN
}

/// How a request is sent once more.
#[derive(Clone, Copy)]
enum Again {
    WithNewToken(RejectedToken),
    /// With the token that it had, and a proof that repeats what the callee has just given (RFC 9449 section 9).
    WithNonce,
}

/// How the request of this response is sent once more; `None` when that would not help.
fn again(response: &Response<Body>, renew_on: RenewOn) -> Option<Again> {
    let rejected = *response.extensions().get::<RejectedToken>()?;
    let says = |scheme: &[u8], error: &[u8]| {
        let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        challenges.any(|value| challenge::says(value.as_bytes(), scheme, error))
    };
    let (bearer, dpop) = (b"bearer".as_slice(), b"dpop".as_slice());
    if rejected.is_bound
        && says(dpop, b"use_dpop_nonce")
        && response.headers().contains_key(DPOP_NONCE)
    {
        return Some(Again::WithNonce);
    }
    let is_invalid = renew_on == RenewOn::AnyUnauthorized
        || says(bearer, b"invalid_token")
        || (rejected.is_bound && says(dpop, b"invalid_token"));
    is_invalid.then_some(Again::WithNewToken(rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_what_renews_a_token_is_known_and_no_other() {
        let named = [RenewOn::InvalidToken, RenewOn::AnyUnauthorized].map(Some);
        let found: Vec<_> = RenewOn::NAMES.iter().map(|it| RenewOn::named(it)).collect();
        assert_eq!(found, named);
        assert_eq!(RenewOn::named("any"), None);
    }
}
