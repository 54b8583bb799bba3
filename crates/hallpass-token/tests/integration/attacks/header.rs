//! Attacks through the header.

use super::{Row, check};
use crate::forge::{CLAIMS, Forge, HEADER, NOW, encode, policy, receive};
use hallpass_token::{Algorithm, UnixTime, VerifyError, verify};

fn signed(header: &str) -> String {
    Forge::issuer().token(header, CLAIMS)
}

#[test]
fn the_algorithm_is_never_chosen_by_the_token() {
    let unsigned = |alg: &str| {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"forge"}}"#);
        format!(
            "{}.{}.",
            encode(header.as_bytes()),
            encode(CLAIMS.as_bytes())
        )
    };
    let with = |alg: &str| signed(&format!(r#"{{"typ":"at+jwt","alg":{alg},"kid":"forge"}}"#));
    let rows: Vec<Row<'_>> = vec![
        (
            "none without a signature",
            unsigned("none"),
            "algorithm_unsupported",
        ),
        (
            "none in another case",
            unsigned("nOnE"),
            "algorithm_unsupported",
        ),
        (
            "none with a signature",
            with(r#""none""#),
            "algorithm_unsupported",
        ),
        ("an empty algorithm", with(r#""""#), "algorithm_unsupported"),
        (
            "HMAC with the public key",
            with(r#""HS256""#),
            "algorithm_unsupported",
        ),
        (
            "the key's algorithm in another case",
            with(r#""eddsa""#),
            "algorithm_unsupported",
        ),
        (
            "the algorithm of another key",
            with(r#""ES256""#),
            "algorithm_mismatch",
        ),
        (
            "RSA for an Ed25519 key",
            with(r#""RS256""#),
            "algorithm_mismatch",
        ),
        (
            "a list of algorithms",
            with(r#"["EdDSA"]"#),
            "malformed_header",
        ),
        ("null", with("null"), "malformed_header"),
        (
            "no algorithm",
            signed(r#"{"typ":"at+jwt","kid":"forge"}"#),
            "malformed_header",
        ),
        (
            "the other name of the key's own",
            with(r#""Ed25519""#),
            "accepted",
        ),
    ];
    check(&rows);
}

#[test]
fn an_algorithm_outside_the_issuers_list_is_refused_even_with_a_good_signature() {
    let only = policy().with_algorithms(Algorithm::Es256.into());
    let answer = verify(
        &signed(HEADER),
        &Forge::issuer().keys(),
        &only,
        UnixTime::from_secs(NOW),
    );
    assert_eq!(answer, Err(VerifyError::AlgorithmNotAllowed));
}

#[test]
fn only_access_tokens_are_access_tokens() {
    let with = |typ: &str| signed(&format!(r#"{{"typ":{typ},"alg":"EdDSA","kid":"forge"}}"#));
    let rows: Vec<Row<'_>> = vec![
        ("an ID token", with(r#""JWT""#), "type"),
        (
            "no type",
            signed(r#"{"alg":"EdDSA","kid":"forge"}"#),
            "type",
        ),
        ("a logout token", with(r#""logout+jwt""#), "type"),
        ("a DPoP proof", with(r#""dpop+jwt""#), "type"),
        ("a security event", with(r#""secevent+jwt""#), "type"),
        ("an empty type", with(r#""""#), "type"),
        ("a longer type", with(r#""at+jwt2""#), "type"),
        ("a list of types", with(r#"["at+jwt"]"#), "malformed_header"),
        (
            "the long form in another case",
            with(r#""Application/AT+JWT""#),
            "accepted",
        ),
    ];
    check(&rows);
}

#[test]
fn untyped_tokens_pass_only_where_it_was_asked_for_and_nothing_else_does() {
    let lax = policy().dangerous_accept_untyped();
    let answer = |header: &str| {
        let answer = verify(
            &signed(header),
            &Forge::issuer().keys(),
            &lax,
            UnixTime::from_secs(NOW),
        );
        answer.map_or_else(|error| error.code(), |_| "accepted")
    };
    assert_eq!(answer(r#"{"alg":"EdDSA"}"#), "accepted");
    assert_eq!(answer(r#"{"alg":"EdDSA","typ":"JWT"}"#), "accepted");
    assert_eq!(answer(HEADER), "accepted");
    assert_eq!(answer(r#"{"alg":"EdDSA","typ":"dpop+jwt"}"#), "type");
}

#[test]
fn no_extension_is_taken_for_granted() {
    let with = |members: &str| {
        signed(&format!(
            r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"forge",{members}}}"#
        ))
    };
    let rows: Vec<Row<'_>> = vec![
        (
            "an unknown extension",
            with(r#""crit":["bork"],"bork":true"#),
            "critical_header",
        ),
        (
            "an extension that stands for a known member",
            with(r#""crit":["exp"],"exp":1"#),
            "critical_header",
        ),
        ("an empty list", with(r#""crit":[]"#), "critical_header"),
        ("no list", with(r#""crit":null"#), "critical_header"),
        (
            "an unencoded payload",
            with(r#""crit":["b64"],"b64":false"#),
            "critical_header",
        ),
        (
            "an unencoded payload by stealth",
            with(r#""b64":false"#),
            "critical_header",
        ),
        (
            "an encoded payload, said twice over",
            with(r#""b64":true"#),
            "accepted",
        ),
        (
            "members that nobody knows",
            with(r#""x":{"y":[1]},"cty":"x""#),
            "accepted",
        ),
    ];
    check(&rows);
}

#[test]
fn no_key_comes_from_the_token() {
    let stranger = Forge::stranger();
    let jwk = stranger.jwk();
    let with = |kid: &str, members: &str| {
        stranger.token(
            &format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}",{members}}}"#),
            CLAIMS,
        )
    };
    let embedded = format!(r#""jwk":{jwk}"#);
    let rows: Vec<Row<'_>> = vec![
        (
            "his own key, embedded",
            with("forge", &embedded),
            "signature",
        ),
        (
            "his own key under its own name",
            with("stranger", &embedded),
            "unknown_key",
        ),
        (
            "his own key set",
            with("forge", r#""jku":"https://attacker.example/jwks""#),
            "signature",
        ),
        (
            "his own certificate",
            with(
                "forge",
                r#""x5u":"https://attacker.example/c","x5c":["AA"]"#,
            ),
            "signature",
        ),
        (
            "a path for a key",
            with("../../dev/null", r#""x":1"#),
            "unknown_key",
        ),
    ];
    check(&rows);
}

#[test]
fn a_member_that_comes_twice_is_refused_whichever_would_win() {
    let rows: Vec<Row<'_>> = vec![
        (
            "two algorithms",
            signed(r#"{"alg":"none","typ":"at+jwt","alg":"EdDSA","kid":"forge"}"#),
            "duplicate_member",
        ),
        (
            "one of them escaped",
            signed(r#"{"alg":"EdDSA","\u0061lg":"EdDSA","typ":"at+jwt"}"#),
            "duplicate_member",
        ),
        (
            "two keys",
            signed(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"forge","kid":"forge"}"#),
            "duplicate_member",
        ),
        (
            "two types",
            signed(r#"{"typ":"JWT","alg":"EdDSA","typ":"at+jwt"}"#),
            "duplicate_member",
        ),
        (
            "below",
            signed(r#"{"alg":"EdDSA","typ":"at+jwt","x":[{"a":1,"a":1}]}"#),
            "duplicate_member",
        ),
    ];
    check(&rows);
}

#[test]
fn deep_nesting_ends_early() {
    let nested = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        signed(&format!(
            r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"forge","x":{value}}}"#
        ))
    };
    assert!(receive(&nested(15)).is_ok());
    assert_eq!(
        receive(&nested(16)).unwrap_err().code(),
        "malformed_nesting"
    );
    assert_eq!(
        receive(&nested(2000)).unwrap_err().code(),
        "malformed_nesting"
    );
}
