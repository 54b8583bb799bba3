//! How a program reads a path that takes every escape for structure.

use super::escape::{check_byte, hex_value, is_escape};
use super::fault::PathFault;

/// Most times that a path is decoded; one that still has escapes then is refused.
const MAX_ROUNDS: usize = 3;

/// Decodes until nothing is left to decode, takes backslashes for slashes, cuts path parameters off and joins slashes.
///
/// # Errors
/// [`PathFault::DotSegment`] if that leads upwards or nowhere; the fault of what comes out otherwise.
pub(super) fn reading(path: &str) -> Result<String, PathFault> {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..MAX_ROUNDS {
        text = decode_once(&text);
    }
    if text.windows(3).any(is_escape) {
        return Err(PathFault::DoubleEscape);
    }
    let text = String::from_utf8(text).map_err(|_| PathFault::NotUtf8)?;
    let ends_open = text.ends_with(['/', '\\']);
    let mut reading = String::with_capacity(text.len());
    for segment in text.split(['/', '\\']) {
        let segment = segment.split(';').next().unwrap_or_default();
        if segment == "." || segment == ".." {
            return Err(PathFault::DotSegment);
        }
        for byte in segment.bytes() {
            check_byte(byte)?;
        }
        if !segment.is_empty() {
            reading.push('/');
            reading.push_str(segment);
        }
    }
    if ends_open || reading.is_empty() {
        reading.push('/');
    }
    Ok(reading)
}

fn decode_once(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escape = match rest {
            [b'%', high, low, tail @ ..] => hex_value(*high)
                .and_then(|high| Ok((high * 16 + hex_value(*low)?, tail)))
                .ok(),
            _ => None,
        };
        let (byte, tail) = escape.unwrap_or((*first, tail));
        decoded.push(byte);
        rest = tail;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_taken_for_structure() {
        for (path, read) in [
            ("/items/2024%2F001", "/items/2024/001"),
            ("/items/a%5Cb", "/items/a/b"),
            ("/items/a%3Bb/c", "/items/a/c"),
            ("/items/%3Bb", "/items"),
            ("/items/%2541", "/items/A"),
            ("/items/%25252F", "/items/"),
            ("/items/a%2F%2Fb", "/items/a/b"),
            ("/items/a%2F", "/items/a/"),
            ("/items/100%25", "/items/100%"),
        ] {
            assert_eq!(reading(path).as_deref(), Ok(read), "{path}");
        }
        for (path, fault) in [
            ("/items/%2F..%2Fadmin", PathFault::DotSegment),
            ("/items/..%3Bx", PathFault::DotSegment),
            ("/items/%252e%252e", PathFault::DotSegment),
            ("/items/%2500", PathFault::ControlCharacter),
            ("/items/%252525252541", PathFault::DoubleEscape),
            ("/items/%25ff%2Fa", PathFault::NotUtf8),
        ] {
            assert_eq!(reading(path), Err(fault), "{path}");
        }
    }
}
