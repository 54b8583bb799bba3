//! Keys.

use serde_json::{Value, json};

use super::{Rig, problem, refused};

#[tokio::test]
async fn keys_are_listed_with_what_becomes_of_them_and_nothing_of_their_private_halves() {
    let rig = Rig::start().await;
    rig.harness.get("/oauth2/jwks?verifier=orders", &[]).await;
    let token = rig.ops().await;
    let listed = rig.get("/admin/v1/keys", &token).await;
    let keys = listed.json();
    assert_eq!(keys["keys"][0]["state"], "signing");
    assert_eq!(keys["keys"][0]["algorithm"], "ES256");
    assert_eq!(keys["schedule"][0]["becomes"], "announced");
    assert!(keys["schedule"][0]["at"].is_u64());
    assert!(!listed.body.contains("\"d\""));
    let public = rig.get("/admin/v1/keys/public", &token).await;
    assert_eq!(
        public.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(public.body, rig.harness.get("/oauth2/jwks", &[]).await.body);
}

#[tokio::test]
async fn a_key_takes_over_at_once_or_announced_and_asking_twice_makes_no_second_one() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let path = "/admin/v1/keys/rotation";
    let first = rig.post(path, &token, &json!({})).await.json();
    assert_eq!(first["state"], "announced");
    let awaits = json!({"take_over": "when_adopted"});
    let again = rig.post(path, &token, &awaits).await.json();
    assert_eq!(
        (&again["kid"], &again["awaits_adoption"]),
        (&first["kid"], &json!(true))
    );
    let now = json!({"take_over": "now", "algorithm": "ES256"});
    let signing = rig.post(path, &token, &now).await.json();
    assert_eq!(
        (&signing["kid"], &signing["state"]),
        (&first["kid"], &json!("signing"))
    );
    // When the response is there, it signs.
    let fresh = rig.ops().await;
    let head = fresh.split('.').next().unwrap();
    let head = hallpass_token::UnverifiedToken::parse(&fresh, 10_000)
        .map(|it| it.key_id().unwrap().to_string())
        .unwrap_or(head.to_owned());
    assert_eq!(head, signing["kid"].as_str().unwrap());
    // What the one before has signed is good.
    assert_eq!(rig.get("/admin/v1/keys", &token).await.status, 200);
    let of_another = rig.post(path, &token, &json!({"algorithm": "RS256"})).await;
    assert_eq!(of_another.json()["algorithm"], "RS256");
    for bad in [
        json!({"algorithm": "none"}),
        json!({"algorithm": "HS256"}),
        json!({"algorithm": "PS256"}),
        json!({"take_over": "never"}),
        json!({"takeover": "now"}),
        json!([]),
    ] {
        let response = rig.post(path, &token, &bad).await;
        assert_eq!(problem(&response), refused(400, "invalid_request"), "{bad}");
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_signs_no_more_when_the_response_comes() {
    let rig = Rig::start().await;
    let before = rig.ops().await;
    let keys = rig.get("/admin/v1/keys", &before).await.json();
    let kid = keys["keys"][0]["kid"].as_str().unwrap().to_owned();
    let path = format!("/admin/v1/keys/{kid}/taint");
    let tainted = rig.post(&path, &before, &json!({})).await.json();
    assert_eq!(tainted["successor"]["state"], "signing");
    assert_ne!(tainted["successor"]["kid"], json!(kid));
    assert!(
        !rig.harness
            .get("/oauth2/jwks", &[])
            .await
            .body
            .contains(&kid)
    );
    // The token that has asked for it was signed by that key.
    let response = rig.get("/admin/v1/keys", &before).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
    let token = rig.ops().await;
    let again = rig.post(&path, &token, &json!({})).await;
    assert_eq!(again.json(), json!({}), "there is nothing to replace");
    let listed = rig.get("/admin/v1/revocations", &token).await.json();
    assert_eq!(listed["revocations"][0]["name"], json!(kid));
    let unknown = rig
        .post("/admin/v1/keys/none/taint", &token, &json!({}))
        .await;
    assert_eq!(problem(&unknown), refused(404, "unknown_key"));
    assert!(unknown.json()["detail"].as_str().unwrap().contains(&kid));
}

#[tokio::test]
async fn a_rotation_that_is_repeated_with_its_key_brings_the_first_response_and_makes_no_further_key()
 {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let line = "POST /admin/v1/keys/rotation";
    let now = json!({"take_over": "now"});
    let key = vec!["Idempotency-Key: r1".to_owned()];
    let first = rig.send(line, &token, &key, &now).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = rig.send(line, &token, &key, &now).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    let listed = rig.get("/admin/v1/keys", &token).await.json();
    let signing = |keys: &Value| {
        let keys = keys["keys"].as_array().unwrap().iter();
        let signing: Vec<_> = keys.filter(|key| key["state"] == "signing").collect();
        (signing.len(), signing[0]["kid"].clone())
    };
    assert_eq!(signing(&listed), (1, first.json()["kid"].clone()));
    let count = listed["keys"].as_array().unwrap().len();
    assert_eq!(count, 2);
    let other = json!({"take_over": "announced"});
    let reused = rig.send(line, &token, &key, &other).await;
    assert_eq!(problem(&reused), refused(422, "idempotency_key_reused"));
    // Without it each is one of its own.
    rig.send(line, &token, &[], &now).await;
    let listed = rig.get("/admin/v1/keys", &token).await.json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 3);
}
