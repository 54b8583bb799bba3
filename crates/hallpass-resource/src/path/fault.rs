//! Why a path has no single meaning.

use thiserror::Error;

/// Longest path that is looked at, in bytes. Longer ones are refused.
pub(super) const MAX_PATH_BYTES: usize = 4096;

/// Why a path has no single meaning.
///
/// Each one leads to a 400 with the code `ambiguous_path`; the log alone says which it was.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathFault {
    /// Longer than 4096 bytes.
    #[error("the path is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// Does not begin with `/` (as `OPTIONS *` or a CONNECT target).
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// Two slashes in a row.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A segment `.` or `..`, written out or percent-encoded.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A slash or backslash, percent-encoded, or a plain backslash: some programs take it as a separator.
    #[error("the path has a hidden separator")]
    HiddenSeparator,
    /// A semicolon: servlet containers cut path parameters off before they route (RFC 3986 section 3.3).
    #[error("the path has a path parameter")]
    Parameter,
    /// A control character, NUL included, plain or percent-encoded.
    #[error("the path has a control character")]
    ControlCharacter,
    /// A percent sign without two hexadecimal digits behind it.
    #[error("the path has a broken percent escape")]
    BrokenEscape,
    /// An escape that decodes to an escape again (`%252e`).
    #[error("the path is percent-encoded twice")]
    DoubleEscape,
    /// The decoded bytes are not UTF-8 (overlong forms included), or a byte above ASCII stands unescaped.
    #[error("the path is not UTF-8 text in percent encoding")]
    NotUtf8,
    /// Read as written and read decoded, the path falls under different rules.
    #[error("the path falls under different rules as written and decoded")]
    TwoRules,
    /// Between the router and this layer, something has put another path in place of the one that was routed.
    #[error("the path was rewritten after it was routed")]
    Rewritten,
}
