//! What the fuzz targets do with their input. The tests of the crate run the same functions on seeds and mutations of
//! them, so that they are exercised where there is no fuzzer.

use hallpass_token::{
    Algorithms, JwkSet, UnixTime, UnverifiedToken, VerifyPolicy, parse_bearer, verify, verify_jws,
};

/// The key of RFC 8037 appendix A.2: nobody here signs with it, so nothing but its one known example may verify.
const KEY: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The payload of that example.
const SIGNED: &[u8] = b"Example of Ed25519 signing";

/// A token: taking it apart, reading its claims, verifying it.
pub(crate) fn token(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (Ok(keys), Ok(issuer), Ok(audience)) =
        (JwkSet::parse(KEY.as_bytes()), "joe".parse(), "me".parse())
    else {
        panic!("the fixed values are sound");
    };
    let policy = VerifyPolicy::new(issuer, audience).dangerous_accept_untyped();
    assert!(
        verify(text, &keys, &policy, UnixTime::from_secs(0)).is_err(),
        "nobody signed that"
    );
    if let Ok(payload) = verify_jws(text, &keys, Algorithms::ALL) {
        assert_eq!(payload, SIGNED, "nobody signed that");
    }
    if let Ok(token) = UnverifiedToken::parse(text, 8192) {
        let issuer = token.unverified_issuer();
        if let Ok(claims) = token.unverified_claims() {
            assert_eq!(
                issuer,
                Some(claims.issuer.as_str()),
                "both readers see one issuer"
            );
            round_trip(&claims);
        }
    }
}

/// Claims that could be read are written so that they read the same.
fn round_trip(claims: &hallpass_token::TokenClaims) {
    let Ok(json) = serde_json::to_string(claims) else {
        panic!("claims can be written")
    };
    // `{"alg":"EdDSA"}`, the claims, and some signature.
    let token = format!("eyJhbGciOiJFZERTQSJ9.{}.AAAA", base64url(json.as_bytes()));
    let again =
        UnverifiedToken::parse(&token, usize::MAX).and_then(|token| token.unverified_claims());
    assert_eq!(again.as_ref(), Ok(claims));
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWK set: reading it, and writing what was read.
pub(crate) fn jwk_set(input: &[u8]) {
    if let Ok(set) = JwkSet::parse(input) {
        let again = JwkSet::parse(set.to_json().to_string().as_bytes());
        assert_eq!(again.as_ref().map(JwkSet::keys), Ok(set.keys()));
        assert_eq!(again.map(|again| again.skipped().len()), Ok(0));
    }
}

/// An `Authorization` header.
pub(crate) fn bearer(input: &[u8]) {
    if let Ok(token) = parse_bearer(input) {
        assert!(!token.is_empty() && token.is_ascii() && !token.contains([' ', ',', '"']));
        assert_eq!(
            parse_bearer(format!("Bearer {token}").as_bytes()),
            Ok(token)
        );
    }
}
