//! Reading `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3).

/// Challenges longer than this are not read.
const MAX_CHALLENGE_BYTES: usize = 4096;

/// Whether a `Bearer` challenge in this header value has `error="invalid_token"`.
///
/// A value may hold several challenges, separated by commas like their parameters; a quoted string may hold
/// anything, the word `invalid_token` too.
pub(super) fn says_invalid_token(value: &[u8]) -> bool {
    if value.len() > MAX_CHALLENGE_BYTES {
        return false;
    }
    let mut in_bearer = false;
    for element in elements(value) {
        let parameter = match split_scheme(element) {
            Some((scheme, parameter)) => {
                in_bearer = scheme.eq_ignore_ascii_case(b"bearer");
                parameter
            }
            None => element,
        };
        if in_bearer && is_invalid_token(parameter) {
            return true;
        }
    }
    false
}

/// The parts between commas that stand outside quoted strings.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |byte| {
            match (*byte, quoted, escaped) {
                (_, true, true) => escaped = false,
                (b'\\', true, false) => escaped = true,
                (b'"', _, _) => quoted = !quoted,
                _ => {}
            }
            *byte == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
}

/// `Bearer realm="x"` into scheme and first parameter; `None` for a bare parameter.
fn split_scheme(element: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = element
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b'='));
    let Some(end) = end else {
        return Some((element, &[]));
    };
    let (word, rest) = element.split_at_checked(end)?;
    let rest = rest.trim_ascii_start();
    // `error = "x"` is a parameter with spaces around its sign; `Bearer error="x"` is a scheme.
    if rest.starts_with(b"=") {
        None
    } else {
        Some((word, rest))
    }
}

fn is_invalid_token(parameter: &[u8]) -> bool {
    let mut halves = parameter.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let value = halves.next().unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"error")
        && (value == b"\"invalid_token\"" || value == b"invalid_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_token_challenge_is_found_among_others() {
        for value in [
            r#"Bearer error="invalid_token""#,
            r#"bearer realm="shop", error="invalid_token", error_description="expired""#,
            r#"Basic realm="x", Bearer realm="y", error="invalid_token""#,
            r#"Bearer realm="a, b \" c", error = invalid_token"#,
            r#"Negotiate, Bearer error=invalid_token"#,
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
        ] {
            assert!(!says_invalid_token(value.as_bytes()), "{value}");
        }
        let long = format!(
            r#"Bearer realm="{}", error="invalid_token""#,
            "x".repeat(5_000)
        );
        assert!(!says_invalid_token(long.as_bytes()));
    }
}
