//! `hallpass jws verify`

use std::io::{BufRead, BufReader, Write};

use hallpass::token::{Algorithm, JwkSet};
use serde_json::{Value, json};

use crate::process::{Keys, command, run, run_with, spawn};

fn set(keys: &Keys) -> Value {
    JwkSet::new([keys.signing.public_jwk()]).to_json()
}

#[test]
fn a_raw_jws_is_checked_without_a_look_at_its_claims() {
    let keys = Keys::new(Algorithm::Es256);
    let file = keys.file();
    let token = keys.token();
    let good = keys.beside("good.jws", format!("{token}\n").as_bytes());
    let outcome = run(&["jws", "verify", "--jwks", &file, "--jws", &good]);
    assert_eq!(
        (outcome.code, &outcome.json()["valid"]),
        (0, &json!(true)),
        "{outcome:?}"
    );

    let other = Keys::new(Algorithm::Es256).token();
    let outcome = run_with(
        &["jws", "verify", "--jwks", &file, "--jws", "-"],
        other.as_bytes(),
    );
    assert_eq!(
        (outcome.code, &outcome.json()["code"]),
        (65, &json!("unknown_key")),
        "{outcome:?}"
    );

    let outcome = run(&["jws", "verify", "--jwks", &file, "--jws", "/no/such/file"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""));
    assert_eq!(run(&["jws", "verify", "--jwks", &file]).code, 64);
    assert_eq!(run(&["jws", "verify", "--batch", "--jwks", &file]).code, 64);
}

#[test]
fn a_batch_answers_every_line_in_order() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (set, good) = (set(&keys), keys.token());
    let mut tampered = good.clone().into_bytes();
    let middle = good.find('.').unwrap() + 10;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    let lines = [
        json!({"id": 1, "jwks": set, "jws": good}).to_string(),
        "{".to_owned(),
        json!({"id": {"a": [null]}, "jwks": set, "jws": tampered}).to_string(),
        json!({"id": "no keys", "jwks": {"keys": []}, "jws": good}).to_string(),
        json!({"id": "html", "jwks": "<html>", "jws": good}).to_string(),
        json!({"id": "long", "jwks": set, "jws": "a".repeat(1_000_000)}).to_string(),
        "[1, 2]".to_owned(),
        json!({"id": 2, "jwks": set, "jws": good}).to_string(),
    ];
    let outcome = run_with(&["jws", "verify", "--batch"], lines.join("\n").as_bytes());
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let answers: Vec<Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        json!({"id": 1, "valid": true, "error": null}),
        json!({"id": null, "valid": false, "error": "bad_line"}),
        json!({"id": {"a": [null]}, "valid": false, "error": "signature"}),
        json!({"id": "no keys", "valid": false, "error": "unknown_key"}),
        json!({"id": "html", "valid": false, "error": "bad_jwks"}),
        json!({"id": "long", "valid": false, "error": "too_large"}),
        json!({"id": null, "valid": false, "error": "bad_line"}),
        json!({"id": 2, "valid": true, "error": null}),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_partner_that_waits_for_each_answer_gets_it() {
    let keys = Keys::new(Algorithm::EdDsa);
    let mut child = spawn(&mut command(&["jws", "verify", "--batch"]));
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for id in 0..3 {
        let line = json!({"id": id, "jwks": set(&keys), "jws": keys.token()});
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(
            answer,
            format!("{{\"id\":{id},\"valid\":true,\"error\":null}}\n")
        );
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_key_set_with_a_doubled_member_is_refused_as_the_resource_server_does() {
    let keys = Keys::new(Algorithm::EdDsa);
    let set = set(&keys).to_string();
    let doubled = format!("{{\"keys\":[],{}", set.strip_prefix('{').unwrap());
    let line = format!(
        "{{\"id\":1,\"jwks\":{doubled},\"jws\":\"{}\"}}",
        keys.token()
    );
    let outcome = run_with(&["jws", "verify", "--batch"], line.as_bytes());
    assert_eq!(outcome.json()["error"], "bad_jwks");
}
