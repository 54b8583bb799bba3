//! The one reading of a request path that policy and handler share.
//!
//! A path that two programs could read differently is refused instead of repaired: a repaired path would be matched
//! by the policy and not be the one that the handler sees. Nothing is rewritten here.

use std::borrow::Cow;

use thiserror::Error;

/// Longest path that is looked at, in bytes. Longer ones are refused.
const MAX_PATH_BYTES: usize = 4096;

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
}

/// A request path with exactly one meaning: absolute, no dot or empty segments, no hidden separators.
///
/// A slash at the end stays and is part of the path: `/orders/` is not `/orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a> {
    raw: &'a str,
    decoded: Cow<'a, str>,
}

impl<'a> NormalPath<'a> {
    /// Reads the path part of a request target, without query.
    ///
    /// # Errors
    /// The first [`PathFault`] found.
    pub fn parse(path: &'a str) -> Result<Self, PathFault> {
        if path.len() > MAX_PATH_BYTES {
            return Err(PathFault::TooLong);
        }
        if !path.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        for byte in path.bytes() {
            check_byte(byte)?;
            if !byte.is_ascii() {
                return Err(PathFault::NotUtf8);
            }
        }
        let decoded = if path.contains('%') {
            Cow::Owned(decode(path)?)
        } else {
            Cow::Borrowed(path)
        };
        check_segments(&decoded)?;
        Ok(Self { raw: path, decoded })
    }

    /// The path as it was sent, and as the handler sees it.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path with every percent escape decoded; it has the same segments.
    #[must_use]
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// Whether decoding changed anything.
    pub(crate) fn has_escapes(&self) -> bool {
        matches!(self.decoded, Cow::Owned(_))
    }
}

fn check_byte(byte: u8) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::HiddenSeparator),
        b';' => Err(PathFault::Parameter),
        byte if byte.is_ascii_control() => Err(PathFault::ControlCharacter),
        _ => Ok(()),
    }
}

/// Decodes each escape once and refuses those that hide structure.
fn decode(path: &str) -> Result<String, PathFault> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let byte = (hex_value(*high)? << 4) | hex_value(*low)?;
                if byte == b'/' {
                    return Err(PathFault::HiddenSeparator);
                }
                check_byte(byte)?;
                decoded.push(byte);
                tail
            }
            [b'%', ..] => return Err(PathFault::BrokenEscape),
            [byte, tail @ ..] => {
                decoded.push(*byte);
                tail
            }
        };
    }
    if decoded.windows(3).any(is_escape) {
        return Err(PathFault::DoubleEscape);
    }
    String::from_utf8(decoded).map_err(|_| PathFault::NotUtf8)
}

fn hex_value(digit: u8) -> Result<u8, PathFault> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(PathFault::BrokenEscape),
    }
}

fn is_escape(window: &[u8]) -> bool {
    matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Looks at the decoded segments; the last one may be empty (a slash at the end).
fn check_segments(decoded: &str) -> Result<(), PathFault> {
    if decoded.contains("//") {
        return Err(PathFault::EmptySegment);
    }
    if decoded
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(PathFault::DotSegment);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
