//! The certificate authority.

use hallpass_issuer::CaSettings;
use serde_json::json;

use super::{Rig, problem, refused};

const PATH: &str = "/admin/v1/authorities";

#[tokio::test]
async fn an_authority_takes_over_and_one_that_is_distrusted_leaves_the_bundle_at_once() {
    let rig = Rig::with(|settings| settings.ca = Some(CaSettings::new("shop.example"))).await;
    let token = rig.ops().await;
    let bundle = async || rig.harness.get("/ca/v1/bundle", &[]).await.body;
    let first = rig.get(PATH, &token).await.json()["authorities"][0].clone();
    assert_eq!(
        (&first["state"], &first["trust_domain"]),
        (&json!("signing"), &json!("shop.example"))
    );
    let before = bundle().await;
    let rotation = format!("{PATH}/rotation");
    let announced = rig.post(&rotation, &token, &json!({})).await.json();
    assert_eq!(announced["state"], "announced");
    assert_ne!(bundle().await, before, "it counts when the response comes");
    let again = rig
        .post(&rotation, &token, &json!({"at_once": true}))
        .await
        .json();
    assert_eq!(
        (&again["id"], &again["state"]),
        (&announced["id"], &json!("signing"))
    );
    let distrust = format!("{PATH}/{}/distrust", first["id"].as_str().unwrap());
    let signing = rig.post(&distrust, &token, &json!({})).await.json();
    assert_eq!(signing["id"], announced["id"]);
    assert!(!bundle().await.contains(before.trim()));
    let unknown = rig.post(&distrust, &token, &json!({})).await;
    assert_eq!(problem(&unknown), refused(404, "unknown_authority"));
}

#[tokio::test]
async fn without_an_authority_there_is_none_to_administer() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for response in [
        rig.get(PATH, &token).await,
        rig.post(&format!("{PATH}/rotation"), &token, &json!({}))
            .await,
        rig.post(&format!("{PATH}/x/distrust"), &token, &json!({}))
            .await,
    ] {
        assert_eq!(problem(&response), refused(404, "no_authority"));
    }
}
