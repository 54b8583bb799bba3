//! Vectors as data: the JWS examples of the RFCs, signatures at the edges of their numbers, keys that must not be taken.

use hallpass_token::{Algorithm, Algorithms, JwkSet, VerifyError, verify_jws};
use serde_json::Value;

fn rows(file: &str) -> Vec<Value> {
    serde_json::from_str(file).unwrap()
}

/// Verifies every row by the code that verifies tokens, and says which ones come out otherwise than they should.
fn check(rows: &[Value]) {
    check_with(rows, Algorithms::ALL);
}

fn check_with(rows: &[Value], algorithms: Algorithms) {
    let mut wrong = Vec::new();
    for row in rows {
        let keys = JwkSet::parse(row["jwks"].to_string().as_bytes()).unwrap();
        let payload = verify_jws(row["jws"].as_str().unwrap(), &keys, algorithms);
        let outcome = payload.as_ref().map_or_else(VerifyError::code, |_| "valid");
        if outcome != row["expect"] {
            wrong.push(format!(
                "{}: {outcome} instead of {}",
                row["name"], row["expect"]
            ));
        }
        if let (Ok(payload), Some(expected)) = (payload, row["payload"].as_str()) {
            assert_eq!(payload, expected.as_bytes(), "{}", row["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_only_verified_is_so_where_it_is_allowed_by_name_and_nowhere_else() {
    let rows = rows(include_str!("../vectors/verify_only.json"));
    let all = Algorithm::EVERY.into_iter().chain(Algorithm::VERIFY_ONLY);
    check_with(&rows, all.collect());
    for row in rows {
        let jws = row["jws"].as_str().unwrap();
        let keys = JwkSet::parse(row["jwks"].to_string().as_bytes()).unwrap();
        let usual = verify_jws(jws, &keys, Algorithms::ALL);
        assert!(usual.is_err(), "{}", row["name"]);
        if row["expect"] == "valid" {
            assert_eq!(
                usual,
                Err(VerifyError::AlgorithmNotAllowed),
                "{}",
                row["name"]
            );
        }
    }
}

#[test]
fn examples_of_rfc_7515_come_out_as_they_should() {
    check(&rows(include_str!("../vectors/rfc7515.json")));
}

#[test]
fn examples_of_rfc_7520_come_out_as_they_should() {
    check(&rows(include_str!("../vectors/rfc7520.json")));
}

#[test]
fn examples_of_rfc_8037_come_out_as_they_should() {
    check(&rows(include_str!("../vectors/rfc8037.json")));
}

#[test]
fn signatures_at_the_edges_of_their_numbers_do_not_verify() {
    let rows = rows(include_str!("../vectors/signatures.json"));
    assert!(rows.len() > 90);
    check(&rows);
}

#[test]
fn unsound_keys_verify_nothing_and_do_no_harm_to_sound_ones() {
    let rows = rows(include_str!("../vectors/keys.json"));
    check(&rows);
    for row in rows {
        let sound = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": "sound",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let keys = serde_json::json!({"keys": [row["jwks"]["keys"][0], sound]});
        let set = JwkSet::parse(keys.to_string().as_bytes()).unwrap();
        assert_eq!(
            (set.keys().len(), set.skipped().len()),
            (1, 1),
            "{}",
            row["name"]
        );
    }
}
