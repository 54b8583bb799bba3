//! From the HTTP response to the value that a method returns.

mod text;

use std::marker::PhantomData;

use bytes::Bytes;
use hallpass_upstream::Body;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, ErrorBody, ErrorHeaders, FeignError};
use crate::events::Events;
use crate::spare_headers;

const EVENT_STREAM: &str = "text/event-stream";

/// What is left of an response's body when it reaches the decoder.
#[derive(Debug)]
pub enum Received {
    /// All of it, within the limit.
    Whole(Bytes),
    /// A successful response that the method hands on as it comes.
    Stream(Body),
}

/// What to do with the body of a successful response before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Read it within the limit; longer is an error.
    Whole,
    /// Read it within the limit, so that the connection can be used again, and forget it.
    Discarded,
    /// Leave it to the caller of the method.
    Streamed,
    /// Leave it to the caller, whatever the status says.
    Untouched,
}

/// How a kind of return type is read: implemented by the markers that the macro chooses from.
pub trait FromResponse {
    /// What the method returns.
    type Value;
    /// How the body is read.
    const READING: Reading;
    /// What the `Accept` header asks for.
    const ACCEPT: &'static str;

    /// Reads the response.
    ///
    /// # Errors
    /// A status that is not a success, or a body that is not a value of the type.
    fn read(response: Response<Received>) -> Result<Self::Value, FeignError>;
}

/// A [`FromResponse`] that looks at the head and does not keep it.
pub trait FromBody {
    /// As [`FromResponse::Value`].
    type Value;
    /// As [`FromResponse::READING`].
    const READING: Reading;
    /// As [`FromResponse::ACCEPT`].
    const ACCEPT: &'static str;

    /// Reads the body.
    ///
    /// # Errors
    /// As [`FromResponse::read`].
    fn read_body(head: &Parts, body: Received) -> Result<Self::Value, FeignError>;

    /// Whether this body of a successful response is no value at all: where the method returns an `Option`, it is `None` then.
    fn is_absent(_head: &Parts, body: &[u8]) -> bool {
        body.is_empty()
    }
}

impl<B: FromBody> FromResponse for B {
    type Value = B::Value;
    const READING: Reading = B::READING;
    const ACCEPT: &'static str = B::ACCEPT;

    fn read(response: Response<Received>) -> Result<B::Value, FeignError> {
        let (head, body) = response.into_parts();
        let value = B::read_body(&head, body);
        spare_headers::give_back(head.headers);
        value
    }
}

/// `Response<T>`: what `B` reads, with status and headers.
#[derive(Debug)]
pub struct WithHead<B>(PhantomData<fn() -> B>);

impl<B: FromBody> FromResponse for WithHead<B> {
    type Value = Response<B::Value>;
    const READING: Reading = B::READING;
    const ACCEPT: &'static str = B::ACCEPT;

    fn read(response: Response<Received>) -> Result<Response<B::Value>, FeignError> {
        let (head, body) = response.into_parts();
        let value = B::read_body(&head, body)?;
        Ok(Response::from_parts(head, value))
    }
}

/// The response as it comes, whatever its status.
#[derive(Debug)]
pub(crate) struct Untouched;

impl FromResponse for Untouched {
    type Value = Response<Body>;
    const READING: Reading = Reading::Untouched;
    const ACCEPT: &'static str = "*/*";

    fn read(response: Response<Received>) -> Result<Response<Body>, FeignError> {
        Ok(response.map(|body| match body {
            Received::Stream(body) => body,
            Received::Whole(bytes) => Body::from(bytes),
        }))
    }
}

/// `T` in JSON.
#[derive(Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

/// `Option<T>`: `None` for 404, 204 and a body that is no value, else what `B` reads.
#[derive(Debug)]
pub struct Optional<B>(PhantomData<fn() -> B>);

/// `String`: text, or a text in JSON, as the media type says.
#[derive(Debug)]
pub struct Text;

/// `()`: any success.
#[derive(Debug)]
pub struct Nothing;

/// `Bytes`: the body as it came.
#[derive(Debug)]
pub struct Whole;

/// `Body`: the body as it comes.
#[derive(Debug)]
pub struct Streamed;

/// `Events<T>`: server-sent events with data in JSON.
#[derive(Debug)]
pub struct JsonEvents<T>(PhantomData<fn() -> T>);

/// `Events`: server-sent events with data as it came.
#[derive(Debug)]
pub struct TextEvents;

impl<T: DeserializeOwned> FromBody for Json<T> {
    type Value = T;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "application/json";

    fn read_body(head: &Parts, body: Received) -> Result<T, FeignError> {
        decode(&whole(successful(head, body)?))
    }

    fn is_absent(_head: &Parts, body: &[u8]) -> bool {
        let body = body.trim_ascii();
        body.is_empty() || body == text::NULL
    }
}

impl<B: FromBody> FromBody for Optional<B> {
    type Value = Option<B::Value>;
    const READING: Reading = B::READING;
    const ACCEPT: &'static str = B::ACCEPT;

    fn read_body(head: &Parts, body: Received) -> Result<Option<B::Value>, FeignError> {
        if matches!(head.status, StatusCode::NOT_FOUND | StatusCode::NO_CONTENT) {
            return Ok(None);
        }
        match successful(head, body)? {
            // Spring's controllers answer so that return `null`.
            Received::Whole(bytes) if B::is_absent(head, &bytes) => Ok(None),
            body => B::read_body(head, body).map(Some),
        }
    }
}

impl FromBody for Text {
    type Value = String;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "text/plain, application/json;q=0.9, */*;q=0.8";

    fn read_body(head: &Parts, body: Received) -> Result<String, FeignError> {
        let body = whole(successful(head, body)?);
        text::read(head.headers.get(CONTENT_TYPE), body).map_err(FeignError::Decode)
    }

    fn is_absent(head: &Parts, body: &[u8]) -> bool {
        body.is_empty() || text::is_null(head.headers.get(CONTENT_TYPE), body)
    }
}

impl FromBody for Nothing {
    type Value = ();
    const READING: Reading = Reading::Discarded;
    const ACCEPT: &'static str = "*/*";

    fn read_body(head: &Parts, body: Received) -> Result<(), FeignError> {
        successful(head, body).map(drop)
    }
}

impl FromBody for Whole {
    type Value = Bytes;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "*/*";

    fn read_body(head: &Parts, body: Received) -> Result<Bytes, FeignError> {
        successful(head, body).map(whole)
    }
}

impl FromBody for Streamed {
    type Value = Body;
    const READING: Reading = Reading::Streamed;
    const ACCEPT: &'static str = "*/*";

    fn read_body(head: &Parts, body: Received) -> Result<Body, FeignError> {
        Ok(match successful(head, body)? {
            Received::Stream(body) => body,
            Received::Whole(bytes) => Body::from(bytes),
        })
    }
}

impl<T: DeserializeOwned> FromBody for JsonEvents<T> {
    type Value = Events<T>;
    const READING: Reading = Reading::Streamed;
    const ACCEPT: &'static str = EVENT_STREAM;

    fn read_body(head: &Parts, body: Received) -> Result<Events<T>, FeignError> {
        events(head, body, |data| decode(data.as_bytes()))
    }
}

impl FromBody for TextEvents {
    type Value = Events;
    const READING: Reading = Reading::Streamed;
    const ACCEPT: &'static str = EVENT_STREAM;

    fn read_body(head: &Parts, body: Received) -> Result<Events, FeignError> {
        events(head, body, Ok)
    }
}

fn events<T>(
    head: &Parts,
    body: Received,
    decode: fn(String) -> Result<T, FeignError>,
) -> Result<Events<T>, FeignError> {
    let body = Streamed::read_body(head, body)?;
    if head.status == StatusCode::NO_CONTENT {
        return Ok(Events::none());
    }
    let essence = text::essence(head.headers.get(CONTENT_TYPE));
    // WHATWG HTML section 9.2.3: anything else is no stream of events, such as the page of a proxy.
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case(EVENT_STREAM) => {
            Ok(Events::of_body(body, decode))
        }
        _ => Err(FeignError::Decode(DecodeError::no_events())),
    }
}

fn successful(head: &Parts, body: Received) -> Result<Received, FeignError> {
    let status = head.status;
    if status.is_success() {
        return Ok(body);
    }
    Err(FeignError::Status {
        status,
        headers: ErrorHeaders::from(head.headers.clone()),
        body: ErrorBody::from(whole(body)),
    })
}

fn whole(received: Received) -> Bytes {
    match received {
        Received::Whole(bytes) => bytes,
        // Only successful responses of streaming methods are streams; see `receive`.
        Received::Stream(_) => Bytes::new(),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FeignError> {
    serde_json::from_slice(bytes).map_err(|error| FeignError::Decode(DecodeError::new::<T>(&error)))
}
