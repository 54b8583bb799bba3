//! What the fuzz targets do with their input. The tests of the crate run the same functions on seeds and mutations of
//! them, so that they are exercised where there is no fuzzer.

use hallpass_token::{
    Algorithms, DpopExpectation, DpopUri, JwkSet, UnixTime, UnverifiedToken, VerifyPolicy,
    parse_bearer, verify, verify_dpop, verify_jws,
};

/// The key of RFC 8037 appendix A.2: nobody here signs with it, so nothing but its one known example may verify.
const KEY: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The payload of that example.
const SIGNED: &[u8] = b"Example of Ed25519 signing";

/// The proof of RFC 9449 section 4.1: the one that its key has signed.
pub(crate) const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// A proof of possession, and the address in it.
pub(crate) fn proof(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(uri) = DpopUri::parse(text) {
        assert_eq!(
            DpopUri::parse(uri.as_str()).as_ref(),
            Ok(&uri),
            "one spelling is final"
        );
    }
    let Ok(uri) = DpopUri::parse("https://server.example.com/token") else {
        panic!("the fixed value is sound");
    };
    let expected = DpopExpectation {
        method: "POST",
        uris: &[uri],
        access_token: None,
        algorithms: Algorithms::WITH_VERIFY_ONLY,
    };
    if verify_dpop(text, &expected, UnixTime::from_secs(1_562_262_616)).is_ok() {
        // ECDSA has two signatures for each; the fuzzer does not find the other one.
        assert_eq!(text, PROOF, "nobody signed that");
    }
}

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
