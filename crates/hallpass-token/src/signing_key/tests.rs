use serde_json::{Value, json};

use super::{KeyError, SigningKey};
use crate::{Algorithm, JwkError, TokenType};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../tests/vectors/pem/", $name, ".pem"))
    };
}

fn private_jwks() -> Vec<Value> {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/vectors/private_keys.json")).unwrap();
    rows.into_iter().map(|row| row["jwk"].clone()).collect()
}

/// What it signs, its public half verifies.
fn works(key: &SigningKey) -> bool {
    let signature = key.sign(b"message").unwrap();
    key.public_jwk()
        .verifies(key.algorithm(), b"message", &signature)
}

#[test]
fn every_form_of_pem_is_read_and_the_same_key_has_the_same_name() {
    let rows = [
        (pem!("p256-sec1"), pem!("p256-pkcs8"), Algorithm::Es256),
        (pem!("rsa-pkcs1"), pem!("rsa-pkcs8"), Algorithm::Rs256),
        (
            pem!("ed25519-pkcs8"),
            pem!("ed25519-pkcs8"),
            Algorithm::EdDsa,
        ),
    ];
    for (older, newer, algorithm) in rows {
        let (older, newer) = (
            SigningKey::from_pem(older).unwrap(),
            SigningKey::from_pem(newer).unwrap(),
        );
        assert_eq!(
            (older.algorithm(), older.key_id()),
            (algorithm, newer.key_id())
        );
        assert_eq!(older.public_jwk(), newer.public_jwk());
        assert!(works(&older) && works(&newer));
    }
    let windows = pem!("ed25519-pkcs8").replace('\n', "\r\n");
    assert!(SigningKey::from_pem(&format!("Bag Attributes\r\n{windows}")).is_ok());
}

#[test]
fn a_pem_text_without_a_usable_key_is_refused_with_its_reason() {
    let two = format!("{}{}", pem!("p256-sec1"), pem!("ed25519-pkcs8"));
    let large = " ".repeat(65 * 1024);
    let mixed = pem!("ed25519-pkcs8")
        .replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE")
        .replace("END ", "END RSA ");
    let rows = [
        ("", KeyError::NoPrivateKey),
        (
            "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n",
            KeyError::NoPrivateKey,
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n-----END OPENSSH PRIVATE KEY-----\n",
            KeyError::NoPrivateKey,
        ),
        ("-----BEGIN PRIVATE KEY-----\nAA==\n", KeyError::Malformed),
        (
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
            KeyError::Malformed,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
            KeyError::Refused,
        ),
        (pem!("encrypted-pkcs8"), KeyError::Encrypted),
        (pem!("encrypted-sec1"), KeyError::Encrypted),
        (pem!("p384-sec1"), KeyError::Refused),
        (pem!("rsa-1024-pkcs8"), KeyError::Refused),
        (mixed.as_str(), KeyError::Refused),
        (two.as_str(), KeyError::SeveralKeys),
        (large.as_str(), KeyError::TooLarge),
    ];
    for (text, expected) in rows {
        assert_eq!(
            SigningKey::from_pem(text).map(|_| ()),
            Err(expected),
            "{text:.60}"
        );
    }
}

#[test]
fn private_jwks_are_read_and_keep_their_names() {
    let keys: Vec<SigningKey> = private_jwks()
        .iter()
        .map(|jwk| SigningKey::from_jwk(jwk).unwrap())
        .collect();
    assert!(keys.iter().all(works));
    let names: Vec<&str> = keys.iter().map(|key| key.key_id().as_str()).collect();
    assert_eq!(
        names[1..],
        [
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "bilbo.baggins@hobbiton.example"
        ]
    );
    assert_eq!(
        keys.iter().map(SigningKey::algorithm).collect::<Vec<_>>(),
        Algorithm::EVERY
    );
}

#[test]
fn a_jwk_whose_parts_do_not_fit_is_refused() {
    for jwk in private_jwks() {
        let changed = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            SigningKey::from_jwk(&jwk).map(|_| ())
        };
        let mut public = jwk.clone();
        public.as_object_mut().unwrap().remove("d");
        let missing = SigningKey::from_jwk(&public).map(|_| ());
        assert_eq!(
            missing,
            Err(KeyError::Jwk(JwkError::MissingMember { member: "d" }))
        );
        assert_eq!(
            changed("d", json!(1)),
            Err(KeyError::Jwk(JwkError::BadMember { member: "d" }))
        );
        assert_eq!(
            changed("use", json!("enc")),
            Err(KeyError::Jwk(JwkError::OtherUse))
        );
        assert_eq!(
            changed("key_ops", json!(["verify"])),
            Err(KeyError::Jwk(JwkError::OtherUse))
        );
        assert_eq!(changed("key_ops", json!(["sign"])), Ok(()));
        let foreign = if jwk["kty"] == "RSA" {
            &jwk["p"]
        } else {
            &json!("A".repeat(42) + "E")
        };
        assert_eq!(
            changed("d", foreign.clone()),
            Err(KeyError::Refused),
            "{}",
            jwk["kty"]
        );
    }
    let mut several_primes = private_jwks().pop().unwrap();
    several_primes["oth"] = json!([]);
    assert_eq!(
        SigningKey::from_jwk(&several_primes).map(|_| ()),
        Err(KeyError::Refused)
    );
    assert_eq!(
        SigningKey::from_jwk(&json!(7)).map(|_| ()),
        Err(KeyError::Jwk(JwkError::NotAnObject))
    );
}

#[test]
fn a_stored_key_is_the_same_key() {
    for algorithm in Algorithm::EVERY {
        let key = SigningKey::generate(algorithm).unwrap();
        let stored = key.to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &stored).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
        assert!(works(&again));
        for other in Algorithm::EVERY
            .into_iter()
            .filter(|other| *other != algorithm)
        {
            assert_eq!(
                SigningKey::from_pkcs8(other, &stored).map(|_| ()),
                Err(KeyError::Refused)
            );
        }
    }
}

#[test]
fn a_renamed_key_carries_its_name_everywhere() {
    let key = SigningKey::generate(Algorithm::EdDsa)
        .unwrap()
        .with_key_id("2026-11".parse().unwrap());
    assert_eq!(key.key_id(), &"2026-11");
    assert_eq!(key.public_jwk().key_id(), Some(key.key_id()));
    let header = crate::base64url::decode(key.encoded_header(TokenType::AccessToken)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&header).unwrap(),
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "2026-11"})
    );
}

#[test]
fn debug_output_shows_no_part_of_the_private_key() {
    for jwk in private_jwks() {
        let shown = format!("{:?}", SigningKey::from_jwk(&jwk).unwrap());
        assert!(!shown.contains(jwk["d"].as_str().unwrap()), "{shown}");
        assert!(shown.len() < 200, "{shown}");
    }
}

#[test]
fn what_is_only_verified_is_never_signed_with() {
    for algorithm in Algorithm::VERIFY_ONLY {
        let made = SigningKey::generate(algorithm);
        assert_eq!(made.err(), Some(KeyError::Refused), "{algorithm}");
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
        let der = rsa.to_pkcs8().unwrap();
        let read = SigningKey::from_pkcs8(algorithm, &der);
        assert_eq!(read.err(), Some(KeyError::Refused), "{algorithm}");
    }
    let mut rsa = private_jwks()
        .into_iter()
        .find(|jwk| jwk["kty"] == "RSA")
        .unwrap();
    rsa["alg"] = "PS256".into();
    assert_eq!(SigningKey::from_jwk(&rsa).err(), Some(KeyError::Refused));
}
