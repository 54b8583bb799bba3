//! Clients that are held to the FAPI 2.0 Security Profile.

use hallpass_issuer::{ClientProfile, Error, GrantType};
use hallpass_token::{DpopKey, DpopRequest, DpopUri};

use super::*;

const BASE: &str = "https://auth.example";

/// `k`, held to the profile, and `free`, which is not; both with these keys.
async fn start(keys: &ClientKeys) -> Harness {
    Harness::with(|settings| {
        settings.base_url = Some(BASE.parse().unwrap());
        let mut held = signing("k", keys.clone());
        held.profile = Some(ClientProfile::Fapi2);
        held.dpop_bound_access_tokens = true;
        settings.clients.push(held);
        settings.clients.push(signing("free", keys.clone()));
    })
    .await
}

fn proof(algorithm: Algorithm) -> String {
    proof_by(&DpopKey::generate(algorithm).unwrap(), NOW)
}

fn proof_by(key: &DpopKey, at: u64) -> String {
    let uri = DpopUri::parse(&format!("{BASE}/oauth2/token")).unwrap();
    let request = DpopRequest {
        method: "POST",
        uri: &uri,
        access_token: None,
        nonce: None,
    };
    key.prove(&request, UnixTime::from_secs(at)).unwrap()
}

async fn ask_with(harness: &Harness, assertion: &str, proof: &str) -> Response {
    let header = format!("DPoP: {proof}");
    harness.post(&[&header], form(assertion).as_bytes()).await
}

/// Of this client, called so.
fn named(id: &str, jti: &str, aud: Value) -> Value {
    let mut claims = claims(id);
    claims["jti"] = jti.into();
    claims["aud"] = aud;
    claims
}

fn refused(harness: &Harness, reason: &str) -> u64 {
    harness.metric(&format!(
        "hallpass_token_requests_refused_total{{reason=\"{reason}\"}}"
    ))
}

#[tokio::test]
async fn what_a_client_of_the_profile_signs_is_neither_rs256_nor_for_more_than_the_issuer() {
    let rsa = Rsa::new(None);
    let harness = start(&key_set(&rsa.1)).await;
    let proof = || proof(Algorithm::Es256);
    let issuer = |harness: &Harness| Value::from(harness.issuer.issuer_name());
    let own = |jti: &str| named("k", jti, issuer(&harness));
    let rs256 = rsa.sign("RS256", &own("1"));
    let response = ask_with(&harness, &rs256, &proof()).await;
    assert_eq!(response.refusal(), (401, "invalid_client".into()));
    assert_eq!(refused(&harness, "assertion_algorithm"), 1);
    let list = named("k", "2", json!([issuer(&harness)]));
    let response = ask_with(&harness, &rsa.sign("PS256", &list), &proof()).await;
    assert_eq!(response.refusal(), (401, "invalid_client".into()));
    assert_eq!(refused(&harness, "assertion_audience"), 1);
    let good = rsa.sign("PS256", &own("3"));
    let token = ask_with(&harness, &good, &proof()).await.token();
    let verified = harness.verify(&token, "service-system").await.unwrap();
    assert_eq!(verified.audience.len(), 1);
    assert!(verified.confirmation.is_some());
    // Who is not held to it goes on as before.
    for (jti, alg, aud) in [
        ("4", "RS256", issuer(&harness)),
        ("5", "RS256", json!([issuer(&harness)])),
    ] {
        let free = rsa.sign(alg, &named("free", jti, aud));
        assert_eq!(ask(&harness, &free).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_of_the_profile_gets_bound_tokens_alone_and_by_no_proof_of_rs256() {
    let key = signer();
    let harness = start(&inline(&[&key])).await;
    let bare = ask(&harness, &assertion(&key, NOW)).await;
    assert_eq!(bare.refusal(), (400, "invalid_request".into()));
    let rs256 = proof(Algorithm::Rs256);
    let refused = ask_with(&harness, &assertion(&key, NOW), &rs256).await;
    assert_eq!(refused.refusal(), (400, "invalid_dpop_proof".into()));
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let bound = ask_with(&harness, &assertion(&key, NOW), &proof(algorithm)).await;
        assert_eq!(bound.json()["token_type"], "DPoP");
    }
}

#[tokio::test]
async fn a_refresh_token_of_the_profile_is_bound_and_stays_the_same() {
    let key = signer();
    let mut harness = start(&inline(&[&key])).await;
    let grants = [GrantType::ClientCredentials, GrantType::RefreshToken];
    let held = &mut harness.settings.clients;
    let held = held.iter_mut().find(|it| it.client_id.as_str() == "k");
    held.unwrap().grant_types = grants.into_iter().collect();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let own = DpopKey::generate(Algorithm::Es256).unwrap();
    let first = ask_with(&harness, &assertion(&key, NOW), &proof_by(&own, NOW)).await;
    let token = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh = async |by: &DpopKey, at: u64| {
        let assertion = assertion(&key, at);
        let form = format!(
            "grant_type=refresh_token&refresh_token={token}&client_assertion_type={TYPE}&client_assertion={assertion}"
        );
        let proof = format!("DPoP: {}", proof_by(by, at));
        harness.post(&[&proof], form.as_bytes()).await
    };
    let again = refresh(&own, NOW).await;
    assert_eq!(again.json()["refresh_token"], token.as_str(), "{again:?}");
    harness.clock.advance(Duration::from_secs(60));
    let later = NOW + 60;
    let other = DpopKey::generate(Algorithm::Es256).unwrap();
    let stolen = refresh(&other, later).await;
    assert_eq!(stolen.refusal(), (400, "invalid_grant".into()));
    let again = refresh(&own, later).await;
    assert_eq!(again.json()["refresh_token"], token.as_str(), "{again:?}");
    let kept = harness.metric("hallpass_refresh_tokens_total{result=\"kept\"}");
    assert_eq!(kept, 2);
}

/// The header of a token.
fn alg(token: &str) -> Value {
    crate::keys::header(token)["alg"].clone()
}

#[tokio::test]
async fn while_the_algorithm_of_the_issuer_changes_no_token_of_the_profile_is_signed_with_the_old_one()
 {
    let mut harness = Harness::with(|settings| {
        settings.base_url = Some(BASE.parse().unwrap());
        settings.algorithm = Algorithm::Rs256;
    })
    .await;
    assert_eq!(alg(&harness.token().await), "RS256");
    let key = signer();
    let mut held = signing("k", inline(&[&key]));
    held.profile = Some(ClientProfile::Fapi2);
    held.dpop_bound_access_tokens = true;
    harness.settings.clients.push(held);
    harness.settings.algorithm = Algorithm::Es256;
    let harness = harness.restart().await;
    // Verifiers may not have the new key yet, so all others go on with the old one; who is held to the profile does not.
    assert_eq!(alg(&harness.token().await), "RS256");
    let proof = proof(Algorithm::Es256);
    let token = ask_with(&harness, &assertion(&key, NOW), &proof)
        .await
        .token();
    assert_eq!(alg(&token), "ES256");
    assert!(harness.verify(&token, "service-system").await.is_ok());
}

const HELD: &str = "profile: fapi2, audiences: [stock]";
const SECRET_CLIENT: &str = "client-secret: x, dpop-bound-access-tokens: true";

fn yaml(issuer: &str, client: &str) -> String {
    format!(
        "hallpass: {{ issuer: {{ {issuer} clients: [{{ client-id: a, {HELD}, {client} }}] }} }}"
    )
}

fn signs(keys: &[Value]) -> String {
    let set = json!({ "keys": keys });
    format!("token-endpoint-auth-method: private_key_jwt, jwks: '{set}'")
}

#[test]
fn what_contradicts_the_profile_is_a_problem_and_all_of_it_is_told() {
    let good = signer().public_jwk().to_json();
    let bound = "dpop-bound-access-tokens: true";
    let whole = format!("{}, {bound}", signs(std::slice::from_ref(&good)));
    let read = load(&yaml("", &whole));
    assert_eq!(read.clients[0].profile, Some(ClientProfile::Fapi2));
    let rs256 = Rsa::new(Some("RS256")).1;
    for (issuer, client, expected) in [
        (
            "",
            SECRET_CLIENT.to_owned(),
            "token-endpoint-auth-method: must be",
        ),
        (
            "",
            signs(std::slice::from_ref(&good)),
            "profile: needs `dpop-bound",
        ),
        (
            "",
            format!("{whole}, dangerous-token-endpoint-audience: true"),
            "dangerous-token-endpoint-audience: contradicts",
        ),
        (
            "",
            format!("{}, {bound}", signs(&[good.clone(), rs256])),
            "jwks: has a key that is not for PS256",
        ),
        (
            "algorithm: RS256,",
            whole.clone(),
            "signed with RS256, as those for `stock`",
        ),
        (
            "audiences: [{ name: stock, profile: spring }],",
            whole.clone(),
            "signed with RS256, as those for `stock`",
        ),
    ] {
        let found = problems(&yaml(issuer, &client));
        let is_found = found.iter().any(|problem| problem.contains(expected));
        assert!(is_found, "{issuer} {client}: {found:?}");
    }
    // Several at once; and an audience that has its own algorithm is not at fault.
    let found = problems(&yaml("algorithm: RS256,", "client-secret: x"));
    assert_eq!(found.len(), 3, "{found:?}");
    let own = "algorithm: RS256, audiences: [{ name: stock, algorithm: ES256 }],";
    assert_eq!(load(&yaml(own, &whole)).clients.len(), 1);
}

#[tokio::test]
async fn an_issuer_that_code_has_set_up_does_not_start_with_what_contradicts_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = crate::harness::settings(&folder);
    let mut held = client("a", SECRET, &[], &["stock"]);
    held.profile = Some(ClientProfile::Fapi2);
    settings.clients = vec![held];
    let clock = Arc::new(crate::harness::test_clock());
    let error = hallpass_issuer::IssuerServer::start(&settings, clock).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Registration { .. }), "{error}");
}
