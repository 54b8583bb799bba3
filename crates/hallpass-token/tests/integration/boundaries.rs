//! Limits at their exact value, and what is read from a token where no attack looks.

use std::time::Duration;

use hallpass_token::{
    AccessToken, Actor, Algorithm, Algorithms, JwkError, JwkSet, JwkSetError, KeyError,
    MAX_JWK_SET_BYTES, Scope, Sealer, SecurityContext, SignError, SigningKey, TokenClaims,
    UnixTime, UnverifiedToken, VerifyError, VerifyPolicy, sign, sign_within, verify,
};
use serde_json::{Value, json};

use crate::forge::{CLAIMS, Forge, HEADER, NOW, claims_with, encode, policy, receive};

fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

fn claims() -> TokenClaims {
    let (issuer, audience) = (
        "internal".parse().unwrap(),
        "logistics-service".parse().unwrap(),
    );
    TokenClaims::new(
        issuer,
        "order-service".parse().unwrap(),
        audience,
        UnixTime::from_secs(NOW + 600),
    )
}

/// Arrays, or objects, within each other.
fn nested(levels: usize, object: bool) -> Value {
    (0..levels).fold(json!(1), |inner, _| match object {
        true => json!({ "a": inner }),
        false => json!([inner]),
    })
}

#[test]
fn a_jwk_set_may_have_512_kibibytes_and_256_keys() {
    assert_eq!(MAX_JWK_SET_BYTES, 524_288);
    let padded = |bytes: usize| {
        let set = r#"{"keys":[]}"#;
        format!("{set}{}", " ".repeat(bytes - set.len()))
    };
    assert!(JwkSet::parse(padded(524_288).as_bytes()).is_ok());
    assert_eq!(
        JwkSet::parse(padded(524_289).as_bytes()),
        Err(JwkSetError::TooLarge)
    );
    let keys = |count: usize| json!({ "keys": vec![json!({"kty": "oct"}); count] }).to_string();
    assert_eq!(
        JwkSet::parse(keys(256).as_bytes()).unwrap().skipped().len(),
        256
    );
    assert_eq!(
        JwkSet::parse(keys(257).as_bytes()),
        Err(JwkSetError::TooManyKeys)
    );
}

#[test]
fn each_reason_against_a_whole_set_has_its_name() {
    for (reason, code) in [
        (JwkSetError::TooLarge, "jwk_set_too_large"),
        (JwkSetError::Malformed, "jwk_set_malformed"),
        (JwkSetError::DuplicateMember, "jwk_set_duplicate_member"),
        (JwkSetError::TooManyKeys, "jwk_set_too_many_keys"),
    ] {
        assert_eq!(reason.code(), code);
    }
}

#[test]
fn each_reason_against_a_key_has_its_name() {
    for (reason, code) in [
        (JwkError::NotAnObject, "not_an_object"),
        (JwkError::Unreadable, "unreadable"),
        (JwkError::DuplicateMember, "duplicate_member"),
        (JwkError::TooDeep, "too_deep"),
        (JwkError::MissingMember { member: "x" }, "missing_member"),
        (JwkError::BadMember { member: "x" }, "bad_member"),
        (JwkError::UnsupportedKeyType, "unsupported_key_type"),
        (JwkError::UnsupportedCurve, "unsupported_curve"),
        (JwkError::UnsupportedAlgorithm, "unsupported_algorithm"),
        (JwkError::AlgorithmMismatch, "algorithm_mismatch"),
        (JwkError::OtherUse, "other_use"),
        (JwkError::NotOnCurve, "not_on_curve"),
        (JwkError::RsaSize { bits: 1024 }, "rsa_size"),
        (JwkError::BadRsaKey, "bad_rsa_key"),
        (JwkError::DuplicateKeyId, "duplicate_key_id"),
    ] {
        assert_eq!(reason.code(), code);
    }
}

#[test]
fn an_rsa_exponent_has_at_most_four_bytes_and_numbers_no_leading_zero() {
    let mut modulus = vec![0xFF; 256];
    let key = |n: &[u8], e: &[u8]| {
        let keys =
            json!({ "keys": [{"kty": "RSA", "alg": "RS256", "n": encode(n), "e": encode(e)}] });
        JwkSet::parse(keys.to_string().as_bytes()).unwrap()
    };
    assert_eq!(key(&modulus, &[1, 0, 0, 1]).keys().len(), 1);
    let skipped = |set: JwkSet| set.skipped()[0].reason;
    assert_eq!(
        skipped(key(&modulus, &[1, 0, 0, 0, 1])),
        JwkError::BadRsaKey
    );
    assert_eq!(
        skipped(key(&modulus, &[0, 1, 0, 1])),
        JwkError::BadMember { member: "e" }
    );
    modulus.insert(0, 0);
    assert_eq!(
        skipped(key(&modulus, &[1, 0, 1])),
        JwkError::BadMember { member: "n" }
    );
}

#[test]
fn a_key_file_may_have_64_kibibytes() {
    let pem = |bytes: usize| SigningKey::from_pem(&"x".repeat(bytes)).map(|_| ());
    assert_eq!(pem(65_536), Err(KeyError::NoPrivateKey));
    assert_eq!(pem(65_537), Err(KeyError::TooLarge));
}

#[test]
fn keys_are_equal_when_both_name_and_material_are() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let same_name = other.with_key_id(key.key_id().clone());
    assert_eq!(key.public_jwk(), key.public_jwk());
    assert_ne!(key.public_jwk(), same_name.public_jwk());
    let public = key.public_jwk();
    let renamed = key.with_key_id("another".parse().unwrap());
    assert_ne!(public, renamed.public_jwk());
}

#[test]
fn a_scope_may_have_4096_bytes_with_the_spaces_between_its_words() {
    assert_eq!(Scope::MAX_BYTES, 4096);
    assert!(Scope::from_word(&"a".repeat(4096)).is_ok());
    assert!(Scope::from_word(&"a".repeat(4097)).is_err());
    let (half, more) = ("a".repeat(2047), "b".repeat(2048));
    assert_eq!(
        Scope::from_words([&*half, &*more]).unwrap().as_str().len(),
        4096
    );
    let too_much = "b".repeat(2049);
    assert!(Scope::from_words([&*half, &*too_much]).is_err());
    // Every space counts: 2,049 letters and as many spaces are one byte too many, or two.
    assert!(Scope::from_words(vec!["a"; 2049]).is_err());
}

#[test]
fn a_scope_is_read_in_the_same_way_wherever_it_comes_from() {
    let scope: Scope = "b a".parse().unwrap();
    assert_eq!(Scope::try_from("a b"), Ok(scope.clone()));
    assert_eq!(
        serde_json::from_value::<Scope>(json!("a b")).unwrap(),
        scope
    );
    assert!(serde_json::from_value::<Scope>(json!("a  b")).is_err());
    assert_eq!(Scope::from_words(["a"]), Scope::from_word("a"));
    assert_eq!(format!("{scope:?}"), r#"Scope("a b")"#);
}

#[test]
fn a_token_may_be_exactly_as_long_as_its_budget_when_it_is_made() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let bytes = sign(&claims(), &key, now()).unwrap().expose().len();
    assert_eq!(
        sign_within(&claims(), &key, now(), bytes)
            .unwrap()
            .expose()
            .len(),
        bytes
    );
    let limit = bytes - 1;
    assert_eq!(
        sign_within(&claims(), &key, now(), limit),
        Err(SignError::TooLarge { bytes, limit })
    );
    let mut large = claims();
    large.extra.insert("x".to_owned(), "y".repeat(4096).into());
    let Err(SignError::TooLarge { limit, .. }) = sign(&large, &key, now()) else {
        panic!("4 KiB is the default");
    };
    assert_eq!(limit, 4096);
}

#[test]
fn a_token_may_be_exactly_as_long_as_its_budget_when_it_is_verified() {
    let issuer = Forge::issuer();
    let token = issuer.token(HEADER, CLAIMS);
    let within = |limit: usize| {
        let unverified = UnverifiedToken::parse(&token, token.len()).unwrap();
        let policy = policy().with_max_token_bytes(limit);
        unverified
            .verify(&issuer.keys(), &policy, now())
            .map(|_| ())
    };
    assert_eq!(within(token.len()), Ok(()));
    assert_eq!(within(token.len() - 1), Err(VerifyError::TooLarge));
}

#[test]
fn what_is_signed_nests_as_deep_as_what_is_verified() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    for object in [false, true] {
        let signed = |levels: usize| {
            let mut deep = claims();
            deep.extra.insert("x".to_owned(), nested(levels, object));
            sign(&deep, &key, now())
        };
        // The claims are level 1.
        let token = signed(15).unwrap();
        let keys = JwkSet::new([key.public_jwk()]);
        assert!(
            verify(token.expose(), &keys, &policy(), now()).is_ok(),
            "object: {object}"
        );
        assert_eq!(signed(16), Err(SignError::OutOfRange), "object: {object}");
    }
}

#[test]
fn four_actors_may_stand_behind_each_other() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let signed = |actors: usize| {
        let mut claims = claims();
        claims.actor = (0..actors).fold(None, |inner: Option<Actor>, _| {
            let mut actor = Actor::new("gateway".parse().unwrap());
            actor.actor = inner.map(Box::new);
            Some(actor)
        });
        sign(&claims, &key, now()).map(|_| ())
    };
    assert_eq!(signed(4), Ok(()));
    assert_eq!(signed(5), Err(SignError::ActorDepth));
}

#[test]
fn what_stands_beside_an_actor_counts_from_the_actors_level() {
    let issuer = Forge::issuer();
    // The claims are level 1, the actor level 2; what an actor's actor holds begins one level deeper.
    let with =
        |actor: &Value| receive(&issuer.token(HEADER, &claims_with("act", actor))).map(|_| ());
    let beside = |levels: usize| json!({ "sub": "a", "x": nested(levels, false) });
    assert_eq!(with(&beside(14)), Ok(()));
    assert!(with(&beside(15)).is_err());
    let inner = |levels: usize| json!({ "sub": "a", "act": beside(levels) });
    assert_eq!(with(&inner(13)), Ok(()));
    assert!(with(&inner(14)).is_err());
}

#[test]
fn only_the_media_type_itself_may_stand_before_the_token_type() {
    let issuer = Forge::issuer();
    let with =
        |typ: &str| receive(&issuer.token(&HEADER.replace("at+jwt", typ), CLAIMS)).map(|_| ());
    assert_eq!(with("APPLICATION/at+JWT"), Ok(()));
    for other in [
        "application-at+jwt",
        "xxxxxxxxxxxxat+jwt",
        "applications/at+jwt",
    ] {
        assert_eq!(with(other), Err(VerifyError::Type), "{other}");
    }
}

#[test]
fn a_set_of_algorithms_has_what_was_put_in() {
    let none: Algorithms = [].into_iter().collect();
    assert!(none.is_empty() && !Algorithms::ALL.is_empty());
    let twice: Algorithms = [Algorithm::Es256, Algorithm::Es256].into_iter().collect();
    assert_eq!(twice.iter().collect::<Vec<_>>(), [Algorithm::Es256]);
    assert_eq!(format!("{twice:?}"), "{Es256}");
}

#[test]
fn a_context_shows_what_stood_in_the_token() {
    let actor = json!({ "sub": "gateway" });
    let mut text: Value = serde_json::from_str(&claims_with("act", &actor)).unwrap();
    text["client_id"] = json!("order-client");
    text["scope"] = json!("b a");
    let token = Forge::issuer().token(HEADER, &text.to_string());
    let verified = receive(&token).unwrap();
    let context = SecurityContext::new(verified.clone(), AccessToken::new(token));
    assert_eq!(context.client_id().unwrap().as_str(), "order-client");
    assert_eq!(context.scope().as_str(), "a b");
    assert_eq!(context.actor().unwrap().subject.as_str(), "gateway");
    assert_eq!(context.expires_at(), UnixTime::from_secs(NOW + 600));

    let later = UnixTime::from_secs(NOW + 700);
    assert_eq!(verified.check(&policy(), now()), Ok(()));
    let ago = Duration::from_secs(100);
    assert_eq!(
        verified.check(&policy(), later),
        Err(VerifyError::Expired { ago })
    );
}

#[test]
fn a_policy_says_what_it_demands() {
    let policy = VerifyPolicy::new("internal".parse().unwrap(), "a".parse().unwrap());
    let policy = policy.with_leeway(Duration::from_secs(7));
    assert_eq!(policy.audiences().len(), 1);
    assert_eq!(policy.audiences()[0].as_str(), "a");
    assert_eq!(policy.leeway(), Duration::from_secs(7));
}

#[test]
fn the_parts_of_a_token_can_be_looked_at_unverified() {
    let token = Forge::stranger().token(HEADER, CLAIMS);
    let unverified = UnverifiedToken::parse(&token, token.len()).unwrap();
    assert_eq!(unverified.unverified_payload(), CLAIMS.as_bytes());
    assert_eq!(unverified.unverified_header(), HEADER.as_bytes());
    assert_eq!(
        format!("{unverified:?}"),
        r#"UnverifiedToken { algorithm: EdDsa, key_id: Some(KeyId("forge")), .. }"#
    );
}

#[test]
fn what_is_secret_is_named_and_not_shown() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let key = key.with_key_id("k".parse().unwrap());
    assert_eq!(
        format!("{:?}", AccessToken::new("secret")),
        "AccessToken(***)"
    );
    assert_eq!(
        format!("{key:?}"),
        r#"SigningKey { algorithm: EdDsa, key_id: KeyId("k"), .. }"#
    );
    let public = r#"Jwk { algorithm: EdDsa, key_id: Some(KeyId("k")) }"#;
    assert_eq!(format!("{:?}", key.public_jwk()), public);
    assert_eq!(UnixTime::from_secs(NOW).to_string(), NOW.to_string());
}

#[test]
fn no_two_salts_are_the_same() {
    let (one, other) = (
        Sealer::generate_salt().unwrap(),
        Sealer::generate_salt().unwrap(),
    );
    assert_ne!(one, other);
}
