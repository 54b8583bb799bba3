//! Server-sent events on their way down (WHATWG HTML, section 9.2).

mod parser;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::BoxStream;
use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http_body::Body as HttpBody;

use crate::error::FeignError;
use parser::{Parser, RawEvent};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T = String> {
    /// Its type: `message` where the stream says nothing.
    pub name: String,
    /// What it says.
    pub data: T,
    /// Where the stream goes on after it, if the service has said so: for the header `Last-Event-ID` of a later call.
    pub id: Option<String>,
}

impl<T> Event<T> {
    /// An event `message`, for a mock.
    pub fn new(data: T) -> Self {
        Self {
            name: "message".to_owned(),
            data,
            id: None,
        }
    }
}

/// The events that a service sends one after the other: what a method returns that is to follow a service.
///
/// `Events<T>` reads the data of each event as a `T` in JSON; `Events`, without a type, gives it as the text that came. The
/// deadline of the call is over with the headers of the response; how long to wait for an event is the reader's to say
/// (`tokio::time::timeout`). An event of more than 1 MiB is an error, and so is a stream that breaks off; both end it. A stream that the
/// service ends is `None`.
///
/// **What it does not do**: it does not connect again. A caller that wants to go on gives [`last_event_id`](Self::last_event_id) to
/// the next call, in an argument `#[header("Last-Event-ID")]`, after [`retry`](Self::retry).
///
/// ```
/// use hallpass_feign::{Events, FeignError, feign_client};
///
/// #[derive(serde::Deserialize)]
/// struct Moved {
///     place: String,
/// }
///
/// #[feign_client(name = "logistics-service", identity = "relay")]
/// trait Logistics {
///     #[get("/orders/{order_id}/moves")]
///     async fn moves(
///         &self,
///         order_id: u64,
///         #[header("Last-Event-ID")] last: Option<&str>,
///     ) -> Result<Events<Moved>, FeignError>;
/// }
///
/// # async fn example(logistics: impl Logistics) -> Result<(), FeignError> {
/// let mut moves = logistics.moves(7, None).await?;
/// while let Some(event) = moves.next().await {
///     println!("{}", event?.data.place);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Events<T = String> {
    source: Source<T>,
    /// Of a stream that has ended, or that is none of a service.
    last_event_id: Option<String>,
}

enum Source<T> {
    Wire {
        body: Body,
        parser: Box<Parser>,
        decode: fn(String) -> Result<T, FeignError>,
    },
    Given(BoxStream<'static, Result<Event<T>, FeignError>>),
    Ended {
        retry: Option<Duration>,
    },
}

impl<T> Events<T> {
    /// What a body holds.
    pub(crate) fn of_body(body: Body, decode: fn(String) -> Result<T, FeignError>) -> Self {
        Self::of(Source::Wire {
            body,
            parser: Box::default(),
            decode,
        })
    }

    /// No event, and the end: what a response without a body holds.
    pub(crate) fn none() -> Self {
        Self::of(Source::Ended { retry: None })
    }

    /// These, for a mock or a fallback.
    pub fn from_stream(
        events: impl Stream<Item = Result<Event<T>, FeignError>> + Send + 'static,
    ) -> Self {
        Self::of(Source::Given(Box::pin(events)))
    }

    fn of(source: Source<T>) -> Self {
        Self {
            source,
            last_event_id: None,
        }
    }

    /// The next event; `None` at the end of the stream, and after an error.
    ///
    /// # Errors
    /// [`FeignError::Decode`] for data that is no `T`; the stream goes on after it. [`FeignError::TooLarge`] and
    /// [`FeignError::Transport`], which end it.
    pub async fn next(&mut self) -> Option<Result<Event<T>, FeignError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Where the service says that the stream goes on: the `id` of the last event that had one.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        match &self.source {
            Source::Wire { parser, .. } => parser.last_event_id(),
            Source::Given(_) | Source::Ended { .. } => self.last_event_id.as_deref(),
        }
    }

    /// How long the service wants to be left alone before a caller connects again, if it has said so; at most a day.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        match &self.source {
            Source::Wire { parser, .. } => parser.retry(),
            Source::Given(_) => None,
            Source::Ended { retry } => *retry,
        }
    }

    fn end(&mut self) {
        self.last_event_id = self.last_event_id().map(str::to_owned);
        let retry = self.retry();
        self.source = Source::Ended { retry };
    }
}

impl<T> Stream for Events<T> {
    type Item = Result<Event<T>, FeignError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let (body, parser, decode) = match &mut self.source {
                Source::Wire {
                    body,
                    parser,
                    decode,
                } => (body, parser, *decode),
                Source::Given(events) => {
                    let next = ready!(events.as_mut().poll_next(cx));
                    if let Some(Ok(Event { id: Some(id), .. })) = &next {
                        self.last_event_id = Some(id.clone());
                    }
                    return Poll::Ready(next);
                }
                Source::Ended { .. } => return Poll::Ready(None),
            };
            let last = match parser.next() {
                Ok(Some(RawEvent { name, data })) => {
                    let id = parser.last_event_id().map(str::to_owned);
                    let event = decode(data).map(|data| Event { name, data, id });
                    return Poll::Ready(Some(event));
                }
                Ok(None) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers say nothing about events.
                        if let Ok(data) = frame.into_data() {
                            parser.push(data);
                        }
                        continue;
                    }
                    Some(Err(error)) => {
                        let error = TransportError::new(TransportErrorKind::Broken, error);
                        Some(FeignError::Transport(error))
                    }
                    // What has not been closed by an empty line is no event.
                    None => None,
                },
                Err(error) => Some(error),
            };
            self.end();
            return Poll::Ready(last.map(Err));
        }
    }
}

impl<T> Unpin for Events<T> {}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("last_event_id", &self.last_event_id())
            .finish_non_exhaustive()
    }
}
