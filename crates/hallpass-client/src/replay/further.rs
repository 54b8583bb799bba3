//! What is done about the first response: nothing, nearly always.

use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use hallpass_token::SecurityContext;
use hallpass_upstream::Body;
use http::header::WWW_AUTHENTICATE;
use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::challenge;
use super::renew_on::RenewOn;
use super::spare::Spare;
use crate::auth_token_service::handle::TokenHandle;
use crate::bearer::future::RejectedToken;
use crate::error::{CallError, DenialCode, TokenError};
use crate::prover::DPOP_NONCE;

/// What a call needs to be made again.
pub(super) struct Further<S> {
    /// `None` for a body that is sent once.
    pub(super) spare: Option<Spare>,
    pub(super) again: Arc<Again<S>>,
}

/// What all calls of a layer that are made again have in common. It is shared, because nearly no call is.
#[derive(Debug)]
pub(super) struct Again<S> {
    /// Locked for as long as it takes to clone it.
    pub(super) service: Mutex<S>,
    pub(super) tokens: TokenHandle,
    pub(super) renew_on: RenewOn,
}

/// What becomes of a first response.
pub(super) enum Next {
    /// The caller gets it.
    Done(Response<Body>),
    /// The caller gets what this brings.
    Again(BoxFuture<'static, Result<Response<Body>, CallError>>),
}

impl<S> Further<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    pub(super) fn after(self, response: Response<Body>) -> Next {
        if was_accepted(response.status()) {
            self.again.tokens.accepted();
            return Next::Done(response);
        }
        let spare = |spare: Spare| spare.into_request();
        match way(&response, self.again.renew_on).zip(self.spare.and_then(spare)) {
            Some((way, request)) => {
                let shared = &self.again.service;
                // A panic leaves a service of which nothing but clones is used.
                let service = shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let tokens = self.again.tokens.clone();
                Next::Again(Box::pin(once_more(
                    service,
                    request,
                    tokens,
                    (response, way),
                )))
            }
            None => Next::Done(response),
        }
    }
}

async fn once_more<S>(
    service: S,
    request: Request<Body>,
    tokens: TokenHandle,
    (response, way): (Response<Body>, Way),
) -> Result<Response<Body>, CallError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = CallError>,
{
    let rejected = match way {
        // The nonce is known by now: the next proof repeats it.
        Way::WithNonce => {
            drop(response);
            return replay(service, request, &tokens).await;
        }
        Way::WithNewToken(rejected) => rejected,
    };
    let caller = request.extensions().get::<SecurityContext>().cloned();
    match renew(&tokens, rejected, caller).await {
        Ok(()) => {
            // The connection is free again before the second attempt needs one.
            drop(response);
            replay(service, request, &tokens).await
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

/// Whether the callee has looked at the token and found it good. 503 and other failures do not say so.
fn was_accepted(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::FORBIDDEN
}

/// How a request is sent once more.
#[derive(Clone, Copy)]
enum Way {
    WithNewToken(RejectedToken),
    /// With the token that it had, and a proof that repeats what the callee has just given (RFC 9449 section 9).
    WithNonce,
}

/// How the request of this response is sent once more; `None` when that would not help.
fn way(response: &Response<Body>, renew_on: RenewOn) -> Option<Way> {
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
        return Some(Way::WithNonce);
    }
    let is_invalid = renew_on == RenewOn::AnyUnauthorized
        || says(bearer, b"invalid_token")
        || (rejected.is_bound && says(dpop, b"invalid_token"));
    is_invalid.then_some(Way::WithNewToken(rejected))
}
