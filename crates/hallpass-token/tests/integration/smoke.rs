//! The fuzz targets without a fuzzer: seeds, and what small damage makes of them.

use crate::entries;
use crate::forge::{CLAIMS, Forge, HEADER};
use serde_json::Value;

/// Damaged copies of each seed.
const MUTATIONS: u32 = 400;

/// A small generator (splitmix64) with a fixed start: the same inputs in every run.
struct Damage(u64);

impl Damage {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below.max(1) as u64).unwrap()
    }

    fn of(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.next(3) {
            let (at, other) = (self.next(bytes.len()), self.next(bytes.len()));
            match self.next(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.next(8),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(
                    at,
                    *b".\"{}[],:\\0 e-\xff\0".get(self.next(16)).unwrap_or(&b'A'),
                ),
                3 => bytes.truncate(at),
                4 => bytes.extend_from_within(at.min(other)..at.max(other)),
                _ if !bytes.is_empty() => bytes.swap(at, other),
                _ => {}
            }
        }
        bytes
    }
}

fn run(entry: fn(&[u8]), seeds: &[Vec<u8>]) {
    let mut damage = Damage(1);
    for seed in seeds {
        entry(seed);
        for _ in 0..MUTATIONS {
            entry(&damage.of(seed));
        }
    }
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
    run(entries::token, &seeds);
}

#[test]
fn damaged_claims_are_refused_or_read_the_same_twice() {
    // Damage before the encoding reaches the readers of JSON, which damage behind it seldom does.
    let full = r#"{"iss":"joe","sub":"s","aud":["me","b"],"exp":1,"nbf":0,"iat":0,"jti":"j","client_id":"c",
        "scope":"a b","act":{"sub":"x","iss":"i","act":{"sub":"y","z":[{}]}},"cnf":{"jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        "roles":["r",{"a":null,"b":-1.5e3}],"scp":["a"]}"#;
    let mut damage = Damage(2);
    for _ in 0..20 * MUTATIONS {
        let claims = damage.of(full.as_bytes());
        entries::token(
            Forge::issuer()
                .token_of_bytes(br#"{"alg":"EdDSA"}"#, &claims)
                .as_bytes(),
        );
    }
    for _ in 0..20 * MUTATIONS {
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
    run(entries::jwk_set, &seeds);
}

#[test]
fn damaged_bearer_headers_are_read_or_refused_without_a_panic() {
    let seeds = ["Bearer a.b-c_d~e+f/0==", "bearer  x", "Basic YTpi", ""]
        .map(|text| text.as_bytes().to_vec());
    run(entries::bearer, &seeds);
}

#[test]
fn damaged_proofs_and_addresses_are_refused_or_read_without_a_panic() {
    let addresses = [
        "https://a.example/x?y#z",
        "HTTP://[::1]:80/%7e/../%2F",
        "https://u@a:1/",
    ];
    let addresses = addresses.map(|text| text.as_bytes().to_vec());
    run(entries::proof, &[entries::PROOF.into()]);
    run(entries::proof, &addresses);
}
