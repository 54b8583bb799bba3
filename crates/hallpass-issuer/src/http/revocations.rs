//! The deny-list: whole, what is new of it, or as a stream of events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use http::{HeaderMap, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};

use crate::deny_list::DenyList;
use crate::http::jwks::names;
use crate::http::{TEXT, respond};
use crate::keys::adoption;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A reverse proxy must not wait for more of a stream before it hands on what it has (nginx).
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// In seconds, for those who get no stream.
const COME_BACK: HeaderValue = HeaderValue::from_static("5");

/// The list as JSON, 304 when the caller has it, or a stream of events when it asks for one.
///
/// With the query `after=EVENT` it is only what is new since that event, where this process knows it. A parameter, not a header: what
/// a cache keeps of one must not be shown to who asks for the other.
pub(crate) fn response(
    list: &DenyList,
    headers: &HeaderMap,
    uri: &Uri,
    source: Option<IpAddr>,
) -> Response {
    if wants_events(headers) {
        let verifier = adoption::name_in(headers, uri);
        return events(list, headers, source, verifier);
    }
    let log = list.log();
    let etag = log.etag();
    let mut known = headers.get_all(IF_NONE_MATCH).iter();
    let has_it = |etag: &HeaderValue| known.any(|known| names(known, etag));
    let mut response = match etag.as_ref().is_some_and(has_it) {
        true => respond(StatusCode::NOT_MODIFIED, JSON, Bytes::new()),
        false => {
            let parameters = uri.query().unwrap_or_default().split('&');
            let known = parameters.filter_map(|it| it.strip_prefix("after=")).next();
            let pieces = Pieces(log.document(known).into());
            respond(StatusCode::OK, JSON, Bytes::new()).map(|_| axum::body::Body::new(pieces))
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_CACHE);
    if let Some(etag) = etag {
        headers.insert(ETAG, etag);
    }
    response
}

fn events(
    list: &DenyList,
    headers: &HeaderMap,
    source: Option<IpAddr>,
    verifier: Option<&str>,
) -> Response {
    let known = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let Some(events) = list.follow(known, source, verifier) else {
        let text = Bytes::from_static(b"too many streams: ask for the list from time to time\n");
        let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text);
        response.headers_mut().insert(RETRY_AFTER, COME_BACK);
        return response;
    };
    let mut response = respond(StatusCode::OK, EVENTS, Bytes::new()).map(|_| events);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Whether `Accept` names events. Nobody names them by accident, so weights are not looked at.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut ranges = accepted.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    ranges.any(|range| {
        let media = range.split(|byte| *byte == b';').next().unwrap_or_default();
        media.trim_ascii().eq_ignore_ascii_case(EVENTS.as_bytes())
    })
}

/// A body of pieces that many responses share.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.0.iter().map(Bytes::len).sum::<usize>();
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}
