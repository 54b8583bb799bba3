use serde_json::{Value, json};

use super::{Jwk, JwkError};
use crate::{Algorithm, SigningKey, base64url};

/// The public key of RFC 8037 appendix A.2.
fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn with(name: &str, value: Value) -> Result<Jwk, JwkError> {
    let mut jwk = ed25519();
    jwk[name] = value;
    Jwk::from_value(&jwk)
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rsa = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n":
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok\
         njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu\
         6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a\
         wapJzKnqDKgw"});
    for (jwk, expected) in [
        (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ed25519(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        let jwk = Jwk::from_value(&jwk).unwrap();
        assert_eq!(base64url::encode(&jwk.thumbprint().0), expected);
    }
}

#[test]
fn a_key_is_written_so_that_it_reads_the_same() {
    for algorithm in Algorithm::EVERY {
        let jwk = SigningKey::generate(algorithm).unwrap().public_jwk();
        let json = jwk.to_json();
        assert_eq!(Jwk::from_value(&json), Ok(jwk), "{algorithm}");
        assert_eq!(
            (&json["use"], &json["alg"]),
            (&json!("sig"), &json!(algorithm.as_str()))
        );
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(json.get(private), None, "{algorithm} {private}");
        }
    }
}

#[test]
fn a_private_part_is_neither_kept_nor_shown() {
    let jwk = with("d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")).unwrap();
    assert!(!format!("{jwk:?} {}", jwk.to_json()).contains("nWGxne"));
}

#[test]
fn purposes_and_algorithms_are_held_against_the_key() {
    for (name, value) in [
        ("use", json!("sig")),
        ("use", json!("jwt-svid")),
        ("key_ops", json!(["sign", "verify"])),
        ("alg", json!("EdDSA")),
        ("alg", json!("Ed25519")),
        ("kid", json!("a")),
        ("x5c", json!([7])),
    ] {
        assert_eq!(
            with(name, value).map(|jwk| jwk.algorithm()),
            Ok(Algorithm::EdDsa),
            "{name}"
        );
    }
    let rows = [
        ("use", json!("enc"), JwkError::OtherUse),
        ("use", json!(["sig"]), JwkError::BadMember { member: "use" }),
        ("key_ops", json!(["sign"]), JwkError::OtherUse),
        (
            "key_ops",
            json!("verify"),
            JwkError::BadMember { member: "key_ops" },
        ),
        (
            "key_ops",
            json!(["verify", 1]),
            JwkError::BadMember { member: "key_ops" },
        ),
        ("alg", json!("ES256"), JwkError::AlgorithmMismatch),
        ("alg", json!("none"), JwkError::UnsupportedAlgorithm),
        ("alg", json!(1), JwkError::BadMember { member: "alg" }),
        ("kid", json!(1), JwkError::BadMember { member: "kid" }),
        ("kid", json!(""), JwkError::BadMember { member: "kid" }),
        ("kty", json!("oct"), JwkError::UnsupportedKeyType),
        ("kty", json!("okp"), JwkError::UnsupportedKeyType),
        ("crv", json!("X25519"), JwkError::UnsupportedCurve),
        (
            "x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"),
            JwkError::BadMember { member: "x" },
        ),
        (
            "x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
            JwkError::BadMember { member: "x" },
        ),
        (
            "x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"),
            JwkError::BadMember { member: "x" },
        ),
    ];
    for (name, value, expected) in rows {
        assert_eq!(
            with(name, value.clone()).map(|_| ()),
            Err(expected),
            "{name}: {value}"
        );
    }
    assert_eq!(Jwk::from_value(&json!([])), Err(JwkError::NotAnObject));
    assert_eq!(
        Jwk::from_value(&json!({"kty": "RSA"})),
        Err(JwkError::MissingMember { member: "n" })
    );
}
