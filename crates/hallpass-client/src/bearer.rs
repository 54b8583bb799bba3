//! The layer that gives an outgoing request its identity.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{SecurityContext, UnixTime};
use hallpass_upstream::CarriesNoSecret;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth_token_service::exchange::Exchanged;
use crate::auth_token_service::handle::TokenHandle;
use crate::auth_token_service::issued::{Ready, TokenSource, bearer_header};
use crate::certificate::LeftBehind;
use crate::error::CallError;
use crate::identity::{Identity, WhenAbsent};
use crate::metrics::ClientMetrics;

pub(crate) mod future;
pub(crate) mod metrics;
mod proven;
pub(crate) mod report;

use future::{BearerFuture, RejectedToken, Stamped, Wait};
use metrics::BearerMetrics;
use proven::{go_over, put, take};
use report::CallReport;

/// Puts the identity that a client asks for into the `Authorization` header of each request.
///
/// | identity | what is sent | where it comes from |
/// |---|---|---|
/// | [`Identity::Service`] | this service's own token | the [`TokenHandle`] |
/// | [`Identity::Relay`] | the caller's token, unchanged | the [`SecurityContext`] in the request's extensions |
/// | [`Identity::Exchange`] | a token whose subject is the caller's and whose actor is this service (RFC 8693) | the [`TokenHandle`], for the [`SecurityContext`] in the request's extensions |
/// | [`Identity::None`] | nothing; the request is marked as one that [`CarriesNoSecret`] | |
///
/// A service's token that is bound to a key ([`TokenBinding`](crate::TokenBinding)) goes out with a proof for this one request, in the header `DPoP`; one that
/// is bound to the certificate of this service goes over connections that show it ([`Connections`](hallpass_upstream::Connections)). A caller's bound token is
/// not relayed.
///
/// Whatever `Authorization` and `DPoP` the request has already, once or several times, is removed. A missing identity
/// fails the call before anything is sent, unless [`WhenAbsent`] says otherwise; an identity that has
/// expired fails it always, and so does a service token that the issuer does not give.
///
/// It stands below retry, so that each attempt gets a token that is alive, and reads request extensions
/// only, never a task-local: put [`CaptureContextLayer`](crate::context::CaptureContextLayer) above
/// everything that moves a call to another task. Which host the request goes to is checked by
/// [`HostGuardLayer`](crate::HostGuardLayer) below.
///
/// With a token in memory it adds no allocation, provided the request has a header already or room for one.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_client::{BearerLayer, Identity};
/// use hallpass_clock::SystemClock;
///
/// // Calls to `order-service` carry the token of the user who is waiting.
/// let relay = BearerLayer::new("order-service", Identity::Relay, Arc::new(SystemClock::new()));
/// # let _ = relay;
/// ```
#[derive(Clone)]
pub struct BearerLayer {
    plan: Arc<Plan>,
}

#[derive(Clone)]
struct Plan {
    service: Box<str>,
    identity: Identity,
    when_absent: WhenAbsent,
    tokens: Option<TokenHandle>,
    clock: Arc<dyn Clock>,
    metrics: BearerMetrics,
    reports: bool,
    leeway: Option<Duration>,
}

impl BearerLayer {
    /// For how long after its end a caller's token is relayed that no policy verified, unless [`leeway`](Self::leeway) says
    /// otherwise: that of a receiver's `leeway-seconds`.
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(10);

    /// Calls to `service` (its name is a metric label) with `identity`; a missing one fails the call.
    ///
    /// `clock` tells whether a relayed token has expired.
    #[must_use]
    pub fn new(service: &str, identity: Identity, clock: Arc<dyn Clock>) -> Self {
        let plan = Plan {
            service: service.into(),
            identity,
            when_absent: WhenAbsent::Fail,
            tokens: None,
            clock,
            metrics: BearerMetrics::default(),
            reports: false,
            leeway: None,
        };
        Self {
            plan: Arc::new(plan),
        }
    }

    /// Where service tokens and exchanged ones come from: for [`Identity::Service`], [`Identity::Exchange`] and [`WhenAbsent::Service`]. Counts in
    /// that service's metrics from now on. Without it such calls fail with [`CallError::NoTokenService`].
    #[must_use]
    pub fn tokens(self, tokens: TokenHandle) -> Self {
        let metrics = tokens.metrics().bearer.clone();
        self.with(|plan| {
            plan.tokens = Some(tokens);
            plan.metrics = metrics;
        })
    }

    /// What happens when the identity to relay or exchange is missing; default [`WhenAbsent::Fail`].
    #[must_use]
    pub fn when_absent(self, when_absent: WhenAbsent) -> Self {
        self.with(|plan| plan.when_absent = when_absent)
    }

    /// Where to count; default: nowhere, or with the token service.
    #[must_use]
    pub fn metrics(self, metrics: &ClientMetrics) -> Self {
        self.with(|plan| plan.metrics = metrics.bearer.clone())
    }

    /// Whether each response gets a [`CallReport`] in its extensions; default no, because it costs a few
    /// allocations per call.
    #[must_use]
    pub fn reports(self, reports: bool) -> Self {
        self.with(|plan| plan.reports = reports)
    }

    /// For how long after its end a caller's token is still relayed, whoever issued it: what the callees allow. Default: as
    /// long as this service accepts it, by the policy for its issuer ([`VerifiedClaims::leeway`]), so that what was just
    /// accepted can be passed on, and [`Self::DEFAULT_LEEWAY`] for a token that no policy verified. The callee decides by
    /// its own.
    ///
    /// [`VerifiedClaims::leeway`]: hallpass_token::VerifiedClaims::leeway
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with(|plan| plan.leeway = Some(leeway))
    }

    fn with(self, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Arc::unwrap_or_clone(self.plan);
        change(&mut plan);
        Self {
            plan: Arc::new(plan),
        }
    }
}

impl fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer")
            .field("service", &self.plan.service)
            .field("identity", &self.plan.identity)
            .field("when_absent", &self.plan.when_absent)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`BearerLayer`].
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S, B, R> Service<Request<B>> for BearerService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<CallError>,
{
    type Response = Response<R>;
    type Error = CallError;
    type Future = BearerFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.plan.stamp(&mut request) {
            Ok(Stamp::Done(stamped)) => BearerFuture::calling(self.inner.call(request), stamped),
            Ok(Stamp::Wait(wait)) => {
                // The instance that was polled ready is the one that makes the call.
                let next = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, next);
                BearerFuture::fetching(wait, request, ready, self.layer.plan.reports)
            }
            Err(error) => BearerFuture::failed(error),
        }
    }
}

/// What [`Plan::stamp`] did to a request.
enum Stamp {
    /// It can be sent.
    Done(Stamped),
    /// It needs a token that is not in memory.
    Wait(Wait),
}

impl Plan {
    #[inline]
    fn stamp<B>(&self, request: &mut Request<B>) -> Result<Stamp, CallError> {
        match self.identity {
            Identity::Service => self.stamp_service(request),
            Identity::Relay => match request.extensions().get::<SecurityContext>().cloned() {
                Some(context) => self.stamp_relay(request, &context),
                None => self.stamp_absent(request),
            },
            Identity::Exchange => match request.extensions().get::<SecurityContext>().cloned() {
                Some(context) => self.stamp_exchange(request, context),
                None => self.stamp_absent(request),
            },
            Identity::None => Ok(self.stamp_nobody(request)),
        }
    }

    #[inline]
    fn stamp_service<B>(&self, request: &mut Request<B>) -> Result<Stamp, CallError> {
        let tokens = self.tokens.as_ref().ok_or(CallError::NoTokenService)?;
        let Some(token) = tokens.try_header() else {
            // Not even for a moment may the request hold somebody else's credentials.
            take(request.headers_mut());
            return Ok(Stamp::Wait(Wait::for_service(tokens)));
        };
        let bound = token.bound.as_deref();
        let proven = put(request, token.authorization, bound, || self.now())?;
        go_over(request, token.connections);
        let report = self
            .reports
            .then(|| Box::new(CallReport::service(tokens, TokenSource::Cache)));
        Ok(Stamp::Done(Stamped {
            rejectable: Some(RejectedToken {
                generation: token.generation,
                is_exchanged: false,
                is_bound: proven.is_some(),
            }),
            report,
            proven,
        }))
    }

    fn stamp_exchange<B>(
        &self,
        request: &mut Request<B>,
        context: SecurityContext,
    ) -> Result<Stamp, CallError> {
        let tokens = self.tokens.as_ref().ok_or(CallError::NoTokenService)?;
        let exchanged = tokens.exchange(&context).map_err(|error| {
            self.metrics.exchange("failed");
            CallError::of_exchange(error)
        })?;
        let ready = match exchanged {
            Exchanged::Current(token) => {
                Ready::of(token).map_err(|LeftBehind| tokens.exchange(&context))
            }
            waiting @ Exchanged::Waiting(_) => Err(Ok(waiting)),
        };
        match ready {
            Ok(Ready { token, connections }) => {
                self.metrics.exchange("cached");
                let (header, bound) = (token.authorization().clone(), Some(&*token.minted));
                let proven = put(request, header, bound, || self.now())?;
                go_over(request, connections);
                let report = self
                    .reports
                    .then(|| Box::new(CallReport::exchanged(tokens, &context, TokenSource::Cache)));
                Ok(Stamp::Done(Stamped {
                    rejectable: Some(RejectedToken {
                        generation: token.generation(),
                        is_exchanged: true,
                        is_bound: proven.is_some(),
                    }),
                    report,
                    proven,
                }))
            }
            Err(exchanged) => {
                // Not even for a moment may the request hold somebody else's credentials.
                take(request.headers_mut());
                let metrics = self.metrics.clone();
                let exchanged = exchanged.map_err(CallError::of_exchange)?;
                Ok(Stamp::Wait(Wait::for_exchange(
                    tokens, context, exchanged, metrics,
                )))
            }
        }
    }

    fn stamp_relay<B>(
        &self,
        request: &mut Request<B>,
        context: &SecurityContext,
    ) -> Result<Stamp, CallError> {
        let leeway = self.leeway.or(context.claims().leeway());
        let leeway = leeway.unwrap_or(BearerLayer::DEFAULT_LEEWAY);
        let ends = context.expires_at().saturating_add(leeway);
        if ends <= self.now() {
            self.metrics.relay("expired");
            return Err(CallError::IdentityExpired);
        }
        // Only who has its key can use it: the callee would refuse it from anybody else.
        if context.claims().confirmation.is_some() {
            self.metrics.relay("bound");
            return Err(CallError::IdentityBound);
        }
        let Some(header) = bearer_header(context.token()) else {
            self.metrics.relay("invalid");
            return Err(self.missing(Identity::Relay));
        };
        let proven = put(request, header, None, || self.now())?;
        self.metrics.relay("ok");
        let report = self.reports.then(|| Box::new(CallReport::relay(context)));
        Ok(Stamp::Done(Stamped {
            rejectable: None,
            report,
            proven,
        }))
    }

    fn stamp_absent<B>(&self, request: &mut Request<B>) -> Result<Stamp, CallError> {
        match self.identity {
            Identity::Exchange => self.metrics.exchange("absent"),
            _ => self.metrics.relay("absent"),
        }
        match self.when_absent {
            WhenAbsent::Service => self.stamp_service(request),
            WhenAbsent::None => Ok(self.stamp_nobody(request)),
            _ => Err(self.missing(self.identity)),
        }
    }

    fn stamp_nobody<B>(&self, request: &mut Request<B>) -> Stamp {
        take(request.headers_mut());
        request.extensions_mut().insert(CarriesNoSecret);
        let report = self.reports.then(|| Box::new(CallReport::nobody()));
        Stamp::Done(Stamped {
            report,
            ..Stamped::default()
        })
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }

    fn missing(&self, identity: Identity) -> CallError {
        self.metrics.missing_identity(&self.service);
        CallError::NoIdentity { identity }
    }
}
