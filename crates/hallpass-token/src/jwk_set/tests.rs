use serde_json::{Value, json};

use super::{JwkSet, JwkSetError, MAX_JWK_SET_BYTES, MAX_KEYS, SkippedJwk};
use crate::{Algorithm, JwkError, KeyId, SigningKey, VerifyError};

fn jwk(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn parse(set: &str) -> Result<JwkSet, JwkSetError> {
    JwkSet::parse(set.as_bytes())
}

fn kid(name: &str) -> KeyId {
    name.parse().unwrap()
}

#[test]
fn a_key_has_the_certificate_that_its_members_agree_on() {
    use crate::Thumbprint;
    let (one, other) = (Thumbprint::of_certificate(b"one"), Thumbprint([7; 32]));
    // b"one" in base64, which is not base64url: with padding where it is due.
    let (x5c, padded) = ("b25l", "b25lMTE=");
    let mut key = jwk("k");
    for (members, expected) in [
        (json!({}), None),
        (json!({"x5c": [x5c]}), Some(one)),
        (json!({"x5c": [x5c, "AAAA"]}), Some(one)),
        (
            json!({"x5c": [padded]}),
            Some(Thumbprint::of_certificate(b"one11")),
        ),
        (json!({"x5t#S256": one}), Some(one)),
        (json!({"x5c": [x5c], "x5t#S256": one}), Some(one)),
        (json!({"x5c": [x5c], "x5t#S256": other}), None),
        (json!({"x5c": [x5c], "x5t#S256": 7}), None),
        (json!({"x5c": [], "x5t#S256": one}), None),
        (json!({"x5c": x5c}), None),
        (json!({"x5c": ["b25lMTE"]}), None),
        (json!({"x5t#S256": "AAAA"}), None),
    ] {
        for (name, value) in members.as_object().unwrap() {
            key[name] = value.clone();
        }
        let set = parse(&json!({"keys": [key]}).to_string()).unwrap();
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(set.certificates(), expected, "{members}");
        assert_eq!(set.keys().len(), 1, "and the key is what it was");
        key = jwk("k");
    }
    let twice = format!(r#"{{"keys":[{{"x5t#S256":"{one}","x5t#S256":"{other}"}}]}}"#);
    assert!(parse(&twice).unwrap().certificates().is_empty());
    let unusable = format!(r#"{{"keys":[{{"kty":"RSA","x5t#S256":"{one}"}}]}}"#);
    assert_eq!(parse(&unusable).unwrap().certificates(), [one]);
    let new = parse(&format!(r#"{{"keys":[{{"x5t#S256":"{other}"}}]}}"#)).unwrap();
    assert_ne!(
        parse(&unusable).unwrap(),
        new,
        "a new certificate is a change"
    );
}

#[test]
fn a_bad_key_is_left_out_with_its_reason_and_the_others_stay() {
    let mut wrong_kid = jwk("x");
    wrong_kid["kid"] = json!(7);
    let keys = [
        json!({"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"}).to_string(),
        r#"{"kty":"OKP","kid":"twice","kid":"twice"}"#.to_owned(),
        format!(
            r#"{{"kid":"deep","x":{}{}}}"#,
            "[".repeat(20),
            "]".repeat(20)
        ),
        "7".to_owned(),
        wrong_kid.to_string(),
        jwk("good").to_string(),
        jwk("good").to_string(),
    ];
    let set = parse(&format!(r#"{{"keys":[{}],"other":1}}"#, keys.join(","))).unwrap();
    assert_eq!(
        set.keys()
            .iter()
            .filter_map(|key| key.key_id())
            .collect::<Vec<_>>(),
        [&kid("good")]
    );
    let skipped: Vec<_> = set
        .skipped()
        .iter()
        .map(|key| (key.kid.clone(), key.reason))
        .collect();
    let expected = [
        (Some(kid("hmac")), JwkError::UnsupportedKeyType),
        (Some(kid("twice")), JwkError::DuplicateMember),
        (Some(kid("deep")), JwkError::TooDeep),
        (None, JwkError::NotAnObject),
        (None, JwkError::BadMember { member: "kid" }),
        (Some(kid("good")), JwkError::DuplicateKeyId),
    ];
    assert_eq!(skipped, expected);
    assert!(!format!("{set:?}").contains("c2VjcmV0"));
}

/// RFC 7517 section 4: such members are those of other specifications, and of the future.
#[test]
fn a_member_of_a_key_that_nobody_knows_is_ignored() {
    let plain = parse(&json!({"keys": [jwk("k")]}).to_string()).unwrap();
    let mut key = jwk("k");
    key["iat"] = json!(1);
    key["https://example.org/x"] = json!({"a": ["b"]});
    let further = parse(&json!({"keys": [key], "more": true}).to_string()).unwrap();
    assert_eq!(further.keys(), plain.keys());
    assert_eq!(further.keys().len(), 1);
}

#[test]
fn what_is_no_set_is_refused_whole() {
    let rows = [
        ("", JwkSetError::Malformed),
        ("<html>502 Bad Gateway</html>", JwkSetError::Malformed),
        ("{}", JwkSetError::Malformed),
        ("[]", JwkSetError::Malformed),
        (r#"{"keys":{}}"#, JwkSetError::Malformed),
        (r#"{"keys":null}"#, JwkSetError::Malformed),
        (r#"{"keys":[]} {"keys":[]}"#, JwkSetError::Malformed),
        (r#"{"keys":[],"keys":[]}"#, JwkSetError::DuplicateMember),
        (r#"{"keys":[],"a":1,"a":2}"#, JwkSetError::DuplicateMember),
    ];
    for (set, expected) in rows {
        assert_eq!(parse(set), Err(expected), "{set}");
    }
    assert_eq!(
        JwkSet::parse(b"{\"keys\":[\"\xff\"]}"),
        Err(JwkSetError::Malformed)
    );
    assert_eq!(
        parse(&" ".repeat(MAX_JWK_SET_BYTES + 1)),
        Err(JwkSetError::TooLarge)
    );
    let many = vec!["1"; MAX_KEYS + 1].join(",");
    assert_eq!(
        parse(&format!(r#"{{"keys":[{many}]}}"#)),
        Err(JwkSetError::TooManyKeys)
    );
    assert_eq!(parse(r#"{"keys":[]}"#), Ok(JwkSet::default()));
}

#[test]
fn keys_of_different_kinds_may_share_a_name() {
    let ed = SigningKey::generate(Algorithm::EdDsa)
        .unwrap()
        .with_key_id(kid("shared"));
    let p256 = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .with_key_id(kid("shared"));
    let set = JwkSet::new([ed.public_jwk(), p256.public_jwk()]);
    assert_eq!(
        set.find(Some(&kid("shared")), Algorithm::EdDsa),
        Ok(&ed.public_jwk())
    );
    assert_eq!(
        set.find(Some(&kid("shared")), Algorithm::Es256),
        Ok(&p256.public_jwk())
    );
    assert_eq!(
        set.find(Some(&kid("shared")), Algorithm::Rs256),
        Err(VerifyError::AlgorithmMismatch)
    );
    assert_eq!(
        set.find(Some(&kid("other")), Algorithm::EdDsa),
        Err(VerifyError::UnknownKey)
    );
    assert_eq!(set.find(None, Algorithm::EdDsa), Ok(&ed.public_jwk()));
    assert_eq!(
        set.find(None, Algorithm::Rs256),
        Err(VerifyError::UnknownKey)
    );
    assert!(set.contains(&kid("shared")) && !set.contains(&kid("other")));
}

#[test]
fn a_set_is_written_so_that_it_reads_the_same() {
    let keys =
        Algorithm::EVERY.map(|algorithm| SigningKey::generate(algorithm).unwrap().public_jwk());
    let set = JwkSet::new(keys);
    assert_eq!(JwkSet::parse(set.to_json().to_string().as_bytes()), Ok(set));
}

#[test]
fn a_key_with_a_number_or_a_text_that_cannot_be_read_spoils_only_itself() {
    let good = SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let rows = [
        (r#"{"kty":"RSA","n":1e999}"#, JwkError::Unreadable),
        (r#"{"kty":"oct","k":"\ud800"}"#, JwkError::Unreadable),
        (deep.as_str(), JwkError::TooDeep),
    ];
    for (bad, reason) in rows {
        let set = parse(&format!(r#"{{"keys":[{bad},{}]}}"#, good.to_json())).unwrap();
        assert_eq!(set.keys(), std::slice::from_ref(&good), "{bad}");
        assert_eq!(set.skipped(), [SkippedJwk { kid: None, reason }], "{bad}");
    }
}
