//! A path with exactly one meaning.

use std::borrow::Cow;

use super::escape::{EncodedCharacters, check_byte, decode};
use super::fault::{MAX_PATH_BYTES, PathFault};
use super::loosest;

/// A request path with exactly one meaning: absolute, no dot or empty segments, no hidden separators.
///
/// A slash at the end stays and is part of the path: `/orders/` is not `/orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a> {
    raw: &'a str,
    decoded: Cow<'a, str>,
    loosest: Option<String>,
}

impl<'a> NormalPath<'a> {
    /// Reads the path part of a request target, without query.
    ///
    /// # Errors
    /// The first [`PathFault`] found.
    pub fn parse(path: &'a str) -> Result<Self, PathFault> {
        Self::parse_allowing(path, EncodedCharacters::default())
    }

    /// The same, with these characters allowed in percent encoding.
    ///
    /// # Errors
    /// The first [`PathFault`] found.
    pub fn parse_allowing(path: &'a str, allowed: EncodedCharacters) -> Result<Self, PathFault> {
        if path.len() > MAX_PATH_BYTES {
            return Err(PathFault::TooLong);
        }
        if !path.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        if is_usual(path) {
            return Ok(Self {
                raw: path,
                decoded: Cow::Borrowed(path),
                loosest: None,
            });
        }
        for byte in path.bytes() {
            check_byte(byte)?;
            if !byte.is_ascii() {
                return Err(PathFault::NotUtf8);
            }
        }
        let (decoded, hides_structure) = if path.contains('%') {
            let decoded = decode(path, allowed)?;
            (Cow::Owned(decoded.text), decoded.hides_structure)
        } else {
            (Cow::Borrowed(path), false)
        };
        check_segments(&decoded)?;
        let loosest = if hides_structure {
            Some(loosest::reading(path)?)
        } else {
            None
        };
        Ok(Self {
            raw: path,
            decoded,
            loosest,
        })
    }

    /// The path as it was sent, and as the handler sees it.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path with every percent escape decoded, but for slashes, backslashes and semicolons, which stay `%2F`, `%5C`
    /// and `%3B` where they are allowed; so it has the same segments.
    #[must_use]
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// The path as a program reads it that takes every escape for structure, if it has such escapes.
    pub(crate) fn loosest(&self) -> Option<&str> {
        self.loosest.as_deref()
    }

    /// Whether decoding changed anything.
    pub(crate) fn has_escapes(&self) -> bool {
        matches!(self.decoded, Cow::Owned(_))
    }
}

/// Whether there is nothing in an absolute path that could mean anything else: letters, digits, `-` and `_`, in segments that are not empty. Most paths
/// are so, and one look is enough for them.
fn is_usual(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let is_second_slash = byte == b'/' && before == b'/';
        before = byte;
        (byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_')) && !is_second_slash
    })
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
