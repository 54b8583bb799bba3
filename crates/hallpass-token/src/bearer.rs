//! The `Authorization` header of RFC 6750 section 2.1 and RFC 9449 section 7.1.

use crate::error::BearerError;

/// Why an `Authorization` header holds no token of the scheme that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BearerSyntaxError {
    /// Another scheme, such as `Basic`.
    #[error("the scheme is another one")]
    Scheme,
    /// The scheme without a token.
    #[error("the token is missing")]
    MissingToken,
    /// A character that RFC 6750 section 2.1 does not allow, such as a second token, a comma or a quote.
    #[error("the token has a character that is not allowed")]
    Charset,
}

impl BearerSyntaxError {
    /// The stable name of this reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Scheme => "bearer_scheme",
            Self::MissingToken => "bearer_missing_token",
            Self::Charset => "bearer_charset",
        }
    }

    /// What the caller is told: the request is at fault, not the token.
    #[must_use]
    pub fn bearer_error(self) -> BearerError {
        match self {
            Self::Scheme | Self::MissingToken | Self::Charset => BearerError::InvalidRequest,
        }
    }
}

/// Takes the token out of the value of an `Authorization` header: `Bearer 1*SP b64token`, the scheme in any case
/// (RFC 6750 section 2.1, RFC 9110 section 11.1).
///
/// The length is not limited here (verification does that), and the token is not looked into.
///
/// ```
/// use hallpass_token::{BearerSyntaxError, parse_bearer};
///
/// assert_eq!(parse_bearer(b"Bearer abc.def"), Ok("abc.def"));
/// assert_eq!(parse_bearer(b"Basic YTpi"), Err(BearerSyntaxError::Scheme));
/// ```
///
/// # Errors
/// [`BearerSyntaxError`] when the value is anything else, white space at either end included.
pub fn parse_bearer(header_value: &[u8]) -> Result<&str, BearerSyntaxError> {
    parse_token(header_value, b"Bearer")
}

/// The same for a token that is sent with a proof of possession: `DPoP 1*SP token68` (RFC 9449 section 7.1).
///
/// ```
/// assert_eq!(hallpass_token::parse_dpop(b"DPoP abc.def"), Ok("abc.def"));
/// ```
///
/// # Errors
/// As [`parse_bearer`].
pub fn parse_dpop(header_value: &[u8]) -> Result<&str, BearerSyntaxError> {
    parse_token(header_value, b"DPoP")
}

fn parse_token<'h>(header_value: &'h [u8], expected: &[u8]) -> Result<&'h str, BearerSyntaxError> {
    let (scheme, rest) = match header_value.iter().position(|byte| *byte == b' ') {
        Some(space) => header_value.split_at(space),
        None => (header_value, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(expected) {
        return Err(BearerSyntaxError::Scheme);
    }
    let token = rest.trim_ascii_start();
    // Only spaces may stand between; a tab is not one.
    if !rest
        .iter()
        .take(rest.len() - token.len())
        .all(|byte| *byte == b' ')
    {
        return Err(BearerSyntaxError::Charset);
    }
    if token.is_empty() {
        return Err(BearerSyntaxError::MissingToken);
    }
    let body = token
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    let allowed = is_allowed(token.get(..body).unwrap_or_default());
    match std::str::from_utf8(token) {
        Ok(token) if allowed && body > 0 => Ok(token),
        _ => Err(BearerSyntaxError::Charset),
    }
}

/// Whether there is nothing but letters, digits and `-._~+/`. Without a branch, so that many bytes are looked at at once: tokens are long, and
/// each request bears one.
fn is_allowed(bytes: &[u8]) -> bool {
    let others = bytes.iter().fold(0, |others, byte| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        // `-`, `.`, `/` and the digits follow each other.
        let is_in_row = byte.wrapping_sub(b'-') < 13;
        let is_single = (*byte == b'_') | (*byte == b'~') | (*byte == b'+');
        others | u8::from(!(is_letter | is_in_row | is_single))
    });
    others == 0
}

#[cfg(test)]
mod tests {
    use super::BearerSyntaxError::{Charset, MissingToken, Scheme};
    use super::{BearerSyntaxError, is_allowed, parse_bearer, parse_dpop};

    #[test]
    fn each_byte_that_a_token_may_have_is_allowed_and_no_other_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for place in [0, 1, 15, 16, 31, 32, 63, 99] {
                let mut bytes = [b'a'; 100];
                bytes[place] = byte;
                assert_eq!(is_allowed(&bytes), expected, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn takes_every_form_of_rfc_6750() {
        for header in [
            "Bearer a.b-c_d~e+f/0==",
            "bearer a.b-c_d~e+f/0==",
            "BEARER   a.b-c_d~e+f/0==",
        ] {
            assert_eq!(
                parse_bearer(header.as_bytes()),
                Ok("a.b-c_d~e+f/0=="),
                "{header}"
            );
        }
    }

    #[test]
    fn refuses_everything_else() {
        let rows: [(&[u8], BearerSyntaxError); 16] = [
            (b"", Scheme),
            (b" Bearer a", Scheme),
            (b"Basic YTpi", Scheme),
            (b"Bearera", Scheme),
            (b"Bearer\ta", Scheme),
            (b"DPoP a", Scheme),
            (b"Bearer", MissingToken),
            (b"Bearer ", MissingToken),
            (b"Bearer  \ta", Charset),
            (b"Bearer a b", Charset),
            (b"Bearer a, Bearer b", Charset),
            (b"Bearer a ", Charset),
            (b"Bearer \"a\"", Charset),
            (b"Bearer =a", Charset),
            (b"Bearer ==", Charset),
            (b"Bearer a\xff\xfe", Charset),
        ];
        for (header, expected) in rows {
            assert_eq!(
                parse_bearer(header),
                Err(expected),
                "{}",
                header.escape_ascii()
            );
        }
    }

    #[test]
    fn neither_scheme_is_taken_for_the_other() {
        assert_eq!(parse_dpop(b"dpop  a.b=="), Ok("a.b=="));
        assert_eq!(parse_dpop(b"Bearer a"), Err(Scheme));
        assert_eq!(parse_dpop(b"DPoP"), Err(MissingToken));
        assert_eq!(parse_dpop(b"DPoP a b"), Err(Charset));
        assert_eq!(parse_bearer(b"DPoP a"), Err(Scheme));
    }
}
