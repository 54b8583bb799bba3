//! What an issuer says of a token that it was asked about (RFC 7662 section 2.2), read as strictly as a token.

use serde::Deserialize;
use serde_json::Value;

use crate::base64url;
use crate::claims::read::{self, ReadClaims};
use crate::error::VerifyError;
use crate::policy::VerifyPolicy;
use crate::time::UnixTime;
use crate::verify::VerifiedClaims;

/// What an issuer said of a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Introspected {
    /// It is not good, or not for who asked. An issuer does not say why.
    Inactive,
    /// It is good, and this is what it says.
    Active(Box<VerifiedClaims>),
}

/// Why nothing can be made of what an issuer said of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionFault {
    /// It is no such response: no JSON object, or without an `active` that is true or false. Nothing is known of the token.
    #[error("the response does not say whether the token is active")]
    NotAResponse,
    /// The token is good, and not for this service, or what it says cannot be taken.
    #[error("{0}")]
    Token(#[from] VerifyError),
}

#[derive(Deserialize)]
struct Said {
    active: bool,
}

/// Whether an issuer says of a token that it is good (`active`), whatever else it says; `None` when that is no response of such an
/// endpoint ([`IntrospectionFault::NotAResponse`]).
#[must_use]
pub fn says_active(said: &[u8]) -> Option<bool> {
    let said: Said = serde_json::from_slice(said).ok()?;
    Some(said.active)
}

/// Reads the response to a question about a token of the issuer of `policy`, which came from that issuer itself: over TLS, by a
/// connection that proves whose it is.
///
/// Of a token that is active it demands what [`verify`](crate::verify()) demands of one that is signed: `sub`, `aud` and `exp` must be
/// there, each claim must have its type, no name may come twice, and `aud`, `exp` and `nbf` must fit `policy`. `iss` may be left out; one
/// that is there must be that of `policy`. `token_type` must be `Bearer` or `DPoP`, so that no refresh token passes for an access token;
/// `DPoP` goes with the thumbprint of the key (`cnf.jkt`), as nothing could be held against the proof otherwise. The type
/// may be left out where the policy [accepts untyped tokens](VerifyPolicy::dangerous_accept_untyped). What servers say beside it
/// (`typ`, `token_use`) must not say that it is another kind of token.
///
/// **Not checked**: who has sent the response, `scope`, `act` and `cnf`, and whether the token was revoked since.
///
/// # Errors
/// [`IntrospectionFault`].
///
/// ```
/// use hallpass_token::{Introspected, UnixTime, VerifyPolicy, read_introspection};
///
/// let policy = VerifyPolicy::new("https://auth.example".parse()?, "order-service".parse()?);
/// let now = UnixTime::from_secs(1_700_000_000);
/// let said = br#"{"active":true,"sub":"alice","aud":"order-service","exp":1700000600,"token_type":"Bearer"}"#;
/// let Introspected::Active(claims) = read_introspection(said, &policy, now)? else { panic!("it is active") };
/// assert_eq!(claims.subject.as_str(), "alice");
/// assert_eq!(read_introspection(b"{\"active\":false}", &policy, now)?, Introspected::Inactive);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_introspection(
    said: &[u8],
    policy: &VerifyPolicy,
    now: UnixTime,
) -> Result<Introspected, IntrospectionFault> {
    if !says_active(said).ok_or(IntrospectionFault::NotAResponse)? {
        return Ok(Introspected::Inactive);
    }
    let issuer = policy.issuer();
    let ReadClaims {
        claims,
        states_subject,
    } = read::parse_naming(said, policy.subject_claims(), Some(issuer))?;
    if read::parse_issuer(said).is_some_and(|said| said != issuer.as_str()) {
        return Err(VerifyError::Issuer.into());
    }
    let is_told = |name| claims.extra.get(name);
    let is_access_token = match is_told("token_type") {
        None => policy.accepts_untyped(),
        Some(said) => is_one_of(said, &["bearer", "dpop"]),
    };
    // Keycloak says `Refresh`, `Offline` or `ID` in `typ`; Hydra says `refresh_token` in `token_use`.
    let is_other = |name, access: &[&str]| is_told(name).is_some_and(|it| !is_one_of(it, access));
    // What is bound to a key that is not told could be sent by anybody (RFC 9449 section 6.2).
    let is_bound = claims
        .confirmation
        .as_ref()
        .is_some_and(|it| it.jkt.is_some());
    let is_unproven = is_told("token_type").is_some_and(|it| is_one_of(it, &["dpop"])) && !is_bound;
    if !is_access_token
        || is_unproven
        || is_other("typ", &["bearer", "dpop", "jwt", "at+jwt"])
        || is_other("token_use", &["access_token", "access"])
    {
        return Err(VerifyError::Type.into());
    }
    policy.check(&claims, now)?;
    let claims = VerifiedClaims::introspected(claims, states_subject, policy);
    Ok(Introspected::Active(Box::new(claims)))
}

fn is_one_of(said: &Value, names: &[&str]) -> bool {
    let said = said.as_str();
    said.is_some_and(|said| names.iter().any(|name| said.eq_ignore_ascii_case(name)))
}

/// The issuer that a token in three parts names in its claims, whatever its header says: for tokens that are asked about and never
/// verified, such as those of an algorithm that this crate does not have. `None` for what is no such token. Nothing may rest on it
/// but the choice of whom to ask.
#[must_use]
pub fn unverified_issuer_of(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_header, payload) = (parts.next()?, parts.next()?);
    parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    read::parse_issuer(&base64url::decode(payload).ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn policy() -> VerifyPolicy {
        VerifyPolicy::new(
            "https://auth.example".parse().unwrap(),
            "order-service".parse().unwrap(),
        )
    }

    fn said() -> Value {
        json!({
            "active": true, "iss": "https://auth.example", "sub": "alice", "aud": ["order-service"], "client_id": "web",
            "exp": 1_700_000_600, "nbf": 1_699_999_000, "iat": 1_699_999_000, "scope": "read write", "token_type": "Bearer",
        })
    }

    fn read(said: &Value) -> Result<Introspected, IntrospectionFault> {
        read_introspection(said.to_string().as_bytes(), &policy(), NOW)
    }

    fn with(name: &str, value: Value) -> Result<Introspected, IntrospectionFault> {
        let mut said = said();
        said[name] = value;
        read(&said)
    }

    fn without(name: &str) -> Result<Introspected, IntrospectionFault> {
        let mut said = said();
        said.as_object_mut().unwrap().remove(name);
        read(&said)
    }

    #[test]
    fn an_active_token_says_who_calls_and_an_inactive_one_says_nothing() {
        let Ok(Introspected::Active(claims)) = read(&said()) else {
            panic!("it is active")
        };
        assert_eq!(claims.subject.as_str(), "alice");
        assert_eq!(claims.client_id.as_ref().unwrap().as_str(), "web");
        assert_eq!(claims.scope.as_str(), "read write");
        assert_eq!(claims.expires_at, UnixTime::from_secs(1_700_000_600));
        // Whatever stands beside it.
        assert_eq!(with("active", json!(false)), Ok(Introspected::Inactive));
        assert!(matches!(without("iss"), Ok(Introspected::Active(_))));
    }

    /// It would pass as a bearer token: from whoever has it.
    #[test]
    fn a_token_that_is_bound_to_a_key_which_is_not_told_is_not_taken() {
        let mut bound = said();
        bound["token_type"] = json!("DPoP");
        let refused = Err(IntrospectionFault::Token(VerifyError::Type));
        assert_eq!(read(&bound), refused);
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        bound["cnf"] = json!({ "x5t#S256": thumbprint });
        assert_eq!(read(&bound), refused);
        bound["cnf"] = json!({ "jkt": thumbprint });
        assert!(matches!(read(&bound), Ok(Introspected::Active(_))));
    }

    #[test]
    fn what_does_not_say_clearly_whether_the_token_is_active_is_no_response() {
        for active in [json!("true"), json!(1), json!(null), json!([true])] {
            assert_eq!(
                with("active", active.clone()),
                Err(IntrospectionFault::NotAResponse),
                "{active}"
            );
        }
        for text in [
            "",
            "[]",
            "true",
            "<html>",
            "{}",
            r#"{"active":false,"active":true}"#,
            r#"{"active":true,"active":true}"#,
            r#"{"active":true} {}"#,
        ] {
            let read = read_introspection(text.as_bytes(), &policy(), NOW);
            assert_eq!(read, Err(IntrospectionFault::NotAResponse), "{text}");
        }
    }

    #[test]
    fn each_claim_of_an_active_token_is_held_to_its_type_and_to_the_policy() {
        let token = |error: VerifyError| Err(IntrospectionFault::Token(error));
        for name in ["sub", "aud", "exp"] {
            assert!(
                matches!(without(name), Err(IntrospectionFault::Token(VerifyError::MissingClaim { claim })) if claim == name)
            );
        }
        for (name, bad) in [
            ("exp", json!("1700000600")),
            ("nbf", json!("now")),
            ("iat", json!([1])),
            ("sub", json!(7)),
            ("aud", json!({"order-service": 1})),
            ("iss", json!(["https://auth.example"])),
            ("client_id", json!(["web"])),
            ("scope", json!(5)),
            ("cnf", json!("key")),
        ] {
            let read = with(name, bad);
            assert!(
                matches!(&read, Err(IntrospectionFault::Token(VerifyError::ClaimType { claim })) if *claim == name),
                "{name}: {read:?}"
            );
        }
        assert_eq!(
            with("iss", json!("https://other.example")),
            token(VerifyError::Issuer)
        );
        assert_eq!(
            with("aud", json!("other-service")),
            token(VerifyError::Audience)
        );
        assert!(matches!(
            with("exp", json!(1_699_999_000)),
            Err(IntrospectionFault::Token(VerifyError::Expired { .. }))
        ));
        assert!(matches!(
            with("nbf", json!(1_700_000_300)),
            Err(IntrospectionFault::Token(VerifyError::NotYetValid { .. }))
        ));
        let twice = said().to_string().replacen("{", r#"{"sub":"mallory","#, 1);
        assert_eq!(
            read_introspection(twice.as_bytes(), &policy(), NOW),
            token(VerifyError::DuplicateMember)
        );
    }

    #[test]
    fn no_other_kind_of_token_passes_for_an_access_token() {
        let refused = Err(IntrospectionFault::Token(VerifyError::Type));
        assert_eq!(without("token_type"), refused);
        for (name, kind) in [
            ("token_type", json!("N_A")),
            ("token_type", json!(["Bearer"])),
            ("typ", json!("Refresh")),
            ("typ", json!("ID")),
            ("typ", json!(null)),
            ("token_use", json!("refresh_token")),
        ] {
            assert_eq!(with(name, kind.clone()), refused, "{name} {kind}");
        }
        for (name, kind) in [
            ("token_type", "bearer"),
            ("typ", "Bearer"),
            ("token_use", "access_token"),
        ] {
            assert!(matches!(
                with(name, json!(kind)),
                Ok(Introspected::Active(_))
            ));
        }
        // Where the policy is lenient about what is not said, it is not about what is said.
        let lenient = policy().dangerous_accept_untyped();
        let mut said = said();
        said.as_object_mut().unwrap().remove("token_type");
        let read = |said: &Value| read_introspection(said.to_string().as_bytes(), &lenient, NOW);
        assert!(matches!(read(&said), Ok(Introspected::Active(_))));
        said["typ"] = json!("Refresh");
        assert_eq!(read(&said), refused);
    }

    #[test]
    fn the_issuer_of_a_token_in_three_parts_is_read_whatever_its_header_says() {
        let payload = base64url::encode(br#"{"iss":"https://auth.example"}"#);
        let header = base64url::encode(br#"{"alg":"HS512"}"#);
        let of = |token: &str| unverified_issuer_of(token);
        let expected = Some("https://auth.example".to_owned());
        assert_eq!(of(&format!("{header}.{payload}.AA")), expected);
        for token in [
            "opaque",
            &format!("{header}.{payload}"),
            &format!("{header}.{payload}.AA.AA"),
            &format!("{header}.!.AA"),
            "a.e30.b",
        ] {
            assert_eq!(of(token), None, "{token}");
        }
    }
}
