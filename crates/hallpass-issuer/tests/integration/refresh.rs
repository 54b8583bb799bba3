//! Refresh tokens over the wire: what they bring, and what becomes of one that is used twice.

mod bounds;
mod exchanged;
mod trouble;

use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{ClientSettings, GrantType, IssuerServer, IssuerSettings, RevocationTarget};
use serde_json::{Value, json};

use crate::harness::{Harness, NOW, Response, SECRET, client, send};
use crate::harness::{basic, request};
use crate::revocation::{operator, wait_for_entries};
use crate::settings::{load, problems};

const CREDENTIALS: &str = "grant_type=client_credentials&scope=read+write";

/// `c` wants refresh tokens, so does `other`; `plain` does not. `service-system` may ask about tokens.
fn estate(settings: &mut IssuerSettings) {
    let refreshing = |id: &str| {
        let audiences = ["service-system", "billing"];
        let mut client = client(id, SECRET, &["read", "write"], &audiences);
        client.grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
            .into_iter()
            .collect();
        client
    };
    settings.clients = vec![refreshing("c"), refreshing("other")];
    for id in ["plain", "service-system"] {
        let client = client(id, SECRET, &["read"], &["service-system"]);
        settings.clients.push(client);
    }
}

async fn start() -> Harness {
    Harness::with(estate).await
}

/// The first refresh token of a family of `c` for `service-system`.
async fn begin(harness: &Harness) -> String {
    let form = format!("{CREDENTIALS}&audience=service-system");
    refresh_token(&harness.ask(&form).await)
}

fn refresh_token(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    let token = response.json()["refresh_token"].clone();
    token.as_str().unwrap().to_owned()
}

async fn refresh(harness: &Harness, token: &str) -> Response {
    refresh_as(harness, "c", token, "").await
}

async fn refresh_as(harness: &Harness, id: &str, token: &str, query: &str) -> Response {
    let form = format!("grant_type=refresh_token&refresh_token={token}{query}");
    harness.ask_as(id, SECRET, &form).await
}

/// Asks about a token at `path`.
async fn about(harness: &Harness, path: &str, id: &str, token: &str) -> Response {
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        basic(id, SECRET),
    ];
    let (line, form) = (format!("POST {path}"), format!("token={token}"));
    harness.send(&request(&line, &lines, form.as_bytes())).await
}

async fn is_active(harness: &Harness, access_token: &str) -> bool {
    let told = about(
        harness,
        "/oauth2/introspect",
        "service-system",
        access_token,
    );
    told.await.json()["active"] == true
}

/// The token is refused for this reason, which the response does not show.
async fn refused(harness: &Harness, response: Response, reason: &str) {
    let (status, error) = response.refusal();
    assert_eq!(
        (status, error.as_str()),
        (400, error_of(reason)),
        "{reason}"
    );
    let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
    assert_ne!(harness.metric(&line), 0, "{reason}: {response:?}");
}

fn error_of(reason: &str) -> &'static str {
    match reason {
        "scope_not_granted" | "no_common_scope" => "invalid_scope",
        "other_target" | "unregistered_target" => "invalid_target",
        "unregistered_grant" | "revoked_client" => "unauthorized_client",
        "empty_parameter" | "foreign_parameter" | "unknown_parameter" => "invalid_request",
        "missing_refresh_token" | "duplicate_parameter" => "invalid_request",
        _ => "invalid_grant",
    }
}

fn done(harness: &Harness, result: &str) -> u64 {
    let line = format!("hallpass_refresh_tokens_total{{result=\"{result}\"}}");
    harness.metric(&line)
}

#[tokio::test]
async fn a_refresh_token_brings_another_token_and_its_own_successor() {
    let harness = start().await;
    let form = format!("{CREDENTIALS}&audience=service-system");
    let first = harness.ask(&form).await;
    harness.clock.advance(Duration::from_secs(500));
    let second = refresh(&harness, &refresh_token(&first)).await;
    assert_eq!(second.header("cache-control"), Some("no-store"));
    assert_eq!(second.json()["token_type"], "Bearer");
    assert_eq!(second.json()["expires_in"], 600);
    assert_eq!(second.json()["scope"], "read write");
    assert_ne!(refresh_token(&first), refresh_token(&second));
    assert_eq!(refresh_token(&second).len(), 64);
    let claims = async |response: &Response| {
        let claims = harness.verify(&response.token(), "service-system").await;
        serde_json::to_value(claims.unwrap()).unwrap()
    };
    let (old, new) = (claims(&first).await, claims(&second).await);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!((&new["sub"], &new["client_id"]), (&json!("c"), &json!("c")));
    assert_eq!(new["scope"], old["scope"]);
    assert_eq!(new["iat"], NOW + 500);
    let third = refresh(&harness, &refresh_token(&second)).await;
    assert_eq!(third.status, 200, "{third:?}");
    assert_eq!(
        (done(&harness, "begun"), done(&harness, "replaced")),
        (1, 2)
    );
    let line = "hallpass_refresh_families";
    assert_eq!(harness.metric(line), 1, "one family, however often");
}

#[tokio::test]
async fn who_does_not_want_refresh_tokens_gets_none_and_the_store_is_asked_nothing() {
    let harness = start().await;
    let before = harness.issuer.store_queries();
    let response = harness
        .ask_as("plain", SECRET, "grant_type=client_credentials&scope=read")
        .await;
    assert_eq!(response.json()["refresh_token"], Value::Null);
    assert_eq!(response.status, 200);
    let token = "A".repeat(64);
    let response = refresh_as(&harness, "plain", &token, "").await;
    refused(&harness, response, "unregistered_grant").await;
    assert_eq!(harness.issuer.store_queries(), before);
    begin(&harness).await;
    assert!(harness.issuer.store_queries() > before, "it is counted");
}

#[tokio::test]
async fn a_response_that_was_lost_is_given_again_for_some_seconds() {
    let harness = start().await;
    let token = begin(&harness).await;
    let successor = refresh_token(&refresh(&harness, &token).await);
    harness.clock.advance(Duration::from_secs(10));
    let again = refresh(&harness, &token).await;
    assert_eq!(refresh_token(&again), successor);
    assert!(is_active(&harness, &again.token()).await);
    assert_eq!(done(&harness, "repeated"), 1);
    assert_eq!(refresh(&harness, &successor).await.status, 200);
}

#[tokio::test]
async fn two_callers_at_once_get_one_successor_at_two_issuers_of_one_store_too() {
    let harness = start().await;
    let clock: std::sync::Arc<dyn Clock> = harness.clock.clone();
    let twin = IssuerServer::start(&harness.settings, clock).await.unwrap();
    for _ in 0..3 {
        let token = begin(&harness).await;
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic("c", SECRET),
        ];
        let bytes = request("POST /oauth2/token", &lines, form.as_bytes());
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..8 {
            let address = match number % 2 {
                0 => harness.address(),
                _ => twin.local_addr(),
            };
            let bytes = bytes.clone();
            calls.spawn(async move { send(address, &bytes).await });
        }
        let responses = calls.join_all().await;
        let mut successors: Vec<_> = responses.iter().map(refresh_token).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "{successors:?}");
        let mut tokens: Vec<_> = responses.iter().map(Response::token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 8, "each caller has an access token");
        let next = refresh(&harness, &successors[0]).await;
        assert_eq!(next.status, 200, "{next:?}");
    }
    twin.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_token_that_comes_again_later_ends_all_that_followed_from_it() {
    let harness = start().await;
    let shown = harness.issuer.metrics();
    let none = "hallpass_refresh_tokens_total{result=\"reused\"} 0\n";
    assert!(shown.contains(none), "from the start: {shown}");
    let stolen = begin(&harness).await;
    let second = refresh(&harness, &stolen).await;
    harness.clock.advance(Duration::from_secs(11));
    let third = refresh(&harness, &refresh_token(&second)).await;
    let unrelated = begin(&harness).await;
    let response = refresh(&harness, &stolen).await;
    refused(&harness, response, "reused_refresh_token").await;
    for access_token in [second.token(), third.token()] {
        assert!(!is_active(&harness, &access_token).await);
    }
    wait_for_entries(&harness, 3).await;
    let response = refresh(&harness, &refresh_token(&third)).await;
    refused(&harness, response, "invalid_refresh_token").await;
    let again = refresh(&harness, &unrelated).await;
    assert!(is_active(&harness, &again.token()).await, "others go on");
    assert_eq!(done(&harness, "reused"), 1);
}

#[tokio::test]
async fn there_is_no_grace_once_the_successor_was_used() {
    let harness = start().await;
    let first = begin(&harness).await;
    let second = refresh_token(&refresh(&harness, &first).await);
    let third = refresh_token(&refresh(&harness, &second).await);
    let response = refresh(&harness, &first).await;
    refused(&harness, response, "reused_refresh_token").await;
    let response = refresh(&harness, &third).await;
    refused(&harness, response, "invalid_refresh_token").await;
}

#[tokio::test]
async fn a_rotated_token_does_not_live_again_after_a_restart() {
    let harness = start().await;
    let first = begin(&harness).await;
    let second = refresh(&harness, &first).await;
    harness.clock.advance(Duration::from_secs(60));
    let harness = harness.restart().await;
    assert!(is_active(&harness, &second.token()).await);
    let response = refresh(&harness, &first).await;
    refused(&harness, response, "reused_refresh_token").await;
    let harness = harness.restart().await;
    assert!(!is_active(&harness, &second.token()).await);
    let response = refresh(&harness, &refresh_token(&second)).await;
    refused(&harness, response, "invalid_refresh_token").await;
}

#[tokio::test]
async fn a_token_counts_after_a_restart_and_gives_the_same_successor() {
    let harness = start().await;
    let first = begin(&harness).await;
    let second = refresh_token(&refresh(&harness, &first).await);
    let harness = harness.restart().await;
    assert_eq!(refresh_token(&refresh(&harness, &first).await), second);
    assert_eq!(refresh(&harness, &second).await.status, 200);
}

#[tokio::test]
async fn a_client_revokes_its_refresh_token_and_the_access_tokens_go_with_it() {
    let harness = start().await;
    let first = begin(&harness).await;
    let second = refresh(&harness, &first).await;
    let token = refresh_token(&second);
    for id in ["other", "service-system"] {
        let response = about(&harness, "/oauth2/revoke", id, &token).await;
        assert_eq!((response.status, response.body.as_str()), (200, ""), "{id}");
    }
    assert!(is_active(&harness, &second.token()).await);
    for _again in 0..2 {
        let response = about(&harness, "/oauth2/revoke", "c", &token).await;
        assert_eq!((response.status, response.body.as_str()), (200, ""));
    }
    assert!(!is_active(&harness, &second.token()).await);
    let response = refresh(&harness, &token).await;
    refused(&harness, response, "invalid_refresh_token").await;
    assert_eq!(done(&harness, "revoked"), 1);
}

#[tokio::test]
async fn only_its_own_client_is_told_that_a_refresh_token_is_good() {
    let mut harness = start().await;
    harness.settings.introspection_clients = vec!["other".parse().unwrap()];
    harness.issuer.apply(&harness.settings).await.unwrap();
    let first = begin(&harness).await;
    let token = refresh_token(&refresh(&harness, &first).await);
    let told = about(&harness, "/oauth2/introspect", "c", &token).await;
    let shown = json!({
        "active": true, "iss": "internal", "aud": "internal", "client_id": "c", "sub": "c", "scope": "read write",
        "iat": NOW, "exp": NOW + 86_400,
    });
    assert_eq!(told.json(), shown);
    let inactive = json!({ "active": false });
    for (id, token) in [
        // Whoever receives calls must not take it for an access token.
        ("service-system", &token),
        ("other", &token),
        ("c", &first),
    ] {
        let told = about(&harness, "/oauth2/introspect", id, token).await;
        assert_eq!(told.json(), inactive, "{id}");
    }
    let again = refresh(&harness, &token).await;
    assert_eq!(again.status, 200, "who asks about the old one ends nothing");
    let target = RevocationTarget::Client {
        id: "c".into(),
        only_issued: true,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let token = refresh_token(&again);
    let told = about(&harness, "/oauth2/introspect", "c", &token).await;
    assert_eq!(told.json(), inactive);
}

#[test]
fn refresh_tokens_are_off_until_a_client_has_them_beside_another_grant() {
    let one = |keys: &str| {
        format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: a, client-secret: x, {keys} }}] }} }}"
        )
    };
    let settings = load(&one(""));
    let grants = settings.clients[0].grant_types;
    assert!(!grants.contains(GrantType::RefreshToken));
    assert_eq!(settings.refresh_token_grace, Duration::from_secs(10));
    assert_eq!(settings.refresh_tokens_per_client, 1_000);
    let both = "grant-types: [client_credentials, refresh_token], refresh-token-life-seconds: 12h";
    let client = &load(&one(both)).clients[0];
    assert_eq!(client.refresh_token_life, Some(Duration::from_secs(43_200)));
    for (keys, problem) in [
        (
            "grant-types: refresh_token",
            "has nothing but `refresh_token`",
        ),
        (
            "refresh-token-life-seconds: 60",
            "is of no use without `refresh_token`",
        ),
        (
            "grant-types: [client_credentials, refresh_token], refresh-token-life-seconds: 86401",
            "86400",
        ),
    ] {
        let [told] = &problems(&one(keys))[..] else {
            panic!("one problem: {keys}")
        };
        assert!(told.contains(problem), "{told}");
    }
}
