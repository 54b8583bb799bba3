//! When a token ends by what it says itself, for issuers that leave `expires_in` out (RFC 6749 section 5.1 only recommends it).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_token::UnixTime;
use serde::Deserialize;
use serde_json::Number;

#[derive(Deserialize)]
struct UnverifiedClaims {
    exp: Option<Number>,
}

/// `exp` of a JWT, rounded down. No signature is checked: it only says for how long this side uses a token that an issuer
/// has given it, and whom it is shown to checks it anyway. `None` for an opaque token, or a JWT without a readable `exp`.
pub(crate) fn unverified_end(token: &str) -> Option<UnixTime> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: UnverifiedClaims = serde_json::from_slice(&claims).ok()?;
    let exp = claims.exp?;
    let seconds = exp.as_u64().or_else(|| {
        let exact = std::time::Duration::try_from_secs_f64(exp.as_f64()?).ok()?;
        Some(exact.as_secs())
    })?;
    Some(UnixTime::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(claims: &str) -> Option<u64> {
        let payload = URL_SAFE_NO_PAD.encode(claims);
        unverified_end(&format!("e30.{payload}.c2ln")).map(UnixTime::as_secs)
    }

    #[test]
    fn a_jwt_says_when_it_ends() {
        assert_eq!(
            end_of(r#"{"sub":"a","exp":1767225600}"#),
            Some(1_767_225_600)
        );
        assert_eq!(end_of(r#"{"exp":1767225600.9}"#), Some(1_767_225_600));
        assert_eq!(end_of(r#"{"exp":1.7672256e9}"#), Some(1_767_225_600));
    }

    #[test]
    fn what_does_not_say_it_has_no_end_of_its_own() {
        for claims in [
            "{}",
            r#"{"exp":null}"#,
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            "[]",
            "",
        ] {
            assert_eq!(end_of(claims), None, "{claims}");
        }
        for token in ["opaque", "a.b", "a.b.c", "a.b.c.d", ".."] {
            assert_eq!(unverified_end(token), None, "{token}");
        }
    }
}
