//! Values inside a path.

use std::fmt::{Display, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::ArgumentProblem;
use crate::settings::PathValues;

/// RFC 3986 section 2.3: what is not unreserved is encoded, so a value stays inside its segment.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Appends `value` to `path` as text inside one segment. Most values stand there as they are, and then nothing is allocated for them.
///
/// Refused are an empty value, which would make another path of the template, and a value that a server reads as a
/// dot segment once it has decoded it (RFC 3986 section 5.2.4): `..`, `a/../b`, `..\`, `%2e%2e`. With
/// [`PathValues::Safe`] so is what servers refuse by themselves when they find it in a path, decoded or not.
pub(super) fn push(
    path: &mut String,
    value: &(impl Display + ?Sized),
    allowed: PathValues,
) -> Result<(), ArgumentProblem> {
    let begins_at = path.len();
    write!(path, "{value}").map_err(|_| ArgumentProblem::Unserializable)?;
    let value = path.get(begins_at..).unwrap_or_default();
    check(value, allowed)?;
    if !value.bytes().all(is_unreserved) {
        let value = path.split_off(begins_at);
        path.extend(utf8_percent_encode(&value, ENCODED));
    }
    Ok(())
}

fn check(value: &str, allowed: PathValues) -> Result<(), ArgumentProblem> {
    if value.is_empty() {
        return Err(ArgumentProblem::Empty);
    }
    if has_dot_segment(value) || has_dot_segment(&percent_decode_str(value).decode_utf8_lossy()) {
        return Err(ArgumentProblem::DotSegment);
    }
    if allowed == PathValues::Safe && !is_safe(value) {
        return Err(ArgumentProblem::UnsafePath);
    }
    Ok(())
}

/// What [`ENCODED`] leaves as it is.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a server that reads each path in one way only takes this in a segment: no separator, no path parameter, no
/// control character, and nothing that is an escape once more after it was decoded.
fn is_safe(value: &str) -> bool {
    let is_escape = |window: &[u8]| matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let is_separator = |byte: u8| matches!(byte, b'/' | b'\\' | b';') || byte.is_ascii_control();
    !value.bytes().any(is_separator) && !value.as_bytes().windows(3).any(is_escape)
}

/// Whether a whole path, read as it is, decoded, or without parameters (`..;x`, as some servers read it), has a dot segment.
pub(crate) fn leaves_its_place(path: &str) -> bool {
    let has_any = |text: &str| {
        let segments = text.split(['/', '\\']);
        segments
            .filter_map(|segment| segment.split(';').next())
            .any(|segment| matches!(segment, "." | ".."))
    };
    has_any(path) || has_any(&percent_decode_str(path).decode_utf8_lossy())
}

fn has_dot_segment(text: &str) -> bool {
    text.split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::push;
    use crate::error::ArgumentProblem;
    use crate::settings::PathValues;

    fn encoded(value: &str) -> Result<String, ArgumentProblem> {
        let mut path = String::new();
        push(&mut path, value, PathValues::Any).map(|()| path)
    }

    #[test]
    fn a_value_that_servers_refuse_in_a_path_is_refused_here() {
        let safe = |value: &str| push(&mut String::new(), value, PathValues::Safe);
        for value in [
            "2024/001", "a\\b", "a;b", "%41", "a%2fb", "a\r\nb", "\u{0}", "\u{7f}",
        ] {
            assert_eq!(safe(value), Err(ArgumentProblem::UnsafePath), "{value}");
        }
        for value in [
            "2024-001", "100%", "5%x1", "a b", "a+b", "a:b@c", "a?b#c", "\u{8ba2}",
        ] {
            assert_eq!(safe(value), Ok(()), "{value}");
        }
        assert_eq!(safe(".."), Err(ArgumentProblem::DotSegment));
    }

    #[test]
    fn a_value_is_percent_encoded_into_one_segment() {
        for (value, expected) in [
            ("42", "42"),
            ("a b", "a%20b"),
            ("a/b", "a%2Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("100%", "100%25"),
            ("%2f", "%252f"),
            ("...", "..."),
            (".hidden", ".hidden"),
            ("a\r\nb", "a%0D%0Ab"),
            ("\u{8ba2}\u{5355}", "%E8%AE%A2%E5%8D%95"),
            ("A-Z.a_z~", "A-Z.a_z~"),
        ] {
            assert_eq!(encoded(value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_value_that_leaves_its_segment_is_refused() {
        for value in [
            ".",
            "..",
            "../",
            "../admin",
            "a/../b",
            "a/..",
            "./a",
            "..\\admin",
            "%2e%2e",
            "%2E%2e/x",
            ".%2e",
            "%2e",
            "a%2f..%2fb",
        ] {
            assert_eq!(encoded(value), Err(ArgumentProblem::DotSegment), "{value}");
        }
        assert_eq!(encoded(""), Err(ArgumentProblem::Empty));
    }

    proptest! {
        #[test]
        fn what_is_sent_is_one_segment_that_decodes_to_the_value(value in "\\PC{1,40}|[./%2eEfF\\\\a]{1,12}") {
            let Ok(path) = encoded(&value) else { return Ok(()) };
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{}", path);
            prop_assert!(path != "." && path != "..");
            prop_assert_eq!(percent_decode_str(&path).decode_utf8().unwrap(), value);
        }
    }
}
