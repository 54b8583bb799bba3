//! The one place where credentials are taken from a request: the `Authorization` header, nothing else.
//!
//! A token in the query or in a form body (RFC 6750 sections 2.2 and 2.3) is not looked at: it ends up in logs and
//! histories, and two ways in are one too many.

use hallpass_token::{BearerSyntaxError, VerifyError, parse_bearer, parse_dpop};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::Denial;

/// Room for `Bearer ` and a few spaces more in front of the token, in bytes.
const SCHEME_BYTES: usize = 16;

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// By whoever has it (RFC 6750).
    Bearer,
    /// With a proof that it is the sender's (RFC 9449 section 7.1).
    Dpop,
}

/// A token in a request, of which nothing is known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented<'h> {
    pub(crate) scheme: Scheme,
    pub(crate) token: &'h str,
}

/// The token of a request, or `None` when it carries neither bearer credentials nor those of `DPoP`.
///
/// Another scheme, such as `Basic`, counts as no credentials: a handler on an anonymous route may have its
/// own use for it, however long they are. The length of a token is checked before it is parsed.
///
/// # Errors
/// [`Denial::SeveralAuthorizationHeaders`] for more than one header, whatever is in them;
/// [`VerifyError::TooLarge`]; [`Denial::Bearer`] for one of the schemes with anything but one token behind it.
pub(crate) fn presented_token(
    headers: &HeaderMap,
    max_token_bytes: usize,
) -> Result<Option<Presented<'_>>, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Denial::SeveralAuthorizationHeaders);
    }
    let Some(scheme) = scheme_of(value.as_bytes()) else {
        return Ok(None);
    };
    if value.len() > max_token_bytes.saturating_add(SCHEME_BYTES) {
        return Err(VerifyError::TooLarge.into());
    }
    let token = match scheme {
        Scheme::Bearer => parse_bearer(value.as_bytes()),
        Scheme::Dpop => parse_dpop(value.as_bytes()),
    };
    match token {
        Ok(token) => Ok(Some(Presented { scheme, token })),
        Err(BearerSyntaxError::Scheme) => Ok(None),
        Err(fault) => Err(Denial::Bearer(fault)),
    }
}

/// By which scheme the request speaks to this service, for what it is told: `Bearer` unless it has chosen `DPoP`.
pub(crate) fn spoken_scheme(headers: &HeaderMap) -> Scheme {
    let value = headers.get(AUTHORIZATION);
    let scheme = value.and_then(|value| scheme_of(value.as_bytes()));
    scheme.unwrap_or(Scheme::Bearer)
}

/// The scheme, whatever follows.
fn scheme_of(value: &[u8]) -> Option<Scheme> {
    let name = value.split(|byte| *byte == b' ').next()?;
    if name.eq_ignore_ascii_case(b"bearer") {
        Some(Scheme::Bearer)
    } else if name.eq_ignore_ascii_case(b"dpop") {
        Some(Scheme::Dpop)
    } else {
        None
    }
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
        presented_token(&headers, 100).map(|it| it.map(|it| it.token.to_owned()))
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
    fn each_scheme_is_told_from_the_other() {
        let mut headers = HeaderMap::new();
        for (value, scheme) in [("Bearer abc", Scheme::Bearer), ("dPoP abc", Scheme::Dpop)] {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            let read = presented_token(&headers, 100).unwrap().unwrap();
            assert_eq!((read.scheme, read.token), (scheme, "abc"));
            assert_eq!(spoken_scheme(&headers), scheme);
        }
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert_eq!(spoken_scheme(&headers), Scheme::Bearer);
        assert_eq!(spoken_scheme(&HeaderMap::new()), Scheme::Bearer);
    }

    #[test]
    fn a_broken_header_is_not_taken_for_none() {
        assert_eq!(
            read(&["Bearer"]),
            Err(Denial::Bearer(BearerSyntaxError::MissingToken))
        );
        assert_eq!(
            read(&["DPoP"]),
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
        let long = format!("DPoP {}", "a".repeat(200));
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
        let read = presented_token(&headers, usize::MAX).unwrap().unwrap();
        assert_eq!(read.token, "abc");
    }
}
