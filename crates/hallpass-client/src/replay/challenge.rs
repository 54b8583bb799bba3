//! Reading `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// Challenges longer than this are not read.
const MAX_CHALLENGE_BYTES: usize = 4096;

/// Whether the headers of a response say that its request's bearer token is invalid (RFC 6750 section 3.1), in any of its `WWW-Authenticate`: for
/// code that renews tokens by itself ([`TokenHandle::renew_rejected`](crate::TokenHandle::renew_rejected)). The status is not looked at.
#[must_use]
pub fn rejects_bearer_token(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    challenges.any(|value| says(value.as_bytes(), b"Bearer", b"invalid_token"))
}

/// Whether a `Bearer` challenge in this header value has `error="invalid_token"`.
///
/// A value may hold several challenges. Between them, and between their parameters, stand commas or, as gateways of AWS
/// write them, spaces alone; a quoted string may hold anything, the word `invalid_token` too.
pub(super) fn says(value: &[u8], scheme: &[u8], error: &[u8]) -> bool {
    if value.len() > MAX_CHALLENGE_BYTES {
        return false;
    }
    let (mut rest, mut in_scheme) = (value, false);
    while let Some((item, behind)) = next_item(rest) {
        match item {
            Item::Scheme(name) => in_scheme = name.eq_ignore_ascii_case(scheme),
            Item::Parameter { name, value } => {
                let is_error = name.eq_ignore_ascii_case(b"error");
                if in_scheme && is_error && value == error {
                    return true;
                }
            }
        }
        rest = behind;
    }
    false
}

/// A word with a `=` behind it, which may have spaces around it, is a parameter; any other word is a scheme (or the
/// credentials of one, which then begin no `Bearer` challenge).
enum Item<'a> {
    Scheme(&'a [u8]),
    Parameter {
        name: &'a [u8],
        /// Without its quotes.
        value: &'a [u8],
    },
}

/// The next item, and what stands behind it.
fn next_item(text: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let start = text.iter().position(|byte| !is_between(*byte))?;
    let (_, text) = text.split_at_checked(start)?;
    let (word, rest) = split_where(text, |byte| is_between(byte) || byte == b'=');
    let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else {
        return Some((Item::Scheme(word), rest));
    };
    let (value, rest) = split_value(value.trim_ascii_start());
    Some((Item::Parameter { name: word, value }, rest))
}

fn split_value(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return split_where(text, is_between);
    };
    let mut escaped = false;
    let (value, rest) = split_where(quoted, |byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    (value, rest.strip_prefix(b"\"").unwrap_or_default())
}

fn split_where(text: &[u8], mut ends: impl FnMut(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| ends(*byte));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, &[]))
}

const fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b','
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says_invalid_token(value: &[u8]) -> bool {
        says(value, b"bearer", b"invalid_token")
    }

    #[test]
    fn the_challenge_of_another_scheme_says_nothing_about_this_one() {
        let value = br#"Bearer realm="x", error="invalid_token", dpop algs="ES256", error="use_dpop_nonce""#;
        assert!(says(value, b"bearer", b"invalid_token"));
        assert!(says(value, b"dpop", b"use_dpop_nonce"));
        assert!(!says(value, b"dpop", b"invalid_token"));
        assert!(!says(value, b"bearer", b"use_dpop_nonce"));
    }

    #[test]
    fn an_invalid_token_challenge_is_found_among_others() {
        for value in [
            r#"Bearer error="invalid_token""#,
            r#"bearer realm="shop", error="invalid_token", error_description="expired""#,
            r#"Basic realm="x", Bearer realm="y", error="invalid_token""#,
            r#"Bearer realm="a, b \" c", error = invalid_token"#,
            r#"Negotiate, Bearer error=invalid_token"#,
            r#"Bearer scope="" error="invalid_token" error_description="unable to decode""#,
            r#"Bearer realm="a b" error="invalid_token""#,
            r#"Basic realm="x" Bearer error="invalid_token""#,
            "Bearer\trealm=\"x\"\terror=\"invalid_token\"",
            r#"Negotiate oRQwEg== , Bearer error = "invalid_token""#,
        ] {
            assert!(says_invalid_token(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_is_no_invalid_token_challenge_of_the_bearer_scheme_is_not_taken_for_one() {
        for value in [
            "",
            "Bearer",
            r#"Bearer realm="shop""#,
            r#"Bearer error="insufficient_scope""#,
            r#"Bearer error_description="invalid_token""#,
            r#"Bearer realm="error=\"invalid_token\"""#,
            r#"Bearer realm="x, error=invalid_token""#,
            r#"Bearer realm="x", Basic error="invalid_token""#,
            r#"DPoP error="invalid_token""#,
            r#"Bearer realm="x" DPoP error="invalid_token""#,
            r#"Bearer scope="a" error="insufficient_scope" error_description="invalid_token""#,
            r#"Bearer realm="x error=invalid_token"#,
            r#"Bearer realm="\\" error=invalid_token_or_not"#,
            r#"Bearer "x error=invalid_token""#,
            "=",
            "Bearer error",
            "Bearer error=",
            "Bearer ,,, =invalid_token",
        ] {
            assert!(!says_invalid_token(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_challenge_of_4096_bytes_is_read_and_no_longer_one() {
        let begin = r#"Bearer error="invalid_token", realm=""#;
        let longest = format!("{begin}{}", "x".repeat(MAX_CHALLENGE_BYTES - begin.len()));
        assert!(says_invalid_token(longest.as_bytes()));
        let long = format!("{longest}x");
        assert!(!says_invalid_token(long.as_bytes()));
    }
}
