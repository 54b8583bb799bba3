//! Changes: to their end, and while the store does not take them.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

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
