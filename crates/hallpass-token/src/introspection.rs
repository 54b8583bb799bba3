//! What an issuer says of a token, signed (RFC 9701).

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::base64url;
use crate::name::{ClientId, Issuer};
use crate::sign::SignError;
use crate::signing_key::SigningKey;
use crate::time::UnixTime;

/// The `typ` of such a response (RFC 9701 section 5). No reader of access tokens takes it, however lenient.
pub const INTROSPECTION_TYPE: &str = "token-introspection+jwt";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a Issuer,
    aud: &'a ClientId,
    iat: UnixTime,
    token_introspection: &'a RawValue,
}

/// Signs what `issuer` tells `asker` of a token: `said`, a JSON object (RFC 7662 section 2.2).
///
/// What is said of the token stands in a claim of its own, and the response has neither `sub` nor `exp`: it must not pass for a
/// token (RFC 9701 section 5).
///
/// **What it does not check**: whether `said` has the members that such a response has.
///
/// # Errors
/// [`SignError::Signing`] when `said` is no JSON, or the library could not sign.
///
/// ```
/// use hallpass_token::{Algorithm, SigningKey, UnixTime, sign_introspection};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let jwt = sign_introspection(b"{\"active\":false}", &key, &"internal".parse()?, &"order-service".parse()?, now)?;
/// assert_eq!(jwt.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sign_introspection(
    said: &[u8],
    key: &SigningKey,
    issuer: &Issuer,
    asker: &ClientId,
    now: UnixTime,
) -> Result<String, SignError> {
    let said = serde_json::from_slice(said).map_err(|_| SignError::Signing)?;
    let claims = Claims {
        iss: issuer,
        aud: asker,
        iat: now,
        token_introspection: said,
    };
    let claims = serde_json::to_vec(&claims).map_err(|_| SignError::Signing)?;
    let header = json!({
        "typ": INTROSPECTION_TYPE,
        "alg": key.algorithm().as_str(),
        "kid": key.key_id().as_str(),
    });
    let mut jwt = base64url::encode(header.to_string().as_bytes());
    jwt.push('.');
    base64url::encode_onto(&claims, &mut jwt);
    let signature = key.sign(jwt.as_bytes()).map_err(|_| SignError::Signing)?;
    jwt.push('.');
    base64url::encode_onto(&signature, &mut jwt);
    Ok(jwt)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Algorithm, Algorithms, JwkSet, VerifyPolicy, verify, verify_jws};

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    /// All that an access token for `order-service` has, and more.
    const SAID: &str = r#"{"active":true,"iss":"internal","sub":"a","aud":"order-service","client_id":"a","exp":1700000600,"iat":1700000000,"jti":"j"}"#;

    #[test]
    fn what_is_said_is_signed_for_who_asked_and_has_no_life_of_its_own() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let (issuer, asker) = (
                "internal".parse().unwrap(),
                "order-service".parse().unwrap(),
            );
            let jwt = sign_introspection(SAID.as_bytes(), &key, &issuer, &asker, NOW).unwrap();
            let keys = JwkSet::new([key.public_jwk()]);
            let payload = verify_jws(&jwt, &keys, Algorithms::ALL).unwrap();
            let payload: Value = serde_json::from_slice(&payload).unwrap();
            let said: Value = serde_json::from_str(SAID).unwrap();
            let expected = json!({"iss": "internal", "aud": "order-service", "iat": 1_700_000_000, "token_introspection": said});
            assert_eq!(payload, expected);
            let header = base64url::decode(jwt.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["typ"], "token-introspection+jwt");

            // Nobody takes it for a token, however lenient he is.
            let policy = VerifyPolicy::new(issuer.clone(), "order-service".parse().unwrap());
            let lenient = policy.clone().dangerous_accept_untyped();
            for policy in [policy, lenient] {
                assert!(verify(&jwt, &keys, &policy, NOW).is_err());
            }
        }
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let (issuer, asker) = ("internal".parse().unwrap(), "a".parse().unwrap());
        for bad in [&b""[..], b"{", b"{}}"] {
            let signed = sign_introspection(bad, &key, &issuer, &asker, NOW);
            assert_eq!(signed, Err(SignError::Signing));
        }
    }
}
