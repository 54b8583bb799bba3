//! What is kept of an answer that is no result.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

/// The body of an answer that is no success. At most [`MAX_ERROR_BODY_BYTES`](crate::MAX_ERROR_BODY_BYTES) are kept:
/// a longer body is dropped whole. Hidden in `Debug`, because it may repeat what was sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ErrorBody(Bytes);

impl ErrorBody {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The body as JSON, for services that say more about a refusal.
    ///
    /// # Errors
    /// When it is no JSON of type `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_slice(&self.0).map_err(|error| DecodeError::new::<T>(&error))
    }
}

impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorBody({} bytes)", self.0.len())
    }
}

impl From<Bytes> for ErrorBody {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<String> for ErrorBody {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&'static str> for ErrorBody {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

/// An answer that is no JSON of the expected type: says where, and not what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no JSON of type {expected}: {kind} at line {line}, column {column}")]
pub struct DecodeError {
    expected: &'static str,
    kind: &'static str,
    line: usize,
    column: usize,
}

impl DecodeError {
    /// From the parser's error, whose text is dropped: it quotes the answer.
    #[must_use]
    pub fn new<T>(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "syntax error",
            serde_json::error::Category::Data => "wrong type or missing field",
            serde_json::error::Category::Eof => "unexpected end",
        };
        Self {
            expected: std::any::type_name::<T>(),
            kind,
            line: error.line(),
            column: error.column(),
        }
    }

    /// Line in the answer, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Column in the line, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }
}
