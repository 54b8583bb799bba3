//! Attacks through claims: of an issuer with a loose encoder, or of a token that was made for somebody else.

use super::{Row, check};
use crate::forge::{CLAIMS, Forge, HEADER, NOW, claims_with, policy};
use hallpass_token::{UnixTime, VerifyError, verify};
use serde_json::{Value, json};
use std::time::Duration;

fn signed(claims: &str) -> String {
    Forge::issuer().token(HEADER, claims)
}

fn with(name: &str, value: &Value) -> String {
    signed(&claims_with(name, value))
}

fn without(name: &str) -> String {
    let mut claims: Value = serde_json::from_str(CLAIMS).unwrap();
    claims.as_object_mut().unwrap().remove(name);
    signed(&claims.to_string())
}

fn with_raw(name: &str, value: &str) -> String {
    signed(&format!(r#"{{"{name}":{value},{}"#, &without_brace(name)))
}

/// The sound claims as text, less one member, without the brace that opens them.
fn without_brace(name: &str) -> String {
    let mut claims: Value = serde_json::from_str(CLAIMS).unwrap();
    claims.as_object_mut().unwrap().remove(name);
    claims.to_string().split_off(1)
}

#[test]
fn what_must_be_there_must_be_there() {
    let rows: Vec<Row<'_>> = vec![
        ("no issuer", without("iss"), "missing_claim"),
        ("no subject", without("sub"), "missing_claim"),
        ("no audience", without("aud"), "missing_claim"),
        ("no end", without("exp"), "missing_claim"),
        ("nothing", signed("{}"), "missing_claim"),
        ("no object", signed("[]"), "malformed_claims"),
        ("no JSON", signed("internal"), "malformed_claims"),
        ("a text", signed(r#""internal""#), "malformed_claims"),
        (
            "two objects",
            signed(&format!("{CLAIMS}{CLAIMS}")),
            "malformed_claims",
        ),
        (
            "a comma too many",
            signed(r#"{"iss":"internal",}"#),
            "malformed_claims",
        ),
        (
            "a comment",
            signed(&format!("{CLAIMS}//")),
            "malformed_claims",
        ),
    ];
    check(&rows);
}

#[test]
fn times_are_numbers_that_a_person_may_live_to_see() {
    for name in ["exp", "nbf", "iat"] {
        let raw = |value: &str| with_raw(name, value);
        let rows: Vec<Row<'_>> = vec![
            ("a text", with(name, &json!("1700000600")), "claim_type"),
            ("an exponent", raw("1e12"), "claim_value"),
            ("a negative number", raw("-1"), "claim_type"),
            ("negative zero", raw("-0"), "claim_type"),
            ("milliseconds", raw("1700000600000"), "claim_value"),
            (
                "the largest number",
                raw("18446744073709551615"),
                "claim_value",
            ),
            (
                "a larger number",
                raw("18446744073709551616"),
                "claim_value",
            ),
            ("an endless number", raw("1e999"), "claim_value"),
            ("no number", raw("NaN"), "malformed_claims"),
            ("a leading zero", raw("01700000600"), "malformed_claims"),
            ("a list", with(name, &json!([1_700_000_600])), "claim_type"),
            ("an object", with(name, &json!({"value": 1})), "claim_type"),
            ("null", with(name, &Value::Null), "claim_type"),
            ("true", with(name, &json!(true)), "claim_type"),
        ];
        check(&rows);
    }
}

#[test]
fn names_are_single_texts() {
    for name in ["iss", "sub", "client_id", "jti"] {
        let own = json!(["internal"]);
        let rows: Vec<Row<'_>> = vec![
            ("a list with the right name", with(name, &own), "claim_type"),
            ("a number", with(name, &json!(7)), "claim_type"),
            (
                "an object",
                with(name, &json!({"internal": true})),
                "claim_type",
            ),
            ("null", with(name, &Value::Null), "claim_type"),
            ("nothing", with(name, &json!("")), "claim_value"),
            (
                "a line feed",
                with(name, &json!("internal\n")),
                "claim_value",
            ),
            ("a zero", with(name, &json!("internal\0")), "claim_value"),
            (
                "a very long name",
                with(name, &json!("x".repeat(2049))),
                "claim_value",
            ),
        ];
        check(&rows);
    }
}

#[test]
fn a_token_for_another_is_not_for_us() {
    let rows: Vec<Row<'_>> = vec![
        (
            "another issuer",
            with("iss", &json!("https://attacker.example")),
            "issuer",
        ),
        (
            "our issuer in another case",
            with("iss", &json!("Internal")),
            "issuer",
        ),
        (
            "our issuer and a slash",
            with("iss", &json!("internal/")),
            "issuer",
        ),
        (
            "another audience",
            with("aud", &json!("service-system")),
            "audience",
        ),
        (
            "part of our name",
            with("aud", &json!("logistics")),
            "audience",
        ),
        (
            "our name and more",
            with("aud", &json!("logistics-service-2")),
            "audience",
        ),
        (
            "our name among words",
            with("aud", &json!("a logistics-service")),
            "audience",
        ),
    ];
    check(&rows);
}

#[test]
fn an_audience_is_one_name_or_a_list_of_names() {
    let rows: Vec<Row<'_>> = vec![
        (
            "no audience in the list",
            with("aud", &json!([])),
            "claim_value",
        ),
        ("an empty audience", with("aud", &json!("")), "claim_value"),
        (
            "a list in the list",
            with("aud", &json!([["logistics-service"]])),
            "claim_type",
        ),
        ("null", with("aud", &Value::Null), "claim_type"),
        (
            "an object",
            with("aud", &json!({"logistics-service": 1})),
            "claim_type",
        ),
        (
            "a number beside us",
            with("aud", &json!(["logistics-service", 7])),
            "claim_type",
        ),
        (
            "a very long list",
            with("aud", &json!(vec!["logistics-service"; 33])),
            "claim_value",
        ),
        (
            "others and us",
            with("aud", &json!(["other", "logistics-service"])),
            "accepted",
        ),
    ];
    check(&rows);
}

#[test]
fn a_token_is_valid_from_its_begin_until_just_before_its_end() {
    let keys = Forge::issuer().keys();
    let token = with("nbf", &json!(NOW));
    let at = |seconds: u64, leeway: u64| {
        let policy = policy().with_leeway(Duration::from_secs(leeway));
        verify(&token, &keys, &policy, UnixTime::from_secs(seconds)).map(|_| ())
    };
    let expired = |ago| {
        let ago = Duration::from_secs(ago);
        Err(VerifyError::Expired { ago })
    };
    let not_yet = |ahead| {
        let ahead = Duration::from_secs(ahead);
        Err(VerifyError::NotYetValid { ahead })
    };
    assert_eq!(at(NOW - 1, 0), not_yet(1));
    assert_eq!(at(NOW, 0), Ok(()));
    assert_eq!(at(NOW + 599, 0), Ok(()));
    assert_eq!(at(NOW + 600, 0), expired(0));
    assert_eq!(at(NOW - 11, 10), not_yet(11));
    assert_eq!(at(NOW - 10, 10), Ok(()));
    assert_eq!(at(NOW + 609, 10), Ok(()));
    assert_eq!(at(NOW + 610, 10), expired(10));
    assert_eq!(at(u64::MAX, u64::MAX), expired(u64::MAX - NOW - 600));
    assert_eq!(at(0, u64::MAX), Ok(()));
}

#[test]
fn scope_is_words_and_its_wrong_forms_are_refused() {
    let rows: Vec<Row<'_>> = vec![
        ("a number", with("scope", &json!(7)), "claim_type"),
        ("an object", with("scope", &json!({"a": 1})), "claim_type"),
        ("null", with("scope", &Value::Null), "claim_type"),
        (
            "a number in a list",
            with("scope", &json!(["a", 7])),
            "claim_type",
        ),
        ("a quote", with("scope", &json!("a\"b")), "claim_value"),
        (
            "two words in one",
            with("scope", &json!(["a b"])),
            "claim_value",
        ),
        (
            "an empty word",
            with("scope", &json!(["a", ""])),
            "claim_value",
        ),
        (
            "an empty word in a text",
            with("scope", &json!("a  b")),
            "claim_value",
        ),
        (
            "a foreign scope of the wrong type",
            with("scp", &json!({"a": 1})),
            "claim_type",
        ),
        (
            "a foreign scope with a quote",
            with("scp", &json!("a\"b")),
            "claim_value",
        ),
    ];
    check(&rows);
}

#[test]
fn actors_and_confirmations_have_their_form_too() {
    let nested = |depth: usize| {
        (0..depth).fold(Value::Null, |inner, _| match inner {
            Value::Null => json!({"sub": "a"}),
            inner => json!({"sub": "a", "act": inner}),
        })
    };
    let rows: Vec<Row<'_>> = vec![
        (
            "an actor without a name",
            with("act", &json!({})),
            "claim_value",
        ),
        (
            "an actor as a text",
            with("act", &json!("gateway")),
            "claim_type",
        ),
        (
            "a list of actors",
            with("act", &json!([{"sub": "a"}])),
            "claim_type",
        ),
        (
            "an actor with a number for a name",
            with("act", &json!({"sub": 7})),
            "claim_type",
        ),
        ("five actors", with("act", &nested(5)), "claim_value"),
        (
            "two hundred actors",
            with("act", &nested(200)),
            "claim_value",
        ),
        ("four actors", with("act", &nested(4)), "accepted"),
        (
            "a confirmation as a text",
            with("cnf", &json!("key")),
            "claim_type",
        ),
        (
            "a thumbprint that is too short",
            with("cnf", &json!({"jkt": "AA"})),
            "claim_value",
        ),
        (
            "a thumbprint as a list",
            with("cnf", &json!({"x5t#S256": []})),
            "claim_type",
        ),
    ];
    check(&rows);
}

#[test]
fn a_claim_that_comes_twice_is_refused_whichever_would_win() {
    let twice = |members: &str| {
        signed(&format!(
            "{},{members}}}",
            CLAIMS.strip_suffix('}').unwrap()
        ))
    };
    let rows: Vec<Row<'_>> = vec![
        (
            "two issuers",
            twice(r#""iss":"internal""#),
            "duplicate_member",
        ),
        (
            "two audiences",
            twice(r#""aud":"other""#),
            "duplicate_member",
        ),
        ("two ends", twice(r#""exp":1700000600"#), "duplicate_member"),
        (
            "one of them escaped",
            twice(r#""\u0065xp":1700000600"#),
            "duplicate_member",
        ),
        (
            "two roles",
            twice(r#""roles":["user"],"roles":["admin"]"#),
            "duplicate_member",
        ),
        (
            "deep below",
            twice(r#""x":{"y":[{"a":1,"a":2}]}"#),
            "duplicate_member",
        ),
        (
            "in an actor",
            twice(r#""act":{"sub":"a","sub":"b"}"#),
            "duplicate_member",
        ),
        (
            "beside an actor's name",
            twice(r#""act":{"sub":"a","x":1,"x":2}"#),
            "duplicate_member",
        ),
        (
            "in a confirmation",
            twice(r#""cnf":{"kid":"a","kid":"b"}"#),
            "duplicate_member",
        ),
        (
            "deep nesting",
            twice(&format!(r#""x":{}{}"#, "[".repeat(16), "]".repeat(16))),
            "malformed_nesting",
        ),
    ];
    check(&rows);
}
