//! Who is let in, and who is not.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::taint_key;
use hallpass_token::UnixTime;
use serde_json::json;

use super::{AUDIENCE, JSON, READ, Rig, WRITE, bearer, problem, refused};
use crate::audit::Log;
use crate::harness::{NOW, SECRET, client};

const KEYS: &str = "/admin/v1/keys";
const ROTATION: &str = "/admin/v1/keys/rotation";

/// Every path of the interface, those that are not there, and what is around them.
const PATHS: [&str; 9] = [
    "/admin/v1/status",
    "/admin/v1/keys",
    "/admin/v1/revocations",
    "/admin/v1/authorities",
    "/admin/v1/openapi.json",
    "/admin/v1/nothing",
    "/",
    "/metrics",
    "/oauth2/jwks",
];

#[tokio::test]
async fn nobody_learns_anything_without_being_an_administrator_not_even_which_paths_there_are() {
    let rig = Rig::start().await;
    for path in PATHS {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X",
        ] {
            let response = rig.raw(&format!("{method} {path}"), &[], b"").await;
            assert_eq!(response.status, 401, "{method} {path}: {response:?}");
            let challenge = response.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer realm=\"hallpass-admin\""));
            if method != "HEAD" {
                assert_eq!(problem(&response), refused(401, "missing_credentials"));
            }
        }
    }
}

#[tokio::test]
async fn the_scope_says_whether_an_administrator_may_look_or_change() {
    let rig = Rig::start().await;
    let (reads, writes, both, neither) = (
        rig.token("viewer", READ).await,
        rig.token("ops", WRITE).await,
        rig.ops().await,
        rig.token("ops", "").await,
    );
    for (token, get, post) in [
        (&reads, 200, 403),
        (&writes, 200, 200),
        (&both, 200, 200),
        (&neither, 403, 403),
    ] {
        assert_eq!(rig.get(KEYS, token).await.status, get);
        let changed = rig.post(ROTATION, token, &json!({})).await;
        assert_eq!(changed.status, post);
    }
    let kept_out = rig.post(ROTATION, &reads, &json!({})).await;
    assert_eq!(problem(&kept_out), refused(403, "insufficient_scope"));
    let challenge = kept_out.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"hallpass.admin.write\""));
    // Who may only look is not told by the method either what there is.
    for line in [
        "DELETE /admin/v1/keys",
        "X /admin/v1/keys",
        "PUT /admin/v1/x",
    ] {
        let response = rig
            .raw(line, &[bearer(&reads), JSON.to_owned()], b"{}")
            .await;
        assert_eq!(
            problem(&response),
            refused(403, "insufficient_scope"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_token_for_another_service_or_that_has_ended_is_none_of_an_administrator() {
    let rig = Rig::with(|settings| {
        let scopes = [READ, WRITE];
        let other = client("other", SECRET, &scopes, &["service-system"]);
        settings.clients.push(other);
    })
    .await;
    let form = format!("grant_type=client_credentials&scope={WRITE}");
    let for_another = rig.harness.ask_as("other", SECRET, &form).await.token();
    let good = rig.ops().await;
    let invalid = refused(401, "invalid_token");
    let response = rig.get(KEYS, &for_another).await;
    assert_eq!(problem(&response), invalid);
    let challenge = response.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert_eq!(rig.get(KEYS, &good).await.status, 200);
    // To the second, without the minute that services allow for clocks: this is the clock that it was issued by.
    rig.harness.clock.advance(Duration::from_secs(600));
    assert_eq!(problem(&rig.get(KEYS, &good).await), invalid);
}

#[tokio::test]
async fn what_is_not_one_token_in_one_header_is_no_token() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let malformed = refused(400, "malformed_credentials");
    let missing = refused(401, "missing_credentials");
    let invalid = refused(401, "invalid_token");
    let (head, rest) = token.split_once('.').unwrap();
    for (headers, expected) in [
        (vec![bearer(&token), bearer(&token)], &malformed),
        (
            vec![format!("Authorization: Bearer {token} {token}")],
            &malformed,
        ),
        (vec![format!("Authorization: Bearer {token},x")], &malformed),
        (vec!["Authorization: Bearer".to_owned()], &malformed),
        (vec![crate::harness::basic("ops", SECRET)], &missing),
        (vec![format!("Authorization: DPoP {token}")], &missing),
        (vec![format!("X-Authorization: Bearer {token}")], &missing),
        (
            vec![format!("Authorization: Bearer {head}.{rest}x")],
            &invalid,
        ),
        (vec![format!("Authorization: Bearer {head}")], &invalid),
        (
            vec![format!("Authorization: Bearer {}", "a".repeat(9_000))],
            &invalid,
        ),
        // {"alg":"none"}
        (
            vec![format!(
                "Authorization: Bearer eyJhbGciOiJub25lIn0.{}.",
                rest.split('.').next().unwrap()
            )],
            &invalid,
        ),
        // {"alg":"HS256"}
        (
            vec![format!("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.{rest}")],
            &invalid,
        ),
    ] {
        let response = rig.raw(&format!("GET {KEYS}"), &headers, b"").await;
        assert_eq!(&problem(&response), expected, "{headers:?}");
    }
    let in_query = format!("GET {KEYS}?access_token={token}");
    assert_eq!(problem(&rig.raw(&in_query, &[], b"").await), missing);
}

#[tokio::test]
async fn who_was_revoked_or_taken_away_is_kept_out_at_once_whatever_the_token_says() {
    let mut rig = Rig::start().await;
    let ops = rig.ops().await;
    let invalid = refused(401, "invalid_token");
    for what in [
        json!({"kind": "client", "name": "viewer"}),
        json!({"kind": "subject", "name": "viewer", "only_issued": true}),
    ] {
        let rig = Rig::start().await;
        let (ops, viewer) = (rig.ops().await, rig.token("viewer", READ).await);
        assert_eq!(rig.get(KEYS, &viewer).await.status, 200);
        let revoked = rig.post("/admin/v1/revocations", &ops, &what).await;
        assert_eq!(revoked.status, 201, "{what}");
        assert_eq!(problem(&rig.get(KEYS, &viewer).await), invalid, "{what}");
        assert_eq!(rig.get(KEYS, &ops).await.status, 200);
    }
    // One token of several.
    let (one, other) = (
        rig.token("viewer", READ).await,
        rig.token("viewer", READ).await,
    );
    let claims = rig.harness.verify(&one, AUDIENCE).await.unwrap();
    let what = json!({"kind": "token", "name": claims.token_id.as_ref().unwrap().as_str()});
    rig.post("/admin/v1/revocations", &ops, &what).await;
    assert_eq!(problem(&rig.get(KEYS, &one).await), invalid);
    assert_eq!(rig.get(KEYS, &other).await.status, 200);
    // A scope that its client has no more, then an audience, then the client itself.
    let settings = &mut rig.harness.settings;
    settings.clients[1].scope = READ.parse().unwrap();
    rig.harness
        .issuer
        .apply(&rig.harness.settings)
        .await
        .unwrap();
    let less = rig.post(ROTATION, &ops, &json!({})).await;
    assert_eq!(problem(&less), refused(403, "insufficient_scope"));
    assert_eq!(rig.get(KEYS, &ops).await.status, 200);
    rig.harness.settings.clients[1].audiences = vec!["service-system".parse().unwrap()];
    rig.harness
        .issuer
        .apply(&rig.harness.settings)
        .await
        .unwrap();
    assert_eq!(problem(&rig.get(KEYS, &ops).await), invalid);
    rig.harness
        .settings
        .clients
        .retain(|it| it.client_id.as_str() != "viewer");
    rig.harness
        .issuer
        .apply(&rig.harness.settings)
        .await
        .unwrap();
    assert_eq!(problem(&rig.get(KEYS, &other).await), invalid);
    // The section is gone: the listener stays until the next start, and lets nobody in.
    let rig = Rig::start().await;
    let ops = rig.ops().await;
    let mut without = rig.harness.settings.clone();
    without.admin = None;
    rig.harness.issuer.apply(&without).await.unwrap();
    let missing = refused(401, "missing_credentials");
    assert_eq!(problem(&rig.get(KEYS, &ops).await), missing);
}

#[tokio::test]
async fn what_a_tainted_key_has_signed_lets_nobody_in() {
    let rig = Rig::start().await;
    let before = rig.ops().await;
    let kid = signing_kid(&rig, &before).await;
    let clock: Arc<dyn Clock> = rig.harness.clock.clone();
    taint_key(&rig.harness.settings, &clock, &kid)
        .await
        .unwrap();
    rig.harness
        .issuer
        .apply(&rig.harness.settings)
        .await
        .unwrap();
    let invalid = refused(401, "invalid_token");
    assert_eq!(problem(&rig.get(KEYS, &before).await), invalid);
    assert_eq!(rig.get(KEYS, &rig.ops().await).await.status, 200);
}

async fn signing_kid(rig: &Rig, token: &str) -> String {
    let keys = rig.get(KEYS, token).await.json();
    let keys = keys["keys"].as_array().unwrap();
    let signs = keys.iter().find(|key| key["state"] == "signing").unwrap();
    signs["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_or_a_key_is_not_taken_without_it() {
    use hallpass_token::{DpopKey, DpopRequest, DpopUri};

    let rig = Rig::start().await;
    let key = DpopKey::generate(hallpass_token::Algorithm::Es256).unwrap();
    let uri = DpopUri::parse(&rig.harness.issuer.url("/oauth2/token")).unwrap();
    let to = DpopRequest {
        method: "POST",
        uri: &uri,
        access_token: None,
        nonce: None,
    };
    let proof = key.prove(&to, UnixTime::from_secs(NOW)).unwrap();
    let headers = [
        crate::harness::basic("ops", SECRET),
        format!("DPoP: {proof}"),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let form = format!("grant_type=client_credentials&audience={AUDIENCE}&scope={WRITE}");
    let bound = rig.harness.post(&headers, form.as_bytes()).await.token();
    let claims = rig.harness.verify(&bound, AUDIENCE).await.unwrap();
    assert!(claims.confirmation.is_some());
    let response = rig.get(KEYS, &bound).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
}

#[tokio::test]
async fn each_change_and_each_refusal_is_an_audit_event_with_who_and_what_and_without_a_token() {
    let (log, guard) = Log::begin();
    let rig = Rig::start().await;
    let (ops, viewer) = (rig.ops().await, rig.token("viewer", READ).await);
    let odd = json!({"kind": "client", "name": "evil\nclient"});
    let good = json!({"kind": "client", "name": "c\"} event=forged"});
    rig.get(KEYS, &ops).await;
    rig.post(ROTATION, &ops, &json!({})).await;
    rig.post("/admin/v1/revocations", &ops, &good).await;
    rig.post("/admin/v1/revocations", &ops, &odd).await;
    rig.post("/admin/v1/keys/none/taint", &ops, &json!({}))
        .await;
    rig.post(ROTATION, &viewer, &json!({})).await;
    rig.raw("GET /admin/v1/keys", &[], b"").await;
    let tokens = [ops, viewer];
    rig.harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let events: Vec<_> = log
        .events()
        .into_iter()
        .map(|event| event["fields"].clone())
        .filter(|event| event["event"] == "administration")
        .map(|event| {
            let field = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
            assert_eq!(event["source"], "127.0.0.1");
            assert_eq!(event["jti"].is_string(), field("proof") == "token");
            ["actor", "action", "object", "outcome"]
                .map(field)
                .join(" | ")
        })
        .collect();
    assert_eq!(
        events,
        [
            "ops | key_rotate | - | done",
            "ops | revoke | client c\"} event=forged | done",
            "ops | key_taint | none | unknown_key",
            "viewer | change | /admin/v1/keys/rotation | insufficient_scope",
            "- | read | /admin/v1/keys | missing_credentials",
        ]
    );
    for token in &tokens {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.text().contains(signature), "a token is in the log");
    }
}
