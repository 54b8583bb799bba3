//! Tokens that are bound to a key of their client (DPoP, RFC 9449), over the wire, as clients and attackers try it.

use std::time::Duration;

use hallpass_issuer::{GrantType, IssuerServer, IssuerSettings};
use hallpass_token::{Algorithm, DpopKey, DpopRequest, DpopUri, UnixTime};
use serde_json::{Value, json};

use crate::harness::{Harness, NOW, Response, SECRET, basic, client, settings, test_clock};

const BASE: &str = "https://auth.example";
const ENDPOINT: &str = "https://auth.example/oauth2/token";
const FORM: &str = "grant_type=client_credentials";

/// An issuer at [`BASE`] with the client `c`, and `bound`, whose tokens must be bound.
async fn start() -> Harness {
    start_with(|_| {}).await
}

async fn start_with(change: impl FnOnce(&mut IssuerSettings)) -> Harness {
    Harness::with(|settings| {
        settings.base_url = Some(BASE.parse().unwrap());
        let mut bound = client("bound", SECRET, &[], &["service-system"]);
        bound.dpop_bound_access_tokens = true;
        settings.clients.push(bound);
        change(settings);
    })
    .await
}

fn key() -> DpopKey {
    DpopKey::generate(Algorithm::Es256).unwrap()
}

fn now(harness: &Harness) -> UnixTime {
    use hallpass_clock::Clock as _;
    UnixTime::from(harness.clock.now())
}

fn proof_for(key: &DpopKey, url: &str, nonce: Option<&str>, now: UnixTime) -> String {
    let uri = DpopUri::parse(url).unwrap();
    let request = DpopRequest {
        method: "POST",
        uri: &uri,
        access_token: None,
        nonce,
    };
    key.prove(&request, now).unwrap()
}

fn proof(key: &DpopKey) -> String {
    proof_for(key, ENDPOINT, None, UnixTime::from_secs(NOW))
}

async fn ask(harness: &Harness, id: &str, form: &str, proof: &str) -> Response {
    let headers = [basic(id, SECRET), format!("DPoP: {proof}")];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    harness.post(&headers, form.as_bytes()).await
}

fn invalid_proof() -> (u16, String) {
    (400, "invalid_dpop_proof".to_owned())
}

fn refused(harness: &Harness, reason: &str) -> u64 {
    harness.metric(&format!(
        "hallpass_token_requests_refused_total{{reason=\"{reason}\"}}"
    ))
}

async fn confirmation(harness: &Harness, response: &Response) -> Option<Value> {
    let token = response.token();
    let claims = harness.verify(&token, "service-system").await.unwrap();
    claims.confirmation.as_ref().map(|it| json!(it))
}

#[tokio::test]
async fn a_request_with_a_proof_gets_a_token_that_is_bound_to_its_key_and_others_do_not() {
    let harness = start().await;
    let key = key();
    for id in ["c", "bound"] {
        let response = ask(&harness, id, FORM, &proof(&key)).await;
        assert_eq!(response.json()["token_type"], "DPoP");
        let expected = json!({"jkt": key.thumbprint().to_string()});
        assert_eq!(confirmation(&harness, &response).await, Some(expected));
    }
    let plain = harness.ask(FORM).await;
    assert_eq!(plain.json()["token_type"], "Bearer");
    assert_eq!(confirmation(&harness, &plain).await, None);
    assert_eq!(plain.header("dpop-nonce"), None);
    let metadata = harness.get("/.well-known/oauth-authorization-server", &[]);
    assert_eq!(
        metadata.await.json()["dpop_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256", "ES384", "PS256"])
    );
    assert_eq!(harness.metric("hallpass_dpop_proofs_remembered"), 2);
}

#[tokio::test]
async fn who_introspects_a_bound_token_learns_to_which_key() {
    let harness = start_with(|settings| {
        settings.introspection_clients = vec!["c".parse().unwrap()];
    })
    .await;
    let key = key();
    let token = ask(&harness, "bound", FORM, &proof(&key)).await.token();
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        basic("c", SECRET),
    ];
    let body = format!("token={token}");
    let request = crate::harness::request("POST /oauth2/introspect", &lines, body.as_bytes());
    let told = harness.send(&request).await.json();
    assert_eq!(told["token_type"], "DPoP");
    assert_eq!(told["cnf"]["jkt"], key.thumbprint().to_string());
}

#[tokio::test]
async fn a_client_that_must_prove_a_key_gets_nothing_without_a_proof() {
    let harness = start().await;
    let response = harness.ask_as("bound", SECRET, FORM).await;
    assert_eq!(response.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(refused(&harness, "missing_dpop_proof"), 1);
}

#[tokio::test]
async fn a_proof_counts_once_whoever_shows_it() {
    let harness = start().await;
    let proof = proof(&key());
    assert_eq!(ask(&harness, "c", FORM, &proof).await.status, 200);
    for id in ["c", "bound"] {
        let again = ask(&harness, id, FORM, &proof).await;
        assert_eq!(again.refusal(), invalid_proof());
    }
    assert_eq!(refused(&harness, "dpop_replayed"), 2);
    // Right before it ends it is still remembered; after that it is too old.
    harness.clock.advance(Duration::from_secs(60));
    assert_eq!(
        ask(&harness, "c", FORM, &proof).await.refusal(),
        invalid_proof()
    );
    assert_eq!(refused(&harness, "dpop_replayed"), 3);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(
        ask(&harness, "c", FORM, &proof).await.refusal(),
        invalid_proof()
    );
    assert_eq!(refused(&harness, "dpop_too_old"), 1);
}

#[tokio::test]
async fn who_has_not_authenticated_uses_up_no_proof() {
    let harness = start().await;
    let proof = proof(&key());
    let headers = [basic("c", "wrong"), format!("DPoP: {proof}")];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    let response = harness.post(&headers, FORM.as_bytes()).await;
    assert_eq!(response.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(ask(&harness, "c", FORM, &proof).await.status, 200);
}

#[tokio::test]
async fn a_proof_for_another_request_is_refused_and_the_reason_is_counted() {
    let harness = start().await;
    let (key, now) = (key(), UnixTime::from_secs(NOW));
    let uri = DpopUri::parse(ENDPOINT).unwrap();
    let get = DpopRequest {
        method: "GET",
        uri: &uri,
        access_token: None,
        nonce: None,
    };
    let early = UnixTime::from_secs(NOW + 11);
    let late = UnixTime::from_secs(NOW - 61);
    for (proof, reason) in [
        (key.prove(&get, now).unwrap(), "dpop_method"),
        (proof_for(&key, BASE, None, now), "dpop_uri"),
        (proof_for(&key, ENDPOINT, None, early), "dpop_too_new"),
        (proof_for(&key, ENDPOINT, None, late), "dpop_too_old"),
        ("x".repeat(4097), "dpop_too_large"),
        (String::new(), "dpop_malformed"),
        ("\u{e9}".to_owned(), "dpop_malformed"),
        (harness.token().await, "dpop_type"),
    ] {
        let before = refused(&harness, reason);
        let response = ask(&harness, "c", FORM, &proof).await;
        assert_eq!(response.refusal(), invalid_proof(), "{reason}");
        assert_eq!(refused(&harness, reason), before + 1, "{reason}");
    }
    let headers = [
        basic("c", SECRET),
        format!("DPoP: {}", proof(&key)),
        format!("DPoP: {}", proof(&key)),
    ];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    let twice = harness.post(&headers, FORM.as_bytes()).await;
    assert_eq!(twice.refusal(), invalid_proof());
    assert_eq!(refused(&harness, "several_dpop_proofs"), 1);
}

#[tokio::test]
async fn the_address_of_a_proof_is_one_of_the_settings_and_never_the_host_of_the_request() {
    let harness = start_with(|settings| {
        settings.dpop.further_base_urls = vec!["https://10.0.0.7:9000/auth/".parse().unwrap()];
    })
    .await;
    let key = key();
    let mut outcomes = Vec::new();
    for url in [
        "https://AUTH.example:443/oauth2/token?x=1",
        "https://10.0.0.7:9000/auth/oauth2/token",
        "https://evil.example/oauth2/token",
        "http://auth.example/oauth2/token",
    ] {
        let proof = proof_for(&key, url, None, UnixTime::from_secs(NOW));
        let headers = [
            basic("c", SECRET),
            format!("DPoP: {proof}"),
            "Host: evil.example".to_owned(),
            "X-Forwarded-Host: evil.example".to_owned(),
        ];
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        outcomes.push(harness.post(&headers, FORM.as_bytes()).await.status);
    }
    assert_eq!(outcomes, [200, 200, 400, 400]);
}

#[tokio::test]
async fn a_demanded_nonce_is_given_with_each_response_and_counts_for_a_minute_or_two() {
    let harness = start_with(|settings| settings.dpop.requires_nonce = true).await;
    let key = key();
    let with = |nonce: Option<&str>, now| proof_for(&key, ENDPOINT, nonce, now);
    let first = ask(&harness, "c", FORM, &with(None, now(&harness))).await;
    assert_eq!(first.refusal(), (400, "use_dpop_nonce".to_owned()));
    let nonce = first.header("dpop-nonce").unwrap().to_owned();
    let made_up = with(Some(&"A".repeat(22)), now(&harness));
    assert_eq!(ask(&harness, "c", FORM, &made_up).await.status, 400);
    let good = ask(&harness, "c", FORM, &with(Some(&nonce), now(&harness))).await;
    assert_eq!(good.json()["token_type"], "DPoP");
    assert_eq!(good.header("dpop-nonce"), Some(nonce.as_str()));
    assert_eq!(harness.ask(FORM).await.json()["token_type"], "Bearer");

    harness.clock.advance(Duration::from_secs(60));
    let next = ask(&harness, "c", FORM, &with(Some(&nonce), now(&harness))).await;
    assert_eq!(next.status, 200);
    assert_ne!(
        next.header("dpop-nonce"),
        Some(nonce.as_str()),
        "it goes on"
    );
    harness.clock.advance(Duration::from_secs(60));
    let late = ask(&harness, "c", FORM, &with(Some(&nonce), now(&harness))).await;
    assert_eq!(late.refusal(), (400, "use_dpop_nonce".to_owned()));
    assert_eq!(refused(&harness, "dpop_nonce"), 3);
}

#[tokio::test]
async fn issuers_with_one_sealing_key_take_each_others_nonces_and_no_others() {
    let require = |settings: &mut IssuerSettings| settings.dpop.requires_nonce = true;
    let harness = start_with(require).await;
    let mut accepted = Vec::new();
    for sealing_key in [crate::harness::KEY, "another key-encryption key of 32"] {
        let folder = tempfile::tempdir().unwrap();
        let mut other = settings(&folder);
        other.base_url = Some(BASE.parse().unwrap());
        other.key_encryption_key = Some(hallpass_config::Secret::new(sealing_key));
        require(&mut other);
        let clock = std::sync::Arc::new(test_clock());
        let issuer = IssuerServer::start(&other, clock).await.unwrap();
        let nothing = crate::harness::request("POST /oauth2/token", &[], b"");
        let response = crate::harness::send(issuer.local_addr(), &nothing).await;
        let nonce = response.header("dpop-nonce").unwrap();
        let proof = proof_for(&key(), ENDPOINT, Some(nonce), now(&harness));
        accepted.push(ask(&harness, "c", FORM, &proof).await.status);
        issuer.shutdown().await.unwrap();
    }
    assert_eq!(accepted, [200, 400]);
}

#[tokio::test]
async fn a_bound_token_is_exchanged_for_its_holder_alone_and_stays_bound() {
    let harness = start_with(crate::token_exchange::estate).await;
    let (holder, thief) = (key(), key());
    let form = format!("{FORM}&audience=order");
    let token = ask(&harness, "batch", &form, &proof(&holder)).await.token();
    let exchange = crate::token_exchange::form(&token, "billing");
    let response = ask(&harness, "batch", &exchange, &proof(&holder)).await;
    assert_eq!(response.json()["token_type"], "DPoP");
    let claims = harness.verify(&response.token(), "billing").await.unwrap();
    let jkt = claims.confirmation.as_ref().and_then(|it| it.jkt);
    assert_eq!(jkt, Some(holder.thumbprint()));

    let stolen = ask(&harness, "batch", &exchange, &proof(&thief)).await;
    assert_eq!(stolen.refusal(), (400, "invalid_request".to_owned()));
    let bare = harness.ask_as("batch", SECRET, &exchange).await;
    assert_eq!(bare.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(refused(&harness, "bound_subject_token"), 2);
}

#[tokio::test]
async fn a_refresh_token_does_not_lead_around_the_proof() {
    let harness = start_with(|settings| {
        for client in &mut settings.clients {
            client.grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
                .into_iter()
                .collect();
        }
    })
    .await;
    let (first, second) = (key(), key());
    let begun = ask(&harness, "bound", FORM, &proof(&first)).await.json();
    let refresh_token = begun["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh_token}");

    let bare = harness.ask_as("bound", SECRET, &form).await;
    assert_eq!(bare.refusal(), (400, "invalid_request".to_owned()));
    let used = proof(&second);
    assert_eq!(ask(&harness, "bound", FORM, &used).await.status, 200);
    let replayed = ask(&harness, "bound", &form, &used).await;
    assert_eq!(replayed.refusal(), invalid_proof());
    let other = ask(&harness, "bound", &form, &proof(&second)).await;
    assert_eq!(other.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(refused(&harness, "bound_refresh_token"), 1);
    // None of them has used it up.
    let refreshed = ask(&harness, "bound", &form, &proof(&first)).await;
    assert_eq!(refreshed.json()["token_type"], "DPoP");
    let expected = json!({"jkt": first.thumbprint().to_string()});
    assert_eq!(confirmation(&harness, &refreshed).await, Some(expected));
}

#[tokio::test]
async fn what_once_came_with_a_proof_is_never_refreshed_without_it() {
    let harness = start_with(|settings| {
        for client in &mut settings.clients {
            client.grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
                .into_iter()
                .collect();
        }
    })
    .await;
    let form = |response: &Response| {
        let token = response.json()["refresh_token"].clone();
        let token = token.as_str().unwrap();
        format!("grant_type=refresh_token&refresh_token={token}")
    };
    // `c` need not prove anything. What begins with a proof is bound at once, and the rest at the first proof.
    let (holder, other) = (key(), key());
    let bound = ask(&harness, "c", FORM, &proof(&holder)).await;
    let plain = harness.ask(FORM).await;
    let plain = harness.ask(&form(&plain)).await;
    assert_eq!(plain.json()["token_type"], "Bearer");
    let bound_later = ask(&harness, "c", &form(&plain), &proof(&holder)).await;
    assert_eq!(bound_later.json()["token_type"], "DPoP");
    for begun in [bound, bound_later] {
        let bare = harness.ask(&form(&begun)).await;
        assert_eq!(bare.refusal(), (400, "invalid_grant".to_owned()));
        let stolen = ask(&harness, "c", &form(&begun), &proof(&other)).await;
        assert_eq!(stolen.refusal(), (400, "invalid_grant".to_owned()));
        let next = ask(&harness, "c", &form(&begun), &proof(&holder)).await;
        assert_eq!(next.json()["token_type"], "DPoP");
        let again = ask(&harness, "c", &form(&next), &proof(&holder)).await;
        assert_eq!(again.status, 200, "it stays bound: {again:?}");
        assert_eq!(harness.ask(&form(&again)).await.status, 400);
    }
    assert_eq!(refused(&harness, "bound_refresh_token"), 6);
}
