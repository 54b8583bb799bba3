//! What is taken back before its end: by clients, by operators, with a key; and who gets to know it.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{
    Error, RevocationEnd, RevocationTarget, Revoked, add_client, revoke, taint_key,
};
use hallpass_token::{RevocationDigest, RevocationKind};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Harness, NOW, Response, SECRET, basic, client, request};
use crate::keys::{header, kids};

pub(crate) const OTHER_SECRET: &str = "hallpass_HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const A_DAY_AND_FIVE_MINUTES: u64 = 86_400 + 300;

/// An issuer with `c`, which calls `service-system`, that service as a client, and `other`.
pub(crate) async fn start() -> Harness {
    Harness::with(|settings| {
        settings
            .clients
            .push(client("service-system", OTHER_SECRET, &[], &["c"]));
        settings
            .clients
            .push(client("other", OTHER_SECRET, &[], &["service-system"]));
    })
    .await
}

pub(crate) async fn post(harness: &Harness, path: &str, id: &str, form: &str) -> Response {
    let secret = if id == "c" { SECRET } else { OTHER_SECRET };
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        basic(id, secret),
    ];
    let line = format!("POST {path}");
    harness.send(&request(&line, &lines, form.as_bytes())).await
}

pub(crate) async fn revoke_as(harness: &Harness, id: &str, token: &str) -> Response {
    post(
        harness,
        "/oauth2/revoke",
        id,
        &format!("token={token}&token_type_hint=access_token"),
    )
    .await
}

pub(crate) async fn introspect_as(harness: &Harness, id: &str, token: &str) -> Value {
    let response = post(harness, "/oauth2/introspect", id, &format!("token={token}")).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.json()
}

pub(crate) async fn operator(
    harness: &Harness,
    target: RevocationTarget,
) -> Result<Revoked, Error> {
    let clock: Arc<dyn Clock> = harness.clock.clone();
    revoke(
        &harness.settings,
        &clock,
        &target,
        RevocationEnd::WithTheLastToken,
    )
    .await
}

pub(crate) async fn entries(harness: &Harness) -> Vec<Value> {
    let list = harness.get("/oauth2/revocations", &[]).await.json();
    list["entries"].as_array().unwrap().clone()
}

/// Waits until the list has as many entries, for a minute at most.
pub(crate) async fn wait_for_entries(harness: &Harness, number: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let entries = entries(harness).await;
        if entries.len() == number {
            return entries;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{entries:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_takes_back_its_own_token_and_it_is_good_nowhere_any_more() {
    let harness = start().await;
    let (token, another) = (harness.token().await, harness.token().await);
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await["active"],
        true
    );
    for _again in 0..2 {
        let revoked = revoke_as(&harness, "c", &token).await;
        assert_eq!((revoked.status, revoked.body.as_str()), (200, ""));
    }
    let inactive = json!({ "active": false });
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await,
        inactive
    );
    assert_eq!(
        introspect_as(&harness, "service-system", &another).await["active"],
        true
    );
    let claims = harness.verify(&token, "service-system").await.unwrap();
    let digest = RevocationDigest::new(
        RevocationKind::Token,
        claims.token_id.as_ref().unwrap().as_str(),
    );
    let entry =
        json!({ "kind": "token", "digest": digest.to_string(), "ends_at": NOW + 600 + 300 });
    assert_eq!(entries(&harness).await, vec![entry.clone()]);
    let harness = harness.restart().await;
    assert_eq!(entries(&harness).await, [entry], "it outlives a restart");
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await,
        inactive
    );
}

#[tokio::test]
async fn of_many_at_once_each_is_told_when_its_token_is_good_no_more_though_some_go_away() {
    let harness = Arc::new(start().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let harness = Arc::clone(&harness);
        tasks.spawn(async move {
            let token = harness.token().await;
            let revoked = revoke_as(&harness, "c", &token);
            if number % 5 == 0 {
                let _ = tokio::time::timeout(Duration::from_millis(number / 5), revoked).await;
                return;
            }
            assert_eq!(revoked.await.status, 200);
            let told = introspect_as(&harness, "service-system", &token).await;
            assert_eq!(told, json!({ "active": false }));
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let count = entries(&harness).await.len();
    assert!((48..=60).contains(&count), "{count}");
}

#[tokio::test]
async fn nothing_is_said_and_nothing_done_for_a_token_that_is_not_the_callers() {
    let harness = start().await;
    let token = harness.token().await;
    // Another character in the middle of the signature.
    let (head, last) = token.split_at(token.len() - 20);
    let other = if last.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}{other}{}", &last[1..]);
    for (id, token) in [
        ("other", token.as_str()),
        ("service-system", &token),
        ("c", &tampered),
        ("c", "nonsense"),
        ("c", "a.b.c"),
    ] {
        let response = revoke_as(&harness, id, token).await;
        assert_eq!(
            (response.status, response.body.as_str()),
            (200, ""),
            "{id} {token}"
        );
    }
    assert_eq!(entries(&harness).await, [] as [Value; 0]);
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await["active"],
        true
    );
    harness.clock.advance(Duration::from_secs(600));
    assert_eq!(revoke_as(&harness, "c", &token).await.status, 200);
    assert_eq!(entries(&harness).await.len(), 0, "it has ended by itself");
}

#[tokio::test]
async fn only_those_a_token_is_for_and_those_who_are_registered_learn_what_it_says() {
    let mut harness = start().await;
    let form = "grant_type=client_credentials&scope=read";
    let token = harness.ask(form).await.token();
    let told = introspect_as(&harness, "service-system", &token).await;
    let shown = json!({
        "active": true, "token_type": "Bearer", "iss": "internal", "sub": "c", "client_id": "c", "aud": "service-system",
        "scope": "read", "iat": NOW, "nbf": NOW, "exp": NOW + 600, "jti": told["jti"],
    });
    assert_eq!(told, shown);
    let inactive = json!({ "active": false });
    for id in ["c", "other"] {
        assert_eq!(introspect_as(&harness, id, &token).await, inactive, "{id}");
    }
    harness.settings.introspection_clients = vec!["other".parse().unwrap()];
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(introspect_as(&harness, "other", &token).await, shown);
    assert_eq!(introspect_as(&harness, "other", "nonsense").await, inactive);
    harness.clock.advance(Duration::from_secs(600));
    assert_eq!(introspect_as(&harness, "other", &token).await, inactive);
}

#[tokio::test]
async fn who_asks_about_a_token_proves_who_it_is_as_at_the_token_endpoint() {
    let harness = start().await;
    let form_type = "Content-Type: application/x-www-form-urlencoded".to_owned();
    for path in ["/oauth2/revoke", "/oauth2/introspect"] {
        let send = async |lines: &[String], form: &str| {
            let line = format!("POST {path}");
            harness.send(&request(&line, lines, form.as_bytes())).await
        };
        let bad = send(&[form_type.clone(), basic("c", "no")], "token=x").await;
        assert_eq!(bad.refusal(), (401, "invalid_client".into()), "{path}");
        let none = send(std::slice::from_ref(&form_type), "token=x").await;
        assert_eq!(none.refusal(), (401, "invalid_client".into()), "{path}");
        let missing = send(&[form_type.clone(), basic("c", SECRET)], "token=").await;
        assert_eq!(missing.refusal(), (400, "invalid_request".into()), "{path}");
        let twice = send(&[form_type.clone(), basic("c", SECRET)], "token=a&token=b").await;
        assert_eq!(twice.refusal(), (400, "invalid_request".into()), "{path}");
        let no_form = send(&[basic("c", SECRET)], "token=x").await;
        assert_eq!(no_form.refusal(), (400, "invalid_request".into()), "{path}");
        assert_eq!(harness.get(path, &[]).await.status, 405);
        let mut refused = 0;
        for _guess in 0..40 {
            let lines = [form_type.clone(), basic("other", "a guess")];
            refused += u32::from(send(&lines, "token=x").await.status == 429);
        }
        assert!(refused > 0, "guesses are throttled at {path}");
    }
}

#[tokio::test]
async fn a_client_that_an_operator_revokes_gets_no_token_until_the_end() {
    let harness = start().await;
    let token = harness.token().await;
    let target = RevocationTarget::Client {
        id: "c".into(),
        only_issued: false,
    };
    let entry = operator(&harness, target).await.unwrap();
    assert_eq!(entry.holds.ends_at.as_secs(), NOW + A_DAY_AND_FIVE_MINUTES);
    wait_for_entries(&harness, 1).await;
    let refused = harness.ask("grant_type=client_credentials").await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client".into()));
    assert_eq!(
        harness.metric("hallpass_token_requests_refused_total{reason=\"revoked_client\"}"),
        1
    );
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await["active"],
        false
    );
    let other = harness
        .ask_as("other", OTHER_SECRET, "grant_type=client_credentials")
        .await;
    assert_eq!(other.status, 200, "nobody else is concerned");
    harness
        .clock
        .advance(Duration::from_secs(A_DAY_AND_FIVE_MINUTES));
    assert_eq!(
        harness.ask("grant_type=client_credentials").await.status,
        200
    );
}

#[tokio::test]
async fn only_what_was_issued_so_far_is_taken_back_when_that_is_asked_for() {
    let harness = start().await;
    let token = harness.token().await;
    let target = RevocationTarget::Subject {
        name: "c".into(),
        only_issued: true,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    assert_eq!(
        introspect_as(&harness, "service-system", &token).await["active"],
        false
    );
    harness.clock.advance(Duration::from_secs(1));
    let new = harness.token().await;
    assert_eq!(
        introspect_as(&harness, "service-system", &new).await["active"],
        true
    );
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said_and_nothing_is_written() {
    let harness = start().await;
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let revoke =
        async |target: RevocationTarget, end| revoke(&harness.settings, &clock, &target, end).await;
    let client = || RevocationTarget::Client {
        id: "c".into(),
        only_issued: false,
    };
    for (target, end) in [
        (
            RevocationTarget::Token(String::new()),
            RevocationEnd::default(),
        ),
        (
            RevocationTarget::Key(String::new()),
            RevocationEnd::default(),
        ),
        (client(), RevocationEnd::At(NOW)),
        (client(), RevocationEnd::After(Duration::ZERO)),
        (client(), RevocationEnd::After(Duration::MAX)),
    ] {
        let error = revoke(target, end).await.unwrap_err();
        assert!(matches!(error, Error::Revocation { .. }), "{error}");
    }
    let mut missing = harness.settings.clone();
    missing.store = harness.folder.path().join("no.db");
    let error =
        hallpass_issuer::revoke(&missing, &clock, &client(), RevocationEnd::default()).await;
    assert!(
        matches!(error, Err(Error::StoreMissing { .. })),
        "{error:?}"
    );
    assert!(!missing.store.exists());
    assert_eq!(entries(&harness).await.len(), 0);
}

#[tokio::test]
async fn the_list_is_sent_once_and_a_tainted_key_is_on_it_by_itself() {
    let harness = start().await;
    let first = harness.get("/oauth2/revocations", &[]).await;
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let etag = first.header("etag").unwrap().to_owned();
    let again = [format!("If-None-Match: {etag}")];
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let same = harness.get("/oauth2/revocations", &again).await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    let kid = kids(&harness).await[0].clone();
    let clock: Arc<dyn Clock> = harness.clock.clone();
    taint_key(&harness.settings, &clock, &kid).await.unwrap();
    let digest = RevocationDigest::new(RevocationKind::Key, &kid).to_string();
    let listed = wait_for_entries(&harness, 1).await;
    let ends_at = NOW + A_DAY_AND_FIVE_MINUTES;
    assert_eq!(
        listed,
        [json!({ "kind": "key", "digest": digest, "ends_at": ends_at })]
    );
    assert_eq!(harness.get("/oauth2/revocations", &again).await.status, 200);
    let harness = harness.restart().await;
    assert_eq!(entries(&harness).await, listed);
    let new = header(&harness.token().await);
    assert_ne!(new["kid"], kid.as_str());
    let metadata = harness
        .get("/.well-known/oauth-authorization-server", &[])
        .await
        .json();
    let path = metadata["revocations_endpoint"].as_str().unwrap();
    assert!(path.ends_with("/oauth2/revocations"), "{path}");
}

#[tokio::test]
async fn what_is_taken_back_counts_although_a_client_of_the_store_cannot_be_taken() {
    let harness = Harness::with(|settings| {
        // Nobody needs it, so nobody has read it.
        settings.client_keys_tls.ca_file = Some("/absent/ca.crt".into());
    })
    .await;
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let entry = "hallpass: { issuer: { clients: [{ client-id: away, token-endpoint-auth-method: private_key_jwt, \
                 jwks-url: 'https://keys.example/jwks' }] } }";
    let added = add_client(&harness.settings, &clock, ("away", entry), |_| Ok(()));
    added.await.unwrap();
    let kid = header(&harness.token().await)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    taint_key(&harness.settings, &clock, &kid).await.unwrap();
    let began = Instant::now();
    while entries(&harness).await.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nobody hears of it"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!kids(&harness).await.contains(&kid));
    let after = header(&harness.token().await)["kid"].clone();
    assert_ne!(after, kid.as_str(), "known clients go on, by another key");
}
