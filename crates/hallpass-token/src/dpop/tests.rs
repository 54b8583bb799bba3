use serde_json::{Map, Value, json};

use super::*;
use crate::algorithm::Algorithm;
use crate::base64url;
use crate::signing_key::SigningKey;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const ADDRESS: &str = "https://orders.example/orders/7";

/// A sender that writes what it likes.
struct Forger(SigningKey);

impl Forger {
    fn new(algorithm: Algorithm) -> Self {
        Self(SigningKey::generate(algorithm).unwrap())
    }

    fn header(&self) -> Value {
        let mut jwk = self.0.public_jwk().to_json();
        let members = jwk.as_object_mut().unwrap();
        members.remove("use");
        json!({"typ": "dpop+jwt", "alg": self.0.algorithm().as_str(), "jwk": jwk})
    }

    fn claims() -> Value {
        json!({"jti": "1", "htm": "GET", "htu": ADDRESS, "iat": NOW.as_secs(),
            "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"})
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(claims.as_bytes())
        );
        let signature = base64url::encode(&self.0.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{signature}")
    }

    fn with_header(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut header = self.header();
        change(header.as_object_mut().unwrap());
        self.sign(&header.to_string(), &Self::claims().to_string())
    }

    fn with_claims(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut claims = Self::claims();
        change(claims.as_object_mut().unwrap());
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        self.with_claims(|claims| _ = claims.insert(name.to_owned(), value))
    }
}

fn check(proof: &str) -> Result<DpopProof, DpopError> {
    check_at(proof, NOW)
}

fn check_at(proof: &str, now: UnixTime) -> Result<DpopProof, DpopError> {
    let uris = [DpopUri::parse(ADDRESS).unwrap()];
    let expected = DpopExpectation {
        method: "GET",
        uris: &uris,
        access_token: Some(TOKEN),
        algorithms: Algorithms::ALL,
    };
    verify_dpop(proof, &expected, now)
}

#[test]
fn a_proof_of_each_kind_of_key_names_that_key_and_no_two_proofs_are_alike() {
    let uri = DpopUri::parse(ADDRESS).unwrap();
    let request = DpopRequest {
        method: "GET",
        uri: &uri,
        access_token: Some(TOKEN),
        nonce: Some("n"),
    };
    for algorithm in Algorithm::EVERY {
        let key = DpopKey::generate(algorithm).unwrap();
        let [first, second] = [(), ()].map(|()| check(&key.prove(&request, NOW).unwrap()).unwrap());
        assert_eq!(first.thumbprint(), key.thumbprint());
        assert_eq!((first.nonce(), first.issued_at()), (Some("n"), NOW));
        assert_ne!(first.id(), second.id());
    }
}

#[test]
fn the_proof_and_the_digests_of_the_rfc_come_out_as_they_should() {
    // RFC 9449 section 4.1 and 6.1.
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let uris = [DpopUri::parse("https://server.example.com/token").unwrap()];
    let expected = DpopExpectation {
        method: "POST",
        uris: &uris,
        access_token: None,
        algorithms: Algorithms::ALL,
    };
    let proof = verify_dpop(proof, &expected, UnixTime::from_secs(1_562_262_616)).unwrap();
    assert_eq!(
        base64url::encode(&proof.thumbprint().0),
        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    );
    // Section 7.1.
    assert_eq!(
        base64url::encode(&access_token_hash(TOKEN).0),
        "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    );
}

#[test]
fn a_header_that_is_not_that_of_a_proof_is_refused() {
    let forger = Forger::new(Algorithm::Es256);
    assert!(check(&forger.with_header(|_| ())).is_ok());
    for (name, value, expected) in [
        ("typ", json!("at+jwt"), DpopError::Type),
        ("typ", json!("JWT"), DpopError::Type),
        ("typ", json!("DPOP+JWT"), DpopError::Type),
        ("typ", json!(7), DpopError::Type),
        ("alg", json!("none"), DpopError::Algorithm),
        ("alg", json!("HS256"), DpopError::Algorithm),
        ("alg", json!("EdDSA"), DpopError::Algorithm),
        ("crit", json!(["exp"]), DpopError::Malformed),
        ("crit", json!([]), DpopError::Malformed),
        ("b64", json!(false), DpopError::Malformed),
    ] {
        let proof = forger.with_header(|header| _ = header.insert(name.to_owned(), value.clone()));
        assert_eq!(check(&proof), Err(expected), "{name}: {value}");
    }
    for (name, expected) in [
        ("typ", DpopError::Type),
        ("alg", DpopError::Algorithm),
        ("jwk", DpopError::Key),
    ] {
        let proof = forger.with_header(|header| _ = header.remove(name));
        assert_eq!(check(&proof), Err(expected), "no {name}");
    }
}

#[test]
fn a_key_that_is_not_public_and_the_signers_own_is_refused() {
    let forger = Forger::new(Algorithm::Es256);
    let with = |member: &str, value: &str| {
        let mut jwk = forger.header()["jwk"].clone();
        jwk[member] = value.into();
        jwk
    };
    let another = |algorithm| Forger::new(algorithm).header()["jwk"].clone();
    for (what, jwk, expected) in [
        ("by its name", json!("x"), DpopError::Key),
        ("shared", json!({"kty": "oct"}), DpopError::Key),
        (
            "shared, in full",
            json!({"kty": "oct", "k": "AA"}),
            DpopError::PrivateKey,
        ),
        ("private", with("d", "AA"), DpopError::PrivateKey),
        (
            "private, of no meaning",
            with("qi", ""),
            DpopError::PrivateKey,
        ),
        ("for encryption", with("use", "enc"), DpopError::Key),
        (
            "somebody else's",
            another(Algorithm::Es256),
            DpopError::Signature,
        ),
        (
            "of another kind",
            another(Algorithm::Rs256),
            DpopError::Algorithm,
        ),
    ] {
        let proof = forger.with_header(|header| _ = header.insert("jwk".to_owned(), jwk));
        assert_eq!(check(&proof), Err(expected), "{what}");
    }
}

#[test]
fn a_key_that_anybody_can_sign_for_is_refused() {
    let header = json!({"typ": "dpop+jwt", "alg": "EdDSA",
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&[&[1][..], &[0; 31]].concat())}});
    let forger = Forger::new(Algorithm::EdDsa);
    let proof = forger.sign(&header.to_string(), &Forger::claims().to_string());
    assert_eq!(check(&proof), Err(DpopError::Key));
}

#[test]
fn only_algorithms_that_are_allowed_are_taken() {
    let uris = [DpopUri::parse(ADDRESS).unwrap()];
    let expected = DpopExpectation {
        method: "GET",
        uris: &uris,
        access_token: Some(TOKEN),
        algorithms: Algorithm::Es256.into(),
    };
    let proof = |algorithm| Forger::new(algorithm).with_header(|_| ());
    assert!(verify_dpop(&proof(Algorithm::Es256), &expected, NOW).is_ok());
    let refused = verify_dpop(&proof(Algorithm::EdDsa), &expected, NOW);
    assert_eq!(refused, Err(DpopError::Algorithm));
}

#[test]
fn claims_of_another_request_are_refused() {
    let forger = Forger::new(Algorithm::EdDsa);
    for (name, value, expected) in [
        ("htm", json!("POST"), DpopError::Method),
        ("htm", json!("get"), DpopError::Method),
        ("htm", json!(7), DpopError::Malformed),
        (
            "htu",
            json!("http://orders.example/orders/7"),
            DpopError::Uri,
        ),
        (
            "htu",
            json!("https://orders.example/orders/8"),
            DpopError::Uri,
        ),
        (
            "htu",
            json!("https://evil.example/orders/7"),
            DpopError::Uri,
        ),
        (
            "htu",
            json!("https://u@orders.example/orders/7"),
            DpopError::Uri,
        ),
        ("htu", json!("/orders/7"), DpopError::Uri),
        ("htu", json!([ADDRESS]), DpopError::Malformed),
        ("ath", json!("A".repeat(43)), DpopError::AccessToken),
        ("ath", json!("AA"), DpopError::AccessToken),
        ("ath", json!(7), DpopError::Malformed),
        ("jti", json!(7), DpopError::Malformed),
        ("jti", json!(""), DpopError::Malformed),
        ("jti", json!("x".repeat(513)), DpopError::Malformed),
        ("nonce", json!(7), DpopError::Malformed),
        ("nonce", json!("x".repeat(513)), DpopError::Malformed),
        ("iat", json!("1700000000"), DpopError::Malformed),
        ("iat", json!(-1), DpopError::Malformed),
        ("iat", json!(1e300), DpopError::Malformed),
    ] {
        let proof = forger.with_claim(name, value.clone());
        assert_eq!(check(&proof), Err(expected), "{name}: {value}");
    }
    for name in ["jti", "htm", "htu", "iat"] {
        let proof = forger.with_claims(|claims| _ = claims.remove(name));
        assert_eq!(check(&proof), Err(DpopError::Malformed), "{name}");
    }
    let without = forger.with_claims(|claims| _ = claims.remove("ath"));
    assert_eq!(check(&without), Err(DpopError::AccessToken));
    let query = forger.with_claim("htu", json!(format!("{ADDRESS}?x=1#y")));
    assert!(check(&query).is_ok(), "query and fragment do not count");
}

#[test]
fn a_proof_counts_a_minute_and_may_be_ten_seconds_ahead() {
    let proof = Forger::new(Algorithm::EdDsa).with_claims(|_| ());
    let (life, ahead) = (DPOP_PROOF_LIFE, DPOP_CLOCK_AHEAD);
    let second = Duration::from_secs(1);
    assert!(check_at(&proof, NOW.saturating_add(life)).is_ok());
    let late = check_at(&proof, NOW.saturating_add(life + second));
    assert_eq!(late, Err(DpopError::TooOld));
    assert!(check_at(&proof, NOW.saturating_sub(ahead)).is_ok());
    let early = check_at(&proof, NOW.saturating_sub(ahead + second));
    assert_eq!(early, Err(DpopError::TooNew));
}

#[test]
fn a_proof_that_was_changed_or_cut_is_refused() {
    let forger = Forger::new(Algorithm::EdDsa);
    let proof = forger.with_claims(|_| ());
    let [header, claims, signature] = proof.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let other = forger.with_claim("jti", json!("2"));
    let other_claims = other.split('.').nth(1).unwrap();
    assert_eq!(
        check(&format!("{header}.{other_claims}.{signature}")),
        Err(DpopError::Signature)
    );
    for malformed in [
        String::new(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{proof}.x"),
        format!("{proof}="),
        format!(" {proof}"),
        forger.sign("[]", "{}"),
        forger.sign(&forger.header().to_string(), "7"),
        forger.sign(&forger.header().to_string(), r#"{"jti":"a","jti":"b"}"#),
        forger.sign(
            &format!("{}x", forger.header()),
            &Forger::claims().to_string(),
        ),
    ] {
        assert_eq!(check(&malformed), Err(DpopError::Malformed), "{malformed}");
    }
    assert_eq!(
        check(&format!("{header}.{claims}.")),
        Err(DpopError::Signature)
    );
    let twice = forger
        .header()
        .to_string()
        .replacen('{', r#"{"typ":"dpop+jwt","#, 1);
    let twice = forger.sign(&twice, &Forger::claims().to_string());
    assert_eq!(check(&twice), Err(DpopError::Malformed));
    let long = forger.with_claim("x", json!("x".repeat(MAX_DPOP_PROOF_BYTES)));
    assert_eq!(check(&long), Err(DpopError::TooLarge));
}

#[test]
fn a_key_signs_proofs_that_no_verifier_takes_for_a_token_and_shows_nothing() {
    let key = DpopKey::generate(Algorithm::Es256).unwrap();
    let uri = DpopUri::parse(ADDRESS).unwrap();
    let request = DpopRequest {
        method: "GET",
        uri: &uri,
        access_token: None,
        nonce: None,
    };
    let proof = key.prove(&request, NOW).unwrap();
    let header = base64url::decode(proof.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let public = crate::Jwk::from_value(&header["jwk"]).unwrap();
    let keys = crate::JwkSet::new([public]);
    let policy = crate::VerifyPolicy::new("i".parse().unwrap(), "a".parse().unwrap());
    for policy in [policy.clone(), policy.dangerous_accept_untyped()] {
        let verified = crate::verify(&proof, &keys, &policy, NOW);
        assert_eq!(verified, Err(crate::VerifyError::Type));
    }
    assert_eq!(
        format!("{key:?}"),
        "DpopKey { algorithm: Es256, .. }",
        "no part of the key"
    );
    let members: Vec<_> = header["jwk"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["crv", "kty", "x", "y"]);
}
