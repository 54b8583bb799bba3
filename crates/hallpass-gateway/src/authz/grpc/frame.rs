//! One message of a unary call, as gRPC frames it, and what ends a call.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use prost::Message;

use super::status::Code;
use crate::answer_body::AnswerBody;

/// Longest message that is read. Heads of requests are shorter; bodies, which Envoy can be told to send, are not looked at.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// A flag for compression, and four bytes of length.
const PREFIX_BYTES: usize = 5;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Why no message could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is longer than is read.
    TooLong,
    /// It is compressed, which was not agreed on.
    Compressed,
    /// It did not come whole, or there is more than one.
    Broken,
}

/// The one message of a call.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Limited::new(body, MAX_MESSAGE_BYTES + PREFIX_BYTES);
    let whole = limited
        .collect()
        .await
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => Unread::TooLong,
            false => Unread::Broken,
        })?;
    message(whole.to_bytes())
}

fn message(mut bytes: Bytes) -> Result<Bytes, Unread> {
    let Some((&[compressed, a, b, c, d], message)) = bytes.split_first_chunk::<PREFIX_BYTES>()
    else {
        return Err(Unread::Broken);
    };
    if compressed != 0 {
        return Err(Unread::Compressed);
    }
    match usize::try_from(u32::from_be_bytes([a, b, c, d])) {
        Ok(length) if length == message.len() => Ok(bytes.split_off(PREFIX_BYTES)),
        _ => Err(Unread::Broken),
    }
}

/// A call that has gone well, with its one message.
pub(super) fn reply(message: &impl Message) -> Response<AnswerBody> {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
    let Ok(prefix) = u32::try_from(length) else {
        return end(Code::Unavailable);
    };
    bytes.put_u8(0);
    bytes.put_u32(prefix);
    if message.encode(&mut bytes).is_err() {
        return end(Code::Unavailable);
    }
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from(Code::Ok as i32));
    let mut response = Response::new(AnswerBody::with_trailers(bytes.freeze(), trailers));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// A call that ends without a message.
pub(super) fn end(code: Code) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(code as i32));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_alone_and_as_it_is() {
        let framed = |bytes: &'static [u8]| message(Bytes::from_static(bytes));
        assert_eq!(framed(b"\0\0\0\0\x02ab").as_deref(), Ok(&b"ab"[..]));
        assert_eq!(framed(b"\0\0\0\0\0").as_deref(), Ok(&b""[..]));
        for bytes in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x03ab",
            b"\0\0\0\0\x01ab",
            b"\0\xff\xff\xff\xffab",
        ] {
            assert_eq!(framed(bytes), Err(Unread::Broken), "{bytes:?}");
        }
        assert_eq!(framed(b"\x01\0\0\0\x02ab"), Err(Unread::Compressed));
    }
}
