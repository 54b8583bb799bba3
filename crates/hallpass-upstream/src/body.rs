//! Request and response bodies of outgoing calls.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

/// Any error, as tower layers and bodies pass it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an outgoing request or of its response.
///
/// Empty and in-memory bodies can be sent again ([`Body::try_clone`]); streams are sent once.
#[derive(Default)]
pub struct Body {
    kind: Kind,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Option<Bytes>),
    Incoming(Incoming),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// A body without content.
    #[must_use]
    pub const fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// Wraps any http body. It cannot be sent twice, so a call with it is neither retried nor replayed. Its length is sent where it
    /// says one.
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        Self::streamed(Wrapped { body })
    }

    /// What is read as it comes, in our types already.
    pub(crate) fn streamed<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Self {
            kind: Kind::Stream(Box::pin(body)),
        }
    }

    /// Whether it is neither empty nor in memory: it can be sent once, and comes as its source gives it.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Incoming(_) | Kind::Stream(_))
    }

    /// A second body with the same content, or `None` for a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        match &self.kind {
            Kind::Empty => Some(Self::empty()),
            Kind::Full(bytes) => Some(Self {
                kind: Kind::Full(bytes.clone()),
            }),
            Kind::Incoming(_) | Kind::Stream(_) => None,
        }
    }

    /// The content of a body that is in memory; `None` for a stream.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self.kind {
            Kind::Empty => Some(Bytes::new()),
            Kind::Full(bytes) => Some(bytes.unwrap_or_default()),
            Kind::Incoming(_) | Kind::Stream(_) => None,
        }
    }

    /// Reads the whole body into memory.
    ///
    /// # Errors
    /// [`CollectError::TooLarge`] as soon as more than `limit` bytes have come (or are announced);
    /// [`CollectError::Broken`] when the body ends early.
    pub async fn collect_within(mut self, limit: usize) -> Result<Bytes, CollectError> {
        let announced = self.size_hint().lower();
        if announced > limit as u64 {
            return Err(CollectError::TooLarge { limit });
        }
        let mut collected = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame.map_err(CollectError::Broken)?.into_data() else {
                continue;
            };
            if collected.len() + data.len() > limit {
                return Err(CollectError::TooLarge { limit });
            }
            if collected.is_empty() && self.is_end_stream() {
                return Ok(data);
            }
            collected.extend_from_slice(&data);
        }
        Ok(collected.freeze())
    }
}

pin_project! {
    /// Any body, with our types. It keeps the length, which `map_frame` of http-body-util forgets.
    struct Wrapped<B> {
        #[pin]
        body: B,
    }
}

impl<B> HttpBody for Wrapped<B>
where
    B: HttpBody,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.project().body.poll_frame(cx));
        let copied = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(copied)),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why [`Body::collect_within`] gave up.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// More than the allowed number of bytes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was given, in bytes.
        limit: usize,
    },
    /// The connection failed before the body's end.
    #[error("the body ended early")]
    Broken(#[source] BoxError),
}

/// Copies a request so that it can be sent again: `None` when its body is a stream.
///
/// Extensions come along, so the copy carries the same identity context.
#[must_use]
pub fn try_clone_request(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(Some(bytes)),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self {
            kind: Kind::Incoming(body),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|bytes| !bytes.is_empty())
                    .map(|bytes| Ok(Frame::data(bytes))),
            ),
            Kind::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

/// Shows the kind and the size, never the content.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Kind::Incoming(_) => f.write_str("Body(incoming)"),
            Kind::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_in_memory_body_can_be_sent_again_and_a_stream_cannot() {
        let body = Body::from("again");
        let copy = body.try_clone().unwrap();
        assert_eq!(body.collect_within(5).await.unwrap(), "again");
        assert_eq!(copy.collect_within(5).await.unwrap(), "again");
        let stream = Body::wrap(Body::from("once"));
        assert!(stream.try_clone().is_none());
        assert_eq!(stream.size_hint().exact(), Some(4));
    }

    #[tokio::test]
    async fn collecting_stops_at_the_limit() {
        let stream = Body::wrap(Body::from(vec![b'x'; 1000]));
        assert!(matches!(
            stream.collect_within(999).await,
            Err(CollectError::TooLarge { limit: 999 })
        ));
        let announced = Body::from(vec![b'x'; 1000]);
        assert!(matches!(
            announced.collect_within(10).await,
            Err(CollectError::TooLarge { limit: 10 })
        ));
    }

    #[test]
    fn debug_shows_no_content() {
        let text = format!("{:?}", Body::from("client_secret=hunter2"));
        assert_eq!(text, "Body(21 bytes)");
    }
}
