//! The response of the bearer layer: no box while the token is in memory.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use hallpass_token::{SecurityContext, UnixTime};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::metrics::BearerMetrics;
use super::proven::{Proven, go_over, put};
use super::report::CallReport;
use crate::auth_token_service::exchange::Exchanged;
use crate::auth_token_service::handle::TokenHandle;
use crate::auth_token_service::issued::{Ready, TokenSource};
use crate::error::{CallError, TokenError};

/// In the extensions of a 401: the token of the token service that the request carried, for the replay layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RejectedToken {
    pub(crate) generation: u64,
    /// It was exchanged for the caller's.
    pub(crate) is_exchanged: bool,
    /// Whether a proof came with it.
    pub(crate) is_bound: bool,
}

/// A token that is waited for, and for whom it is.
pub(super) struct Wait {
    token: BoxFuture<'static, Result<Ready, CallError>>,
    tokens: TokenHandle,
    /// The caller whose token is exchanged; `None` for a service token.
    caller: Option<SecurityContext>,
}

impl Wait {
    pub(super) fn for_service(tokens: &TokenHandle) -> Self {
        let waiting = tokens.clone();
        Self {
            token: Box::pin(async move { Ok(waiting.token_not_hot().await?) }),
            tokens: tokens.clone(),
            caller: None,
        }
    }

    pub(super) fn for_exchange(
        tokens: &TokenHandle,
        caller: SecurityContext,
        exchanged: Exchanged,
        metrics: BearerMetrics,
    ) -> Self {
        let (waiting, of) = (tokens.clone(), caller.clone());
        let token = async move {
            let outcome = waiting.exchanged_ready(&of, exchanged).await;
            metrics.exchange(if outcome.is_ok() { "fetched" } else { "failed" });
            outcome.map_err(CallError::of_exchange)
        };
        Self {
            token: Box::pin(token),
            tokens: tokens.clone(),
            caller: Some(caller),
        }
    }

    fn report(&self, source: TokenSource) -> CallReport {
        match &self.caller {
            None => CallReport::service(&self.tokens, source),
            Some(caller) => CallReport::exchanged(&self.tokens, caller, source),
        }
    }
}

/// What the layer remembers of a request that it let go.
#[derive(Default)]
pub(super) struct Stamped {
    /// What a 401 would be about: the token of the token service that it carries, if it carries one.
    pub(super) rejectable: Option<RejectedToken>,
    pub(super) report: Option<Box<CallReport>>,
    /// Of a call with a bound token.
    pub(super) proven: Option<Box<Proven>>,
}

pin_project! {
    /// The response of [`BearerService`](crate::BearerService).
    #[must_use = "futures do nothing unless polled"]
    pub struct BearerFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        stamped: Stamped,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Calling {
            #[pin]
            future: S::Future,
        },
        Fetching {
            pending: Option<Box<Pending<S, B>>>,
        },
        Failed {
            error: Option<CallError>,
        },
    }
}

/// A call that waits for its token. Boxed, so that calls that need not wait stay small.
struct Pending<S, B> {
    wait: Wait,
    request: Request<B>,
    service: S,
    reports: bool,
}

impl<S, B> BearerFuture<S, B>
where
    S: Service<Request<B>>,
{
    #[inline]
    pub(super) fn calling(future: S::Future, stamped: Stamped) -> Self {
        Self {
            state: State::Calling { future },
            stamped,
        }
    }

    pub(super) fn fetching(wait: Wait, request: Request<B>, service: S, reports: bool) -> Self {
        let pending = Some(Box::new(Pending {
            wait,
            request,
            service,
            reports,
        }));
        Self {
            state: State::Fetching { pending },
            stamped: Stamped::default(),
        }
    }

    pub(super) fn failed(error: CallError) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
            stamped: Stamped::default(),
        }
    }
}

impl<S, B> Pending<S, B>
where
    S: Service<Request<B>>,
{
    fn send(mut self, ready: Ready) -> Result<(S::Future, Stamped), CallError> {
        let Ready { token, connections } = ready;
        let report = self
            .reports
            .then(|| Box::new(self.wait.report(token.source())));
        let clock = self.wait.tokens.clock();
        let now = || UnixTime::from(clock.now());
        let (header, bound) = (token.authorization().clone(), Some(&*token.minted));
        let proven = put(&mut self.request, header, bound, now)?;
        go_over(&mut self.request, connections);
        let rejectable = RejectedToken {
            generation: token.generation(),
            is_exchanged: self.wait.caller.is_some(),
            is_bound: proven.is_some(),
        };
        let stamped = Stamped {
            rejectable: Some(rejectable),
            report,
            proven,
        };
        Ok((self.service.call(self.request), stamped))
    }
}

impl<S, B, R> Future for BearerFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<CallError>,
{
    type Output = Result<Response<R>, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Calling { future } => {
                    let result = ready!(future.poll(cx)).map_err(Into::into);
                    return Poll::Ready(result.map(|response| this.stamped.mark(response)));
                }
                StateProjection::Fetching { pending } => {
                    let outcome = match pending.as_mut() {
                        Some(waiting) => ready!(waiting.wait.token.as_mut().poll(cx)),
                        None => Err(CallError::Token(TokenError::Lost)),
                    };
                    let next = match (outcome, pending.take()) {
                        (Ok(ready), Some(waiting)) => match waiting.send(ready) {
                            Ok((future, stamped)) => {
                                *this.stamped = stamped;
                                State::Calling { future }
                            }
                            Err(error) => State::Failed { error: Some(error) },
                        },
                        (Err(error), _) => State::Failed { error: Some(error) },
                        (Ok(_), None) => State::Failed { error: None },
                    };
                    this.state.set(next);
                }
                StateProjection::Failed { error } => {
                    // Polled after its end: an error again, not a panic.
                    return Poll::Ready(Err(error
                        .take()
                        .unwrap_or(CallError::Token(TokenError::Lost))));
                }
            }
        }
    }
}

impl Stamped {
    /// Tells the layers above which token a 401 belongs to, and the caller, if asked for, what was sent.
    #[inline]
    fn mark<R>(&mut self, mut response: Response<R>) -> Response<R> {
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(rejected) = self.rejectable
        {
            response.extensions_mut().insert(rejected);
        }
        if let Some(proven) = self.proven.take() {
            proven.learn(response.headers());
        }
        if let Some(report) = self.report.take() {
            response.extensions_mut().insert(*report);
        }
        response
    }
}

impl<S, B> fmt::Debug for BearerFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerFuture").finish_non_exhaustive()
    }
}
