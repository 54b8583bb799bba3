//! By which keys, and by which algorithms, a token of another issuer is believed.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_issuer::KeyPlace;
use hallpass_token::{Algorithm, SigningKey, sign_as};

use super::*;
use crate::audit::Log;
use crate::foreign::authority::OPENID;

/// A token of `claims` with this header, signed by `sign`.
fn forged(header: &Value, claims: &TokenClaims, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: &Value| BASE64URL.encode(value.to_string());
    let claims = serde_json::to_value(claims).unwrap();
    let text = format!("{}.{}", encode(header), encode(&claims));
    let signature = BASE64URL.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

#[tokio::test]
async fn the_algorithm_is_never_chosen_by_a_foreign_token() {
    let estate = Estate::start().await;
    let public = estate.login.key.public_jwk();
    let kid = public.key_id().unwrap().as_str();
    let jwk = public.to_json();
    let raw = BASE64URL.decode(jwk["x"].as_str().unwrap()).unwrap();
    for secret in [jwk.to_string().into_bytes(), raw, Vec::new()] {
        let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid });
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let sign = |text: &[u8]| hmac::sign(&key, text).as_ref().to_vec();
        let token = forged(&header, &estate.alice(), sign);
        estate
            .refused("order", &token, "invalid_subject_token")
            .await;
    }
    for alg in ["none", "None", "EdDSA"] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid });
        let token = forged(&header, &estate.alice(), |_| vec![0; 64]);
        estate
            .refused("order", &token, "invalid_subject_token")
            .await;
    }
    // The header names another kind of key than the one of this name.
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let other = other.with_key_id(public.key_id().unwrap().clone());
    let token = sign_as(
        &estate.alice(),
        &other,
        TokenType::AccessToken,
        UnixTime::from_secs(NOW),
    );
    estate
        .refused("order", token.unwrap().expose(), "invalid_subject_token")
        .await;
}

#[tokio::test]
async fn each_issuer_has_a_list_of_algorithms_of_its_own() {
    let estate = Estate::with(|settings| {
        settings.trusted_issuers[0].algorithms = Algorithm::Es384.into();
    })
    .await;
    estate
        .refused("order", &estate.signed(|_| {}), "invalid_subject_token")
        .await;

    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let coordinate = |bytes: &[u8]| BASE64URL.encode(bytes);
    estate.login.put_keys(&[json!({
        "kty": "EC", "crv": "P-384", "kid": "big", "x": coordinate(&point[1..49]), "y": coordinate(&point[49..]),
    })]);
    estate.harness.clock.advance(Duration::from_secs(20));
    let header = json!({ "alg": "ES384", "typ": "at+jwt", "kid": "big" });
    let sign = |text: &[u8]| {
        pair.sign(&SystemRandom::new(), text)
            .unwrap()
            .as_ref()
            .to_vec()
    };
    let token = forged(&header, &estate.alice(), sign);
    estate.exchange("order", &token, "").await.token();

    let mut settings = estate.harness.settings.clone();
    settings.trusted_issuers[0].algorithms = hallpass_token::Algorithms::ALL;
    estate.harness.issuer.apply(&settings).await.unwrap();
    estate
        .refused("order", &token, "invalid_subject_token")
        .await;
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_makes_no_good_token_a_bad_one() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    estate.login.fail();
    let response = estate
        .refused("order", &token, "subject_issuer_unavailable")
        .await;
    let expected = (503, "temporarily_unavailable".to_owned());
    assert_eq!(response.refusal(), expected);
    assert_eq!(response.header("retry-after"), Some("1"));
    // Who asks for itself needs no other issuer.
    let own = "grant_type=client_credentials&audience=logistics";
    estate.harness.ask_as("order", SECRET, own).await.token();

    estate.login.put(OPENID, &estate.login.document());
    estate
        .login
        .put_keys(&[estate.login.key.public_jwk().to_json()]);
    estate.harness.clock.advance(Duration::from_secs(20));
    estate.exchange("order", &token, "").await.token();
    // Its last good keys go on, and a key that nobody can ask for now is no reason to call a token bad.
    estate.login.fail();
    estate.harness.clock.advance(Duration::from_secs(20));
    estate.exchange("order", &token, "").await.token();
    let newer = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let newer = sign_as(
        &estate.alice(),
        &newer,
        TokenType::AccessToken,
        UnixTime::from_secs(NOW),
    );
    estate
        .refused(
            "order",
            newer.unwrap().expose(),
            "subject_issuer_unavailable",
        )
        .await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_a_line_for_each_who_asks() {
    let (log, _guard) = Log::warnings();
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    estate.login.fail();
    for _ in 0..50 {
        estate
            .refused("order", &token, "subject_issuer_unavailable")
            .await;
    }
    let text = log.text();
    // The failure itself, and that it is too early for another try.
    let judged = log.lines("a token of a trusted issuer could not be judged");
    assert!((1..=2).contains(&judged), "{text}");
    assert_eq!(log.lines("keys could not be fetched"), 1, "{text}");
    assert!(text.contains("times=1"), "{text}");
}

#[tokio::test]
async fn a_document_of_another_issuer_leads_to_no_keys() {
    let estate = Estate::start().await;
    let attacker = Authority::start().await;
    let mut claims = estate.alice();
    claims.issuer = estate.login.issuer();
    let forged = attacker.sign(&claims, TokenType::AccessToken);
    estate.login.put(OPENID, &attacker.document());
    estate
        .refused("order", &forged, "subject_issuer_unavailable")
        .await;
    assert_eq!(attacker.asked(), 0);
}

#[tokio::test]
async fn keys_come_from_a_url_or_a_file_where_the_settings_name_one() {
    let keys = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    for by_file in [true, false] {
        let url = format!("{}/keys", keys.issuer()).parse().unwrap();
        let estate = Estate::with(|settings| {
            settings.trusted_issuers[0].keys = match by_file {
                true => KeyPlace::File(file.clone()),
                false => KeyPlace::Url(url),
            };
        })
        .await;
        let public = estate.login.key.public_jwk().to_json();
        std::fs::write(&file, json!({ "keys": [public.clone()] }).to_string()).unwrap();
        keys.put_keys(&[public]);
        estate
            .exchange("order", &estate.signed(|_| {}), "")
            .await
            .token();
        assert_eq!(estate.login.asked(), 0);
    }
}

#[tokio::test]
async fn keys_are_kept_while_settings_change_around_them() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    estate.exchange("order", &token, "").await.token();
    let asked = estate.login.asked();
    let mut settings = estate.harness.settings.clone();
    settings.trusted_issuers[0].max_age = Some(Duration::from_secs(60));
    estate.harness.issuer.apply(&settings).await.unwrap();
    estate.exchange("order", &token, "").await.token();
    assert_eq!(estate.login.asked(), asked);
}
