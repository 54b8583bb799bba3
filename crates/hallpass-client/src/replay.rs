//! One renewal and one replay when a callee says that the service token is invalid.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hallpass_upstream::Body;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth_token_service::handle::TokenHandle;
use crate::error::CallError;

pub(crate) mod challenge;
mod further;
pub(crate) mod future;
pub(crate) mod metrics;
pub(crate) mod renew_on;
mod spare;

use further::{Again, Further};
use future::ReplayFuture;
use renew_on::RenewOn;
use spare::Spare;

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
/// The head of each call is kept beforehand, which costs no allocation in the long run, or one where it has more than three headers.
#[derive(Clone, Debug)]
pub struct ReplayLayer {
    tokens: TokenHandle,
    renew_on: RenewOn,
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

impl<S: Clone> Layer<S> for ReplayLayer {
    type Service = Replay<S>;

    fn layer(&self, inner: S) -> Replay<S> {
        let again = Again {
            service: Mutex::new(inner.clone()),
            tokens: self.tokens.clone(),
            renew_on: self.renew_on,
        };
        Replay {
            inner,
            again: Some(Arc::new(again)),
        }
    }
}

/// The service of [`ReplayLayer`].
#[derive(Clone, Debug)]
pub struct Replay<S> {
    inner: S,
    again: Option<Arc<Again<S>>>,
}

impl<S> Replay<S> {
    /// `inner` as it is, where a stack has to be of one type with and without the layer: nothing is kept, and nothing is repeated.
    #[must_use]
    pub const fn never(inner: S) -> Self {
        let again = None;
        Self { inner, again }
    }
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
    type Future = ReplayFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let further = self.again.as_ref().map(|again| Further {
            spare: Spare::of(&request),
            again: Arc::clone(again),
        });
        ReplayFuture::new(self.inner.call(request), further)
    }
}
