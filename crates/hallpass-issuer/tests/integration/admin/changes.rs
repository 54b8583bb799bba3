//! Changes: to their end, and while the store does not take them.

use std::time::Duration;

use hallpass_clock::Clock as _;
use hallpass_token::UnixTime;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::clients::{PATH, if_match, order};
use super::{JSON, Rig, bearer, problem, refused};
use crate::harness::request;

#[tokio::test]
async fn a_change_goes_to_its_end_and_counts_although_who_asked_for_it_goes_away() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let headers = [
        bearer(&token),
        JSON.to_owned(),
        format!("Host: {}", rig.address()),
    ];
    let body = json!({"take_over": "now"}).to_string();
    let line = "POST /admin/v1/keys/rotation";
    let before = rig.harness.issuer.jwks();
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream
        .write_all(&request(line, &headers, body.as_bytes()))
        .await
        .unwrap();
    drop(stream);
    // Either the request was not taken at all, or it went to its end: another one waits for it, and never sees half of it.
    let other = rig
        .post(
            "/admin/v1/keys/rotation",
            &token,
            &json!({"take_over": "now"}),
        )
        .await;
    assert_eq!(other.status, 200);
    let keys = rig.get("/admin/v1/keys", &rig.ops().await).await.json();
    let signing = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["state"] == "signing");
    assert_eq!(signing.count(), 1);
    assert_ne!(rig.harness.issuer.jwks(), before);
}

#[tokio::test]
async fn while_the_store_does_not_take_a_change_it_is_503_and_the_status_says_why() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let store = &rig.harness.settings.store;
    let ready = rig.get("/admin/v1/status", &token).await.json();
    assert_eq!(
        (&ready["health"], &ready["issuer"]),
        (&json!("ready"), &json!("internal"))
    );
    assert_eq!(ready["counts"]["clients"], json!(3));
    assert_eq!(ready["signing_keys"][0]["age_seconds"], json!(0));
    let aside = store.with_extension("aside");
    std::fs::rename(store, &aside).unwrap();
    let response = rig
        .post("/admin/v1/keys/rotation", &token, &json!({}))
        .await;
    assert_eq!(problem(&response), refused(503, "store_unavailable"));
    assert_eq!(response.header("retry-after"), Some("2"));
    let file = store.file_name().unwrap().to_str().unwrap();
    assert!(!response.body.contains(file), "no file is named");
    let degraded = rig.get("/admin/v1/status", &token).await.json();
    assert_eq!(
        (&degraded["health"], &degraded["signing_keys"]),
        (&json!("degraded"), &json!([]))
    );
    assert!(
        degraded["store"]["trouble"]
            .as_str()
            .unwrap()
            .contains("restart")
    );
    std::fs::rename(&aside, store).unwrap();
    let back = async || loop {
        let response = rig
            .post("/admin/v1/keys/rotation", &token, &json!({}))
            .await;
        if response.status == 200 {
            return;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back())
        .await
        .unwrap();
}

/// A client that is disabled already may still have tokens: a merge patch and `keep_tokens` leave them.
#[tokio::test]
async fn disabling_a_client_ends_its_tokens_although_it_is_disabled_already() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let line = format!("PATCH {PATH}/order");
    let off = json!({"enabled": false});
    let mut last = rig.send(&line, &token, &if_match(&added), &off).await;
    assert_eq!(last.json()["client"]["enabled"], json!(false));
    let revocations = async || {
        let list = rig.get("/admin/v1/revocations", &token).await.json();
        let entries = list["revocations"].as_array().unwrap().clone();
        let befores = entries.iter().map(|it| it["issued_before"].as_u64());
        befores.map(Option::unwrap).collect::<Vec<_>>()
    };
    assert!(revocations().await.is_empty());
    let line = format!("POST {PATH}/order/disable");
    let mut entries = Vec::new();
    for _ in 0..2 {
        rig.harness.clock.advance(Duration::from_secs(30));
        let keep = json!({"keep_tokens": true});
        rig.send(&line, &token, &if_match(&last), &keep).await;
        assert_eq!(revocations().await, entries, "what it has is left to it");
        let end = json!({"keep_tokens": false});
        last = rig.send(&line, &token, &if_match(&last), &end).await;
        assert_eq!(last.status, 200);
        let before = entries.first().copied();
        entries = revocations().await;
        assert_eq!(entries.len(), 1);
        assert!(Some(entries[0]) > before, "{entries:?}: as of now");
        // A replica, or a commit that is slow, may issue one a moment later.
        let now = UnixTime::from(rig.harness.clock.now()).as_secs();
        assert!((now + 2..now + 10).contains(&entries[0]), "{entries:?}");
    }
}

/// Audit events call a client by the key `client-id`: by another way of writing it nobody makes one that the log does not name.
#[tokio::test]
async fn a_client_is_registered_under_the_name_that_the_audit_log_has() {
    let (log, guard) = crate::audit::Log::begin();
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    assert_eq!(added.status, 201);
    let invalid = refused(422, "invalid_client");
    for (name, beside) in [
        ("clientId", None),
        ("client_id", None),
        ("CLIENT-ID", None),
        ("clientId", Some("harmless")),
    ] {
        let mut registration = json!({name: "backdoor", "audiences": ["a"]});
        if let Some(beside) = beside {
            registration["client-id"] = json!(beside);
        }
        let response = rig.add(&token, &registration).await;
        assert_eq!(problem(&response), invalid, "{registration}");
        let line = format!("PATCH {PATH}/order");
        let patch = json!({name: "backdoor"});
        let response = rig.send(&line, &token, &if_match(&added), &patch).await;
        assert_eq!(problem(&response), invalid, "{patch}");
    }
    let clients = rig.get(PATH, &token).await.json();
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
    rig.harness.issuer.shutdown().await.unwrap();
    drop(guard);
    for event in log.events() {
        let (action, object) = (&event["fields"]["action"], &event["fields"]["object"]);
        assert!(action != "client_add" || object != "", "{event}");
    }
}
