//! One request for a deny-list: the whole of it, or a stream.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::error::FollowError;
use super::event_id::EventId;
use crate::asked_url::{AskedUrl, with_causes};
use crate::body::Body;
use crate::endpoint_url::EndpointUrl;
use crate::network::Network;
use crate::outcome::asked_wait;
use crate::transport::Connections;
use crate::walk::WalkError;

/// Longest wait for the head of a response, all instances together.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(super) const EVENTS: &str = "text/event-stream";

/// Where the list is.
pub(super) struct Place(AskedUrl);

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
        Self(AskedUrl::new(url, network))
    }

    pub(super) const fn url(&self) -> &EndpointUrl {
        self.0.url()
    }

    /// What a request goes over that begins now.
    pub(super) fn connections(&self) -> Connections {
        self.0.transport().connections()
    }

    /// The response with status 200 or 304, its body still to be read.
    ///
    /// # Errors
    /// Any other status, or none.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Response<Body>, FollowError> {
        let limit = HEAD_LIMIT;
        let at = |address: String| async move { self.ask_at(&address, ask).await };
        let response = timeout(limit, self.0.ask(limit, at)).await;
        let response = response.map_err(|_| FollowError::Timeout { limit })?;
        response.map_err(|error| match error {
            WalkError::Failed(error) => error,
            WalkError::TooLong => FollowError::Timeout { limit },
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
        let response = self.0.transport().oneshot(request).await.map_err(failed)?;
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
    FollowError::Transport(with_causes(error.into().as_ref()))
}
