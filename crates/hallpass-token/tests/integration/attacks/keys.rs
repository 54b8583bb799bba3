//! Attacks through keys: the wrong one, one for something else, or none that is named.

use crate::forge::{CLAIMS, Forge, HEADER, NOW, encode, key_set, policy, receive};
use hallpass_token::{JwkSet, SigningKey, UnixTime, VerifyError, verify};
use serde_json::{Value, json};

fn receive_with(token: &str, keys: &JwkSet) -> Result<(), VerifyError> {
    verify(token, keys, &policy(), UnixTime::from_secs(NOW)).map(|_| ())
}

#[test]
fn a_foreign_key_and_a_foreign_name_are_told_apart() {
    let stranger = Forge::stranger();
    assert_eq!(
        receive(&stranger.token(HEADER, CLAIMS)),
        Err(VerifyError::Signature)
    );
    let renamed = HEADER.replace("forge", "other");
    assert_eq!(
        receive(&stranger.token(&renamed, CLAIMS)),
        Err(VerifyError::UnknownKey)
    );
}

#[test]
fn a_token_without_a_key_name_needs_exactly_one_key_that_fits() {
    let issuer = Forge::issuer();
    let token = issuer.token(r#"{"typ":"at+jwt","alg":"EdDSA"}"#, CLAIMS);
    let with = |changes: &[(&str, Value)]| {
        let mut jwk = issuer.jwk();
        for (name, value) in changes {
            jwk[*name] = value.clone();
        }
        jwk
    };
    let p256 = SigningKey::generate(hallpass_token::Algorithm::Es256)
        .unwrap()
        .public_jwk()
        .to_json();
    assert_eq!(receive_with(&token, &key_set(&[issuer.jwk()])), Ok(()));
    assert_eq!(
        receive_with(&token, &key_set(&[issuer.jwk(), p256])),
        Ok(())
    );
    let second = with(&[("kid", json!("second"))]);
    assert_eq!(
        receive_with(&token, &key_set(&[issuer.jwk(), second])),
        Err(VerifyError::UnknownKey)
    );
    assert_eq!(
        receive_with(&token, &key_set(&[])),
        Err(VerifyError::UnknownKey)
    );
    let other_use = with(&[("use", json!("enc"))]);
    assert_eq!(
        receive_with(&token, &key_set(&[other_use])),
        Err(VerifyError::UnknownKey)
    );
    let other_operation = with(&[("key_ops", json!(["sign"]))]);
    assert_eq!(
        receive_with(&token, &key_set(&[other_operation])),
        Err(VerifyError::UnknownKey)
    );
}

#[test]
fn the_signature_covers_header_and_claims_as_they_were_sent() {
    let issuer = Forge::issuer();
    let token = issuer.token(HEADER, CLAIMS);
    let parts: Vec<&str> = token.split('.').collect();
    let admin = encode(CLAIMS.replace("order-service", "admin").as_bytes());
    assert_eq!(
        receive(&format!("{}.{admin}.{}", parts[0], parts[2])),
        Err(VerifyError::Signature)
    );
    let spaced = encode(HEADER.replace(',', ", ").as_bytes());
    assert_eq!(
        receive(&format!("{spaced}.{}.{}", parts[1], parts[2])),
        Err(VerifyError::Signature)
    );
    let other = issuer.token(HEADER, &CLAIMS.replace("order-service", "billing"));
    let foreign_signature = other.rsplit_once('.').unwrap().1;
    assert_eq!(
        receive(&format!("{}.{}.{foreign_signature}", parts[0], parts[1])),
        Err(VerifyError::Signature)
    );
}

#[test]
fn a_signature_of_nothing_but_zeros_is_none() {
    // CVE-2022-21449: a library that forgot to look for zeros takes this for the signature of anything.
    let key = SigningKey::generate(hallpass_token::Algorithm::Es256).unwrap();
    let header = format!(
        r#"{{"typ":"at+jwt","alg":"ES256","kid":"{}"}}"#,
        key.key_id()
    );
    let token = format!(
        "{}.{}.{}",
        encode(header.as_bytes()),
        encode(CLAIMS.as_bytes()),
        encode(&[0; 64])
    );
    assert_eq!(
        receive_with(&token, &JwkSet::new([key.public_jwk()])),
        Err(VerifyError::Signature)
    );
}
