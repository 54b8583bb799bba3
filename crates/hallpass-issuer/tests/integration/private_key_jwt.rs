//! Clients that sign what proves who they are (RFC 7523 section 2.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hallpass_issuer::{ClientAuthentication, ClientKeys, ClientSettings, PrivateKeyJwt};
use hallpass_token::{Algorithm, AssertionSigner, JwkSet, UnixTime};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{Harness, NOW, Response, SECRET, basic, client, request};
use crate::settings::{load, problems};

mod fapi2;
mod forged;
mod keys_elsewhere;
mod registered;

const ISSUER: &str = "internal";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT: &str = "grant_type=client_credentials";
const CHECKS: &str = "hallpass_client_assertion_checks_total";

/// A client of this name that signs with a key of `keys`.
fn signing(id: &str, keys: ClientKeys) -> ClientSettings {
    ClientSettings {
        authentication: ClientAuthentication::PrivateKeyJwt(PrivateKeyJwt {
            keys,
            dangerous_token_endpoint_audience: false,
        }),
        ..client(id, SECRET, &["read"], &["service-system"])
    }
}

fn inline(signers: &[&AssertionSigner]) -> ClientKeys {
    let keys = signers.iter().map(|signer| signer.public_jwk());
    ClientKeys::Inline(JwkSet::new(keys))
}

fn signer() -> AssertionSigner {
    AssertionSigner::generate(Algorithm::Es256).unwrap()
}

/// The issuer with `k`, which signs with the key, beside `c`, which has a secret.
async fn with_key(key: &AssertionSigner) -> Harness {
    let keys = inline(&[key]);
    Harness::with(|settings| settings.clients.push(signing("k", keys))).await
}

/// A new assertion of `k`, good for a minute.
fn assertion(key: &AssertionSigner, at: u64) -> String {
    let now = UnixTime::from_secs(at);
    let minute = Duration::from_secs(60);
    let made = key.sign(&"k".parse().unwrap(), ISSUER, now, minute);
    made.unwrap().expose().to_owned()
}

fn form(assertion: &str) -> String {
    format!("{GRANT}&client_assertion_type={TYPE}&client_assertion={assertion}")
}

async fn ask(harness: &Harness, assertion: &str) -> Response {
    harness.post(&[], form(assertion).as_bytes()).await
}

async fn post(harness: &Harness, path: &str, form: &str) -> Response {
    let lines = ["Content-Type: application/x-www-form-urlencoded".to_owned()];
    let line = format!("POST {path}");
    harness.send(&request(&line, &lines, form.as_bytes())).await
}

/// A JWS of any header and claims.
fn jws(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn claims(id: &str) -> Value {
    json!({"iss": id, "sub": id, "aud": ISSUER, "jti": "one", "exp": NOW + 60, "iat": NOW})
}

/// An RSA key of the client, its JWK, and how it signs by either algorithm.
struct Rsa(RsaKeyPair, Value);

impl Rsa {
    fn new(alg: Option<&str>) -> Self {
        let signer = AssertionSigner::generate(Algorithm::Rs256).unwrap();
        let pem = signer.to_pem().unwrap();
        let der: String = pem.lines().filter(|line| !line.contains("---")).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
        let mut jwk = signer.public_jwk().to_json();
        jwk["kid"] = "rsa".into();
        match alg {
            Some(alg) => jwk["alg"] = alg.into(),
            None => drop(jwk.as_object_mut().unwrap().remove("alg")),
        }
        Self(pair, jwk)
    }

    fn sign(&self, alg: &str, claims: &Value) -> String {
        let header = json!({"alg": alg, "kid": "rsa"});
        jws(&header, claims, |text| {
            let padding: &dyn aws_lc_rs::signature::RsaEncoding = match alg {
                "PS256" => &RSA_PSS_SHA256,
                _ => &RSA_PKCS1_SHA256,
            };
            let mut signature = vec![0; self.0.public_modulus_len()];
            let random = SystemRandom::new();
            self.0.sign(padding, &random, text, &mut signature).unwrap();
            signature
        })
    }
}

fn key_set(jwk: &Value) -> ClientKeys {
    let set = json!({"keys": [jwk]}).to_string();
    ClientKeys::Inline(JwkSet::parse(set.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_client_gets_tokens_with_what_its_private_key_has_signed_and_with_each_once() {
    for algorithm in Algorithm::EVERY {
        let key = AssertionSigner::generate(algorithm).unwrap();
        let harness = with_key(&key).await;
        let first = assertion(&key, NOW);
        let token = ask(&harness, &first).await.token();
        let verified = harness.verify(&token, "service-system").await.unwrap();
        assert_eq!(verified.client_id.as_ref().unwrap().as_str(), "k");
        let named = format!("{}&client_id=k", form(&assertion(&key, NOW)));
        assert_eq!(harness.post(&[], named.as_bytes()).await.status, 200);
        for _ in 0..2 {
            let again = ask(&harness, &first).await;
            assert_eq!(again.refusal(), (401, "invalid_client".into()));
        }
        assert_eq!(
            harness.metric("hallpass_token_requests_refused_total{reason=\"replayed_assertion\"}"),
            2
        );
        // While it could still be good.
        harness.clock.advance(Duration::from_secs(69));
        assert_eq!(ask(&harness, &first).await.status, 401);
        assert_eq!(ask(&harness, &assertion(&key, NOW + 69)).await.status, 200);
    }
}

#[tokio::test]
async fn algorithms_of_others_are_taken_where_the_key_is_for_them() {
    for (alg, of_key) in [("RS256", None), ("PS256", None), ("PS256", Some("PS256"))] {
        let rsa = Rsa::new(of_key);
        let keys = key_set(&rsa.1);
        let harness = Harness::with(|it| it.clients.push(signing("k", keys))).await;
        let response = ask(&harness, &rsa.sign(alg, &claims("k"))).await;
        assert_eq!(response.status, 200, "{alg}: {response:?}");
    }
    let signing_algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let pair = EcdsaKeyPair::generate(signing_algorithm).unwrap();
    let point = pair.public_key().as_ref()[1..].to_vec();
    let (x, y) = point.split_at(48);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let keys = key_set(&json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}));
    let harness = Harness::with(|it| it.clients.push(signing("k", keys))).await;
    let signed = jws(&json!({"alg": "ES384"}), &claims("k"), |text| {
        let signature = pair.sign(&SystemRandom::new(), text).unwrap();
        signature.as_ref().to_vec()
    });
    assert_eq!(ask(&harness, &signed).await.status, 200);
}

#[tokio::test]
async fn whoever_has_a_key_cannot_come_with_a_secret_nor_the_other_way_round() {
    let key = signer();
    let harness = with_key(&key).await;
    // The settings of `k` came from ones with this secret.
    assert_eq!(harness.ask_as("k", SECRET, GRANT).await.status, 401);
    assert_eq!(harness.ask_as("k", "", GRANT).await.status, 401);
    let now = UnixTime::from_secs(NOW);
    let of_c = key.sign(&"c".parse().unwrap(), ISSUER, now, Duration::from_secs(60));
    let refused = ask(&harness, of_c.unwrap().expose()).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".into()));
    // The name of one client beside the assertion of another.
    let mixed = format!("{}&client_id=c", form(&assertion(&key, NOW)));
    assert_eq!(harness.post(&[], mixed.as_bytes()).await.status, 401);
    let two = form(&assertion(&key, NOW));
    let two = harness.post(&[&basic("c", SECRET)], two.as_bytes()).await;
    assert_eq!(two.refusal(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn each_endpoint_takes_assertions_and_one_counts_for_all_of_them() {
    let key = signer();
    let harness = with_key(&key).await;
    let token = ask(&harness, &assertion(&key, NOW)).await.token();
    let made = assertion(&key, NOW);
    let about =
        |made: &str| format!("token={token}&client_assertion_type={TYPE}&client_assertion={made}");
    let introspected = post(&harness, "/oauth2/introspect", &about(&made)).await;
    assert_eq!(introspected.status, 200, "{introspected:?}");
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        assert_eq!(
            post(&harness, path, &about(&made)).await.status,
            401,
            "{path}"
        );
    }
    assert_eq!(ask(&harness, &made).await.status, 401);
    let revoked = post(&harness, "/oauth2/revoke", &about(&assertion(&key, NOW))).await;
    assert_eq!(revoked.status, 200);
    let stranger = signer();
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let refused = post(&harness, path, &about(&assertion(&stranger, NOW))).await;
        assert_eq!(refused.refusal(), (401, "invalid_client".into()), "{path}");
    }
}

#[tokio::test]
async fn what_was_used_is_remembered_over_a_change_of_the_settings() {
    let (key, next) = (signer(), signer());
    let harness = with_key(&key).await;
    let used = assertion(&key, NOW);
    assert_eq!(ask(&harness, &used).await.status, 200);
    let mut changed = harness.settings.clone();
    changed.clients[1] = signing("k", inline(&[&key, &next]));
    harness.issuer.apply(&changed).await.unwrap();
    assert_eq!(ask(&harness, &used).await.status, 401);
    assert_eq!(ask(&harness, &assertion(&next, NOW)).await.status, 200);
    changed.clients[1] = signing("k", inline(&[&next]));
    harness.issuer.apply(&changed).await.unwrap();
    assert_eq!(
        ask(&harness, &assertion(&key, NOW)).await.status,
        401,
        "it has gone"
    );
    assert_eq!(ask(&harness, &assertion(&next, NOW)).await.status, 200);
}
