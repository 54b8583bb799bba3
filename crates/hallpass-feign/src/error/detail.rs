//! What errors say of an argument that cannot be sent, and of a response that is not a result.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

/// Longest path and query, in bytes: the usual limit of a request line in servers and proxies.
pub(crate) const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Why a value cannot be sent. Never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentProblem {
    /// An empty path value would address another resource.
    #[error("a path value is not empty")]
    Empty,
    /// A path value that a server may read as `.` or `..`, also after decoding.
    #[error("a path value has no dot segment")]
    DotSegment,
    /// A path value with `/`, `\`, `;`, a control character or an escape such as `%41`: servers that read a path in one
    /// way only refuse it, also percent-encoded. See [`PathValues`](crate::PathValues).
    #[error(
        "a path value has no slash, backslash, semicolon, control character or escape (feign.clients.NAME.path-values)"
    )]
    UnsafePath,
    /// No number, text or sequence of these, so it has no form as a query parameter.
    #[error("it has no form as a query parameter")]
    NotPlain,
    /// A header value with control or non-ASCII characters.
    #[error("a header value is printable ASCII")]
    HeaderText,
    /// An interceptor has set a header that belongs to the identity of the call, to its body or to the connection, or one that is the
    /// same in all attempts of a call.
    #[error(
        "a header that belongs to the identity of the call, to its body or to the connection, or that its layers set"
    )]
    OwnedHeader,
    /// Interceptors have set more headers than a call may have, or one that is too long.
    #[error("more headers than a call may have of interceptors, or one that is too long")]
    TooManyHeaders,
    /// An interceptor has stopped the call.
    #[error("an interceptor has stopped the call")]
    Refused,
    /// The value could not be written as JSON or as a form.
    #[error("it could not be serialized")]
    Unserializable,
    /// Path and query together are longer than servers accept.
    #[error("path and query are longer than {limit} bytes", limit = MAX_TARGET_BYTES)]
    TooLong,
    /// A verb other than GET, HEAD, OPTIONS, PUT, DELETE, POST and PATCH.
    #[error("a verb that calls do not have")]
    Verb,
    /// The call needs a random number (an idempotency key, the boundary of a multipart body), and this system gives none.
    #[error("this system gives no random numbers")]
    NoRandomness,
}

/// The body of a response that is not a success. At most 64 KiB are kept:
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
    /// When it is not JSON of type `T`.
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

/// The headers of a response that is not a success: `Retry-After`, `Location` of a redirect that was not followed, a code of the
/// service's own. Hidden in `Debug`, because they may hold what is secret (`Set-Cookie`). Cheap to clone.
///
/// Those of two responses are hardly ever equal: there is a `Date` among them. A test that compares errors looks at status and body.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ErrorHeaders(Option<Arc<HeaderMap>>);

impl ErrorHeaders {
    /// The value of the header `name`, the first where there are several; `None` also for one that is not text. Case does not count.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name)?.to_str().ok()
    }

    /// All of them, as they came.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        self.0.as_deref().cloned().unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |headers| headers.len())
    }
}

impl fmt::Debug for ErrorHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorHeaders({} headers)", self.len())
    }
}

impl From<HeaderMap> for ErrorHeaders {
    fn from(headers: HeaderMap) -> Self {
        Self((!headers.is_empty()).then(|| Arc::new(headers)))
    }
}

/// A response that is not of the expected form: says where it fails, and never repeats what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Fault);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Json {
        expected: &'static str,
        kind: &'static str,
        line: usize,
        column: usize,
    },
    NoEvents,
    NoText,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Json {
                expected,
                kind,
                line,
                column,
            } => write!(
                f,
                "the response is not JSON of type {expected}: {kind} at line {line}, column {column}"
            ),
            Fault::NoEvents => f.write_str(
                "the response is no stream of events: its media type is not text/event-stream",
            ),
            Fault::NoText => f.write_str(
                "the response is no text: it is not UTF-8, and not in another charset that is read",
            ),
        }
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    /// From the parser's error, whose text is dropped: it quotes the response.
    #[must_use]
    pub fn new<T>(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "unreadable",
            serde_json::error::Category::Syntax => "syntax error",
            serde_json::error::Category::Data => "wrong type or missing field",
            serde_json::error::Category::Eof => "unexpected end",
        };
        Self(Fault::Json {
            expected: std::any::type_name::<T>(),
            kind,
            line: error.line(),
            column: error.column(),
        })
    }

    /// Of a response that should have been server-sent events.
    #[must_use]
    pub const fn no_events() -> Self {
        Self(Fault::NoEvents)
    }

    /// Of a response that should have been text.
    #[must_use]
    pub const fn no_text() -> Self {
        Self(Fault::NoText)
    }

    /// Line in the response, or in the data of the event, from 1; 0 where there is none.
    #[must_use]
    pub const fn line(&self) -> usize {
        match self.0 {
            Fault::Json { line, .. } => line,
            Fault::NoEvents | Fault::NoText => 0,
        }
    }

    /// Column in the line, from 1; 0 where there is none.
    #[must_use]
    pub const fn column(&self) -> usize {
        match self.0 {
            Fault::Json { column, .. } => column,
            Fault::NoEvents | Fault::NoText => 0,
        }
    }
}
