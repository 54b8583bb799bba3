//! What is wrong with the value of an argument.

/// Longest path and query, in bytes: the usual limit of a request line in servers and proxies.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Why a value can not be sent. Never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentProblem {
    /// An empty path value would address another resource.
    #[error("a path value is not empty")]
    Empty,
    /// A path value that a server may read as `.` or `..`, also after decoding.
    #[error("a path value has no dot segment")]
    DotSegment,
    /// No number, text or sequence of these, so it has no form as a query parameter.
    #[error("it has no form as a query parameter")]
    NotPlain,
    /// A header value with control or non-ASCII characters.
    #[error("a header value is printable ASCII")]
    HeaderText,
    /// The value could not be written as JSON or as a form.
    #[error("it could not be serialized")]
    Unserializable,
    /// Path and query together are longer than servers accept.
    #[error("path and query are longer than {limit} bytes", limit = MAX_TARGET_BYTES)]
    TooLong,
}
