//! The fuzz targets without a fuzzer: seeds, and what small damage makes of them.

use crate::damage::Damage;
use crate::entries;
use crate::forge::{CLAIMS, Forge, HEADER};
use serde_json::Value;

/// Damaged copies of claims and headers, which are damaged before they are encoded.
const MUTATIONS: u32 = 8_000;

fn damage() -> Damage {
    Damage::new(&[
        b".", b"\"", b"{", b"}", b"[", b"]", b",", b":", b"\\", b"0", b" ", b"e", b"-", b"\xff",
        b"\0", b"A",
    ])
}

fn run(entry: fn(&[u8]), seeds: &[Vec<u8>], target: &str) {
    let seeds_in = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    damage().run(entry, seeds, &seeds_in);
}

fn vectors() -> Vec<Value> {
    let files = [
        include_str!("../vectors/rfc7515.json"),
        include_str!("../vectors/rfc8037.json"),
    ];
    files
        .iter()
        .flat_map(|file| serde_json::from_str::<Vec<Value>>(file).unwrap())
        .collect()
}

#[test]
fn damaged_tokens_are_refused_without_a_panic() {
    let mut seeds: Vec<Vec<u8>> = vectors()
        .iter()
        .map(|row| row["jws"].as_str().unwrap().into())
        .collect();
    seeds.push(Forge::issuer().token(HEADER, CLAIMS).into());
    run(entries::token, &seeds, "token");
}

#[test]
fn damaged_claims_are_refused_or_read_the_same_twice() {
    // Damage before the encoding reaches the readers of JSON, which damage behind it seldom does.
    let full = r#"{"iss":"joe","sub":"s","aud":["me","b"],"exp":1,"nbf":0,"iat":0,"jti":"j","client_id":"c",
        "scope":"a b","act":{"sub":"x","iss":"i","act":{"sub":"y","z":[{}]}},"cnf":{"jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        "roles":["r",{"a":null,"b":-1.5e3}],"scp":["a"]}"#;
    let mut damage = damage();
    for _ in 0..MUTATIONS {
        let claims = damage.of(full.as_bytes());
        entries::token(
            Forge::issuer()
                .token_of_bytes(br#"{"alg":"EdDSA"}"#, &claims)
                .as_bytes(),
        );
    }
    for _ in 0..MUTATIONS {
        let header = damage.of(HEADER.as_bytes());
        entries::token(
            Forge::issuer()
                .token_of_bytes(&header, full.as_bytes())
                .as_bytes(),
        );
    }
}

#[test]
fn damaged_jwk_sets_are_read_or_refused_without_a_panic() {
    let seeds: Vec<Vec<u8>> = vectors()
        .iter()
        .map(|row| row["jwks"].to_string().into())
        .collect();
    run(entries::jwk_set, &seeds, "jwk_set");
}

#[test]
fn damaged_bearer_headers_are_read_or_refused_without_a_panic() {
    let seeds = ["Bearer a.b-c_d~e+f/0==", "bearer  x", "Basic YTpi", ""]
        .map(|text| text.as_bytes().to_vec());
    run(entries::bearer, &seeds, "bearer");
}

#[test]
fn damaged_proofs_and_addresses_are_refused_or_read_without_a_panic() {
    let addresses = [
        "https://a.example/x?y#z",
        "HTTP://[::1]:80/%7e/../%2F",
        "https://u@a:1/",
    ];
    let mut seeds: Vec<Vec<u8>> = addresses.map(Into::into).into();
    seeds.push(entries::PROOF.into());
    run(entries::proof, &seeds, "proof");
}
