use serde_json::{Value, json};

use super::{SignError, sign, sign_as, sign_within};
use crate::{
    Actor, Algorithm, JwkSet, SigningKey, TokenClaims, TokenType, UnixTime, VerifiedClaims,
    VerifyPolicy, verify,
};

fn claims() -> TokenClaims {
    let [issuer, subject, audience] = ["internal", "order-service", "logistics-service"];
    let (issuer, subject) = (issuer.parse().unwrap(), subject.parse().unwrap());
    TokenClaims::new(
        issuer,
        subject,
        audience.parse().unwrap(),
        UnixTime::from_secs(600),
    )
}

#[test]
fn what_is_signed_verifies_with_every_algorithm() {
    for algorithm in Algorithm::EVERY {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = sign(&claims(), &key, UnixTime::from_secs(0)).unwrap();
        let keys = JwkSet::new([key.public_jwk()]);
        let policy = VerifyPolicy::new(
            "internal".parse().unwrap(),
            "logistics-service".parse().unwrap(),
        );
        assert_eq!(
            verify(token.expose(), &keys, &policy, UnixTime::from_secs(1))
                .map(VerifiedClaims::into_claims),
            Ok(claims()),
            "{algorithm}"
        );
    }
}

#[test]
fn the_type_of_the_token_is_the_one_that_was_asked_for() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    for token_type in [TokenType::AccessToken, TokenType::Jwt] {
        let token = sign_as(&claims(), &key, token_type, UnixTime::from_secs(0)).unwrap();
        let header = token.expose().split('.').next().unwrap();
        let header = crate::base64url::decode(header).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        let expected =
            json!({"typ": token_type.as_str(), "alg": "EdDSA", "kid": key.key_id().as_str()});
        assert_eq!(header, expected);
    }
}

#[test]
fn claims_that_make_no_sound_token_are_not_signed() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let attempt = |change: &dyn Fn(&mut TokenClaims)| {
        let mut claims = claims();
        change(&mut claims);
        sign(&claims, &key, UnixTime::from_secs(10)).map(|_| ())
    };
    assert_eq!(
        attempt(&|claims| claims.expires_at = UnixTime::from_secs(10)),
        Err(SignError::NoLife)
    );
    assert_eq!(
        attempt(&|claims| claims.not_before = Some(UnixTime::from_secs(600))),
        Err(SignError::NoLife)
    );
    assert_eq!(
        attempt(&|claims| claims.audience.clear()),
        Err(SignError::AudienceCount { count: 0 })
    );
    let second = |claims: &mut TokenClaims| claims.audience.push("second".parse().unwrap());
    assert_eq!(attempt(&second), Err(SignError::AudienceCount { count: 2 }));
    let reserved =
        |claims: &mut TokenClaims| drop(claims.extra.insert("iss".to_owned(), "other".into()));
    assert_eq!(attempt(&reserved), Err(SignError::ReservedClaim));
}

#[test]
fn the_size_budget_counts_every_byte() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = sign(&claims(), &key, UnixTime::from_secs(0)).unwrap();
    let bytes = token.expose().len();
    assert!(sign_within(&claims(), &key, UnixTime::from_secs(0), bytes).is_ok());
    let refused = sign_within(&claims(), &key, UnixTime::from_secs(0), bytes - 1);
    assert_eq!(
        refused,
        Err(SignError::TooLarge {
            bytes,
            limit: bytes - 1
        })
    );
}

#[test]
fn no_token_is_signed_that_our_own_verifier_would_refuse() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let attempt = |change: &dyn Fn(&mut TokenClaims)| {
        let mut claims = claims();
        change(&mut claims);
        let token = sign(&claims, &key, UnixTime::from_secs(0))?;
        let keys = JwkSet::new([key.public_jwk()]);
        let policy = VerifyPolicy::new(
            "internal".parse().unwrap(),
            "logistics-service".parse().unwrap(),
        );
        assert_eq!(
            verify(token.expose(), &keys, &policy, UnixTime::from_secs(1))
                .map(VerifiedClaims::into_claims),
            Ok(claims)
        );
        Ok(())
    };
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let with = |name: &'static str, value: Value| {
        attempt(&move |claims| drop(claims.extra.insert(name.to_owned(), value.clone())))
    };
    assert_eq!(with("deep", nested(15)), Ok(()));
    assert_eq!(with("deep", nested(16)), Err(SignError::OutOfRange));
    assert_eq!(with("scp", json!("admin")), Err(SignError::ReservedClaim));
    assert_eq!(attempt(&|claims| claims.expires_at = UnixTime::MAX), Ok(()));
    let beyond = UnixTime::from_secs(UnixTime::MAX.as_secs() + 1);
    assert_eq!(
        attempt(&|claims| claims.expires_at = beyond),
        Err(SignError::OutOfRange)
    );
    assert_eq!(
        attempt(&|claims| claims.issued_at = Some(beyond)),
        Err(SignError::OutOfRange)
    );
    let five = |claims: &mut TokenClaims| {
        let actor = |inner| Actor {
            actor: inner,
            ..Actor::new("a".parse().unwrap())
        };
        claims.actor = (0..5).fold(None, |inner: Option<Actor>, _| {
            Some(actor(inner.map(Box::new)))
        });
    };
    assert_eq!(attempt(&five), Err(SignError::ActorDepth));
}
