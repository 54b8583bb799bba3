//! One attempt at one instance of a service, from its choice to the head of its response.

use std::future::{Future as _, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use hallpass_resource::Authorized;
use hallpass_token::SecurityContext;
use hallpass_upstream::{
    Admitted, Body, BodyUnderWay, Instance, Network, Outcome, RetryAdvice, TransportFuture, Wish,
};
use http::header::UPGRADE;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode, uri};
use tokio::time::Instant;
use tower::Service as _;

use super::head::has_one_length;
use super::plan::Route;
use super::trail::Trail;
use super::upload::Upload;
use super::upstream_error::UpstreamError;

/// For how long a request waits for the only instance of a service, which refuses connections because it starts anew. Nothing has been sent by then, and
/// what is counted against the instance is what comes after.
pub(crate) const RESTART_GRACE: Duration = Duration::from_secs(2);

/// What the attempts for one request go by.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    pub(crate) route: &'a Route,
    pub(crate) network: &'a Network,
    pub(crate) authorized: &'a Authorized,
    /// Its body, where it has one that comes as it is sent.
    pub(crate) upload: Option<&'a Upload>,
    /// Whether it asks for a WebSocket.
    pub(crate) is_upgrade: bool,
    /// When they begin: what was waited for a body that is kept is no time that the upstream had.
    pub(crate) begun: Instant,
    pub(crate) times: Times,
    /// Where it is written down that it went out.
    pub(crate) trail: Option<&'a Trail>,
    /// Where its token is one of ours.
    pub(crate) renewal: Option<Renewal<'a>>,
}

/// The token that a request bears, where another one can take its place.
#[derive(Debug)]
pub(crate) struct Renewal<'a> {
    pub(crate) caller: Option<&'a SecurityContext>,
    /// Which token it is.
    pub(crate) generation: u64,
}

/// By when there has to be a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// When the time for the whole request is over, or its caller stops waiting; `None`: nobody says.
    pub(crate) end: Option<Instant>,
    /// Whether it is the caller who says so, whatever he chose.
    pub(crate) is_callers: bool,
}

/// A response, and its call under way.
pub(crate) type Answered = (Response<Body>, BodyUnderWay);

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) result: Result<Answered, UpstreamError>,
    /// Where it went, if one was chosen.
    pub(crate) instance: Option<Instance>,
}

impl Attempts<'_> {
    /// Sends a request, taking it out of its place, to an instance that is not among those in `tried`, if another is well. The breaker, the bulkhead and the choice of further
    /// instances know of it afterwards.
    pub(crate) async fn attempt(&self, request: &mut Request<Body>, tried: &[Instance]) -> Tried {
        let wish = self
            .authorized
            .gray_tag()
            .map_or_else(Wish::default, Wish::tagged);
        let chosen = match self.route.service.upstream.choose_for(tried, wish).await {
            Ok(chosen) => chosen,
            Err(refusal) => return Tried::refused(refusal, None),
        };
        let instance = chosen.instance().clone();
        let admitted = match chosen.enter().await {
            Ok(admitted) => admitted,
            Err(refusal) => return Tried::refused(refusal, Some(instance)),
        };
        if let Some(trail) = self.trail {
            trail.goes_to(&instance);
        }
        point(request, &instance);
        let under_way = UnderWay {
            sent_at: admitted.since(),
            admitted: Some(admitted),
            upload: self.upload,
        };
        let sending = pin!(self.network.transport.clone().call(mem::take(request)));
        let response = self.in_time(sending).await;
        let result = response.and_then(|response| match self.fault_of(&response) {
            None => Ok(response),
            Some(fault) => Err(fault),
        });
        let result = match result {
            // Taken back: nothing was sent, and nobody else is there.
            Err(error) if self.may_be_starting(&error, &instance) => {
                drop(under_way.take());
                Err(error)
            }
            result => self.settle(under_way, result),
        };
        Tried {
            result,
            instance: Some(instance),
        }
    }

    fn settle(
        &self,
        under_way: UnderWay<'_>,
        result: Result<Response<Body>, UpstreamError>,
    ) -> Result<Answered, UpstreamError> {
        match result {
            Ok(response) => match under_way.settle(&response) {
                Some(under_way) => Ok((response, under_way)),
                None => Err(UpstreamError::TimedOut),
            },
            Err(error) => {
                let is_hurried = matches!(error, UpstreamError::TimedOut) && self.is_over();
                match (self.has_broken_upload(), is_hurried) {
                    // What is wrong with the body of a request says nothing of the instance.
                    (true, _) => drop(under_way.take()),
                    // Nobody could have been faster than a caller who waits no longer.
                    (false, true) => drop(under_way),
                    (false, false) => drop(under_way.settle(&error)),
                }
                Err(error)
            }
        }
    }

    /// Whether the body of the request was ended before its time: by its sender, by a limit, or with the token.
    pub(crate) fn has_broken_upload(&self) -> bool {
        let is_cut_off = || self.authorized.cut_off(StatusCode::BAD_GATEWAY).is_some();
        self.upload
            .is_some_and(|upload| upload.fault().is_some() || is_cut_off())
    }

    /// What the result of all attempts says of the service as a whole: whether it has failed.
    pub(crate) fn service_failed(&self, result: &Result<Answered, UpstreamError>) -> Option<bool> {
        match result {
            Ok((response, _)) => response.instance_failed(),
            Err(error) if self.is_callers_doing(error) => None,
            Err(error) => error.instance_failed(),
        }
    }

    /// Whether it is the caller for whom there is no response: his body, his token, or how little time he has.
    pub(crate) fn is_callers_doing(&self, error: &UpstreamError) -> bool {
        let is_late = matches!(error, UpstreamError::TimedOut);
        self.has_broken_upload() || is_late && self.times.is_callers && self.is_over()
    }

    /// How long the service has taken, without the time in which the body of the request did not come.
    pub(crate) fn took(&self) -> Duration {
        let pauses = self.upload.map(Upload::pauses).unwrap_or_default();
        self.begun.elapsed().saturating_sub(pauses)
    }

    /// Whether an attempt has failed as one does at the only instance of a service while it starts anew, and not for long yet.
    pub(crate) fn may_be_starting(&self, error: &UpstreamError, instance: &Instance) -> bool {
        let is_grace = self.begun.elapsed() < RESTART_GRACE && !self.is_over();
        let is_unsent = error.retry_advice() == RetryAdvice::Unsent;
        is_unsent
            && is_grace
            && self.route.settings.retry.max_attempts > 1
            && self.upload.is_none_or(Upload::is_unread)
            && self
                .route
                .service
                .upstream
                .others_than(std::slice::from_ref(instance))
                == 0
    }

    /// Whether the time for the whole request is over.
    pub(crate) fn is_over(&self) -> bool {
        self.times.end.is_some_and(|end| end <= Instant::now())
    }

    /// What is left of the time for the head of a response.
    pub(crate) fn left(&self) -> Duration {
        self.end().saturating_duration_since(Instant::now())
    }

    /// The head of the response, if it comes in time: counted from when the body of the request last moved, unless it is its sender who pauses.
    async fn in_time(
        &self,
        mut sending: Pin<&mut TransportFuture>,
    ) -> Result<Response<Body>, UpstreamError> {
        let attempt = self.route.settings.retry.attempt_timeout;
        let attempt = attempt.map(|limit| Instant::now() + limit);
        let end = || attempt.map_or(self.end(), |attempt| attempt.min(self.end()));
        let mut timer = None;
        let response = poll_fn(|context| {
            if let Poll::Ready(response) = sending.as_mut().poll(context) {
                return Poll::Ready(Some(response));
            }
            let timers = &self.route.service.timers;
            let timer = timer.get_or_insert_with(|| timers.until(end()));
            loop {
                ready!(timer.poll(context));
                // The body of the request has moved meanwhile.
                let end = end();
                if end <= Instant::now() {
                    return Poll::Ready(None);
                }
                timer.reset(end);
            }
        });
        let response = response.await.ok_or(UpstreamError::TimedOut)?;
        response.map_err(UpstreamError::from)
    }

    fn end(&self) -> Instant {
        let from = self
            .upload
            .map_or(self.begun, |upload| upload.moved_at().max(self.begun));
        let response = from + self.route.settings.timeouts.response;
        self.times.end.map_or(response, |end| end.min(response))
    }

    /// What is wrong with the head of a response.
    fn fault_of(&self, response: &Response<Body>) -> Option<UpstreamError> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let mut switched = response.headers().get_all(UPGRADE).iter();
            let is_websocket = switched
                .next()
                .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
            let is_asked = self.is_upgrade && is_websocket && switched.next().is_none();
            return (!is_asked).then_some(UpstreamError::Switched);
        }
        let fault = has_one_length(response.headers()).err()?;
        tracing::debug!(?fault, "a response cannot be handed on");
        Some(UpstreamError::Invalid("the length of its body is in doubt"))
    }
}

impl Tried {
    fn refused(refusal: impl Into<UpstreamError>, instance: Option<Instance>) -> Self {
        Self {
            result: Err(refusal.into()),
            instance,
        }
    }
}

/// Points a request at an instance.
fn point(request: &mut Request<Body>, instance: &Instance) {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(instance.scheme().clone());
    parts.authority = Some(instance.authority().clone());
    let path = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // With all three there is nothing that could be missing; without a host it would be refused by the transport.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// An attempt under way. Dropped before its end, its caller has gone.
struct UnderWay<'a> {
    admitted: Option<Admitted>,
    sent_at: Duration,
    upload: Option<&'a Upload>,
}

impl UnderWay<'_> {
    fn take(mut self) -> Option<Admitted> {
        self.admitted.take()
    }

    fn settle(mut self, outcome: &impl Outcome) -> Option<BodyUnderWay> {
        let (admitted, sent_at) = (self.admitted.take(), self.sent_at());
        admitted.map(|admitted| admitted.settle_head(outcome, sent_at))
    }

    /// Later by what was waited for the sender of the body: the instance is as slow as it is itself.
    fn sent_at(&self) -> Duration {
        let pauses = self.upload.map(Upload::pauses).unwrap_or_default();
        self.sent_at.saturating_add(pauses)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let sent_at = self.sent_at();
        if let Some(admitted) = self.admitted.take() {
            match self.upload.is_some_and(Upload::waits_for_sender) {
                // It had no request to respond to yet.
                true => drop(admitted),
                false => admitted.abandon(sent_at),
            }
        }
    }
}
