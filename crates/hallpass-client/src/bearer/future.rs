//! The response of the bearer layer: no box while the token is in memory.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::report::CallReport;
use crate::auth_token_service::handle::TokenHandle;
use crate::auth_token_service::issued::IssuedToken;
use crate::error::{CallError, TokenError};

/// In the extensions of a 401: the service token that the request carried, for the replay layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RejectedToken {
    pub(crate) generation: u64,
}

/// What the layer remembers of a request that it let go.
#[derive(Default)]
pub(super) struct Stamped {
    /// Of the service token that it carries, if it carries one.
    pub(super) generation: Option<u64>,
    pub(super) report: Option<Box<CallReport>>,
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
    token: BoxFuture<'static, Result<IssuedToken, TokenError>>,
    tokens: TokenHandle,
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

    pub(super) fn fetching(
        tokens: TokenHandle,
        request: Request<B>,
        service: S,
        reports: bool,
    ) -> Self {
        let waiting = tokens.clone();
        let token = Box::pin(async move { waiting.token_not_hot().await });
        let pending = Some(Box::new(Pending {
            token,
            tokens,
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
    fn send(mut self, token: &IssuedToken) -> (S::Future, Stamped) {
        let report = self
            .reports
            .then(|| Box::new(CallReport::service(&self.tokens, token.source())));
        let stamped = stamp_fetched(&mut self.request, token, report);
        (self.service.call(self.request), stamped)
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
                        Some(waiting) => ready!(waiting.token.as_mut().poll(cx)),
                        None => Err(TokenError::Lost),
                    };
                    let next = match (outcome, pending.take()) {
                        (Ok(token), Some(waiting)) => {
                            let (future, stamped) = waiting.send(&token);
                            *this.stamped = stamped;
                            State::Calling { future }
                        }
                        (Err(error), _) => State::Failed {
                            error: Some(CallError::Token(error)),
                        },
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
            && let Some(generation) = self.generation
        {
            response
                .extensions_mut()
                .insert(RejectedToken { generation });
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

/// Replaces every value of the header.
#[inline]
pub(super) fn set(headers: &mut HeaderMap, authorization: HeaderValue) {
    headers.insert(AUTHORIZATION, authorization);
}

/// A token that had to be waited for, put into its request.
fn stamp_fetched<B>(
    request: &mut Request<B>,
    token: &IssuedToken,
    report: Option<Box<CallReport>>,
) -> Stamped {
    set(request.headers_mut(), token.authorization().clone());
    Stamped {
        generation: Some(token.generation()),
        report,
    }
}
