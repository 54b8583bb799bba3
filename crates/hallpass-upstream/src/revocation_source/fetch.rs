//! One request for a deny-list: the whole of it, or a stream.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::error::FollowError;
use super::event_id::EventId;
use crate::body::Body;
use crate::discovery::Instance;
use crate::endpoint_url::EndpointUrl;
use crate::network::Network;
use crate::outcome::asked_wait;
use crate::transport::HttpTransport;
use crate::upstream::Upstream;
use crate::walk::{Walk, WalkError};

/// Longest wait for the head of a response, all instances together.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// Most instances of a service that one request tries.
const MAX_INSTANCES_TRIED: usize = 3;
/// Longest piece of somebody else's text that goes into an error.
const MAX_QUOTED_CHARS: usize = 80;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(super) const EVENTS: &str = "text/event-stream";

/// Where the list is.
pub(super) struct Place {
    url: EndpointUrl,
    transport: HttpTransport,
    /// The instances behind `lb://`. Without circuit breakers: a pause follows each failure already.
    upstream: Option<Upstream>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    /// A stream from after this event on.
    Stream { known: Option<&'a EventId> },
    /// The list unless it is this one, and only what is new since an event, where the issuer still knows that.
    Document {
        etag: Option<&'a HeaderValue>,
        after: Option<&'a EventId>,
    },
}

impl Ask<'_> {
    /// What is added to an address.
    fn query(self, address: &str) -> String {
        match self {
            Self::Document {
                after: Some(event), ..
            } => {
                let begin = if address.contains('?') { '&' } else { '?' };
                format!("{begin}after={}", event.as_str())
            }
            _ => String::new(),
        }
    }
}

impl Place {
    pub(super) fn new(url: EndpointUrl, network: &Network) -> Self {
        let upstream = match &url {
            EndpointUrl::LoadBalanced { service, .. } => {
                let (discovery, clock) = (&network.discovery, &network.clock);
                let (discovery, clock) = (Arc::clone(discovery), Arc::clone(clock));
                Some(Upstream::without_breaker(
                    service.as_str(),
                    discovery,
                    clock,
                ))
            }
            EndpointUrl::Https(_) | EndpointUrl::LoopbackHttp(_) => None,
        };
        Self {
            url,
            transport: network.transport.clone(),
            upstream,
        }
    }

    pub(super) const fn url(&self) -> &EndpointUrl {
        &self.url
    }

    /// The response with status 200 or 304, its body still to be read.
    ///
    /// # Errors
    /// Any other status, or none.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Response<Body>, FollowError> {
        let limit = HEAD_LIMIT;
        let response = timeout(limit, self.ask_any(ask)).await;
        response.map_err(|_| FollowError::Timeout { limit })?
    }

    async fn ask_any(&self, ask: Ask<'_>) -> Result<Response<Body>, FollowError> {
        let (upstream, path) = match (&self.url, &self.upstream) {
            (EndpointUrl::LoadBalanced { path, .. }, Some(upstream)) => (upstream, path),
            (url, _) => return self.ask_at(&url.to_string(), ask).await,
        };
        let walk = Walk {
            within: HEAD_LIMIT,
            attempts: MAX_INSTANCES_TRIED,
            again: false,
        };
        let at = |instance: Instance| async move {
            self.ask_at(&format!("{instance}{path}"), ask).await
        };
        let response = upstream.ask_in_turn(walk, at, |_| true).await;
        response.map_err(|error| match error {
            WalkError::Failed(error) => error,
            WalkError::TooLong => FollowError::Timeout { limit: HEAD_LIMIT },
            WalkError::Refused(refusal) => FollowError::Discovery(refusal.to_string()),
        })
    }

    async fn ask_at(&self, address: &str, ask: Ask<'_>) -> Result<Response<Body>, FollowError> {
        let request = Request::get(format!("{address}{}", ask.query(address)));
        let request = match ask {
            Ask::Stream { known } => {
                let request = request.header(ACCEPT, EVENTS);
                match known.and_then(EventId::header) {
                    Some(known) => request.header(LAST_EVENT_ID, known),
                    None => request,
                }
            }
            Ask::Document { etag, .. } => {
                let request = request.header(ACCEPT, "application/json");
                match etag {
                    Some(etag) => request.header(IF_NONE_MATCH, etag),
                    None => request,
                }
            }
        };
        let request = request.body(Body::empty()).map_err(failed)?;
        let transport = self.transport.clone();
        let response = transport.oneshot(request).await.map_err(failed)?;
        match response.status() {
            StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::GONE
            | StatusCode::NOT_IMPLEMENTED => Err(FollowError::NotOffered {
                status: response.status().as_u16(),
            }),
            status => Err(FollowError::Status {
                status: status.as_u16(),
                retry_after: asked_wait(status, response.headers()),
            }),
        }
    }
}

/// Whether the response is a stream of events.
pub(super) fn is_stream(response: &Response<Body>) -> bool {
    let said = response.headers().get(CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok());
    let media = said.and_then(|value| value.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case(EVENTS))
}

/// A failed connection, told in one line with what caused it.
pub(super) fn failed(error: impl Into<crate::body::BoxError>) -> FollowError {
    let error = error.into();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let shown = text.chars().filter(|c| !c.is_control());
    FollowError::Transport(shown.take(MAX_QUOTED_CHARS).collect())
}
