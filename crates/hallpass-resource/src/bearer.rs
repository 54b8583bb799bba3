//! The one place where credentials are taken from a request: the `Authorization` header, nothing else.
//!
//! A token in the query or in a form body (RFC 6750 sections 2.2 and 2.3) is not looked at: it ends up in logs and
//! histories, and two ways in are one too many.

use hallpass_token::{BearerSyntaxError, VerifyError, parse_bearer};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::Denial;

/// Room for `Bearer ` and a few spaces more in front of the token, in bytes.
const SCHEME_BYTES: usize = 16;

/// The bearer token of a request, or `None` when it carries no bearer credentials.
///
/// Another scheme, such as `Basic`, counts as no bearer credentials: a handler on an anonymous route may have its
/// own use for it, however long they are. The length of a token is checked before it is parsed.
///
/// # Errors
/// [`Denial::SeveralAuthorizationHeaders`] for more than one header, whatever is in them;
/// [`VerifyError::TooLarge`]; [`Denial::Bearer`] for the scheme `Bearer` with anything but one token behind it.
pub(crate) fn bearer_token(
    headers: &HeaderMap,
    max_token_bytes: usize,
) -> Result<Option<&str>, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Denial::SeveralAuthorizationHeaders);
    }
    if value.len() > max_token_bytes.saturating_add(SCHEME_BYTES) {
        return if is_bearer(value.as_bytes()) {
            Err(VerifyError::TooLarge.into())
        } else {
            Ok(None)
        };
    }
    match parse_bearer(value.as_bytes()) {
        Ok(token) => Ok(Some(token)),
        Err(BearerSyntaxError::Scheme) => Ok(None),
        Err(fault) => Err(Denial::Bearer(fault)),
    }
}

/// Whether the scheme is `Bearer`, whatever follows.
fn is_bearer(value: &[u8]) -> bool {
    let scheme = value.split(|byte| *byte == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, Denial> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer_token(&headers, 100).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn exactly_one_bearer_header_is_read() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["bEARER abc"]), Ok(Some("abc".to_owned())));
        assert_eq!(read(&["Basic YTpi"]), Ok(None));
        for pair in [
            ["Bearer abc", "Bearer abc"],
            ["Bearer abc", "Basic YTpi"],
            ["Basic YTpi", "Bearer abc"],
        ] {
            assert_eq!(
                read(&pair),
                Err(Denial::SeveralAuthorizationHeaders),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn a_broken_header_is_not_taken_for_none() {
        assert_eq!(
            read(&["Bearer"]),
            Err(Denial::Bearer(BearerSyntaxError::MissingToken))
        );
        assert_eq!(
            read(&["Bearer a, Bearer b"]),
            Err(Denial::Bearer(BearerSyntaxError::Charset))
        );
        assert_eq!(
            read(&["Bearer \"a\""]),
            Err(Denial::Bearer(BearerSyntaxError::Charset))
        );
    }

    #[test]
    fn a_long_header_is_refused_before_it_is_parsed() {
        let long = format!("Bearer {}", "a".repeat(200));
        assert_eq!(read(&[&long]), Err(Denial::Token(VerifyError::TooLarge)));
        let long = format!("bEARER  {}", "a".repeat(200));
        assert_eq!(read(&[&long]), Err(Denial::Token(VerifyError::TooLarge)));
        // Credentials of another scheme, such as tickets of Kerberos, may be as long as they like.
        let long = format!("Negotiate {}", "a".repeat(200));
        assert_eq!(read(&[&long]), Ok(None));
    }

    #[test]
    fn a_header_is_long_when_it_is_longer_than_the_longest_token_and_its_scheme() {
        let of_bytes = |bytes: usize| format!("Bearer {}", "a".repeat(bytes - 7));
        let limit = 100 + SCHEME_BYTES;
        assert!(read(&[&of_bytes(limit)]).is_ok());
        let longer = read(&[&of_bytes(limit + 1)]);
        assert_eq!(longer, Err(Denial::Token(VerifyError::TooLarge)));
    }

    #[test]
    fn the_largest_limit_there_is_means_no_limit() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(bearer_token(&headers, usize::MAX), Ok(Some("abc")));
    }
}
