//! From the HTTP response to the value that a method returns.

use std::marker::PhantomData;

use bytes::Bytes;
use hallpass_upstream::Body;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, ErrorBody, FeignError};

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

/// `T` in JSON.
#[derive(Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

/// `Option<T>`: `None` for 404 and 204, else `T` in JSON.
#[derive(Debug)]
pub struct Optional<T>(PhantomData<fn() -> T>);

/// `()`: any success.
#[derive(Debug)]
pub struct Nothing;

/// `Bytes`: the body as it came.
#[derive(Debug)]
pub struct Whole;

/// `Body`: the body as it comes.
#[derive(Debug)]
pub struct Streamed;

impl<T: DeserializeOwned> FromResponse for Json<T> {
    type Value = T;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "application/json";

    fn read(response: Response<Received>) -> Result<T, FeignError> {
        decode(&whole(successful(response)?))
    }
}

impl<T: DeserializeOwned> FromResponse for Optional<T> {
    type Value = Option<T>;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "application/json";

    fn read(response: Response<Received>) -> Result<Option<T>, FeignError> {
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT => Ok(None),
            _ => decode(&whole(successful(response)?)).map(Some),
        }
    }
}

impl FromResponse for Nothing {
    type Value = ();
    const READING: Reading = Reading::Discarded;
    const ACCEPT: &'static str = "*/*";

    fn read(response: Response<Received>) -> Result<(), FeignError> {
        successful(response).map(drop)
    }
}

impl FromResponse for Whole {
    type Value = Bytes;
    const READING: Reading = Reading::Whole;
    const ACCEPT: &'static str = "*/*";

    fn read(response: Response<Received>) -> Result<Bytes, FeignError> {
        successful(response).map(whole)
    }
}

impl FromResponse for Streamed {
    type Value = Body;
    const READING: Reading = Reading::Streamed;
    const ACCEPT: &'static str = "*/*";

    fn read(response: Response<Received>) -> Result<Body, FeignError> {
        Ok(match successful(response)? {
            Received::Stream(body) => body,
            Received::Whole(bytes) => Body::from(bytes),
        })
    }
}

fn successful(response: Response<Received>) -> Result<Received, FeignError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body());
    }
    let body = ErrorBody::from(whole(response.into_body()));
    Err(FeignError::Status { status, body })
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
