//! While nobody knows whether a change counts: what others do, and who asks for the same again.

use super::*;

const ROTATION: &str = "/admin/v1/keys/rotation";

/// The response, once the store was fast enough for a slow machine.
async fn in_time(ask: impl AsyncFn() -> Response) -> Response {
    loop {
        let response = ask().await;
        if response.status != 503 || response.json()["code"] != "store_unavailable" {
            return response;
        }
    }
}

/// What stops an attacker least of all.
#[tokio::test]
async fn no_other_change_waits_for_one_whose_outcome_is_open() {
    let Some((_server, network, rig)) = rig().await else {
        return;
    };
    let token = rig.ops().await;
    let billing = json!({"client-id": "billing", "audiences": ["service-system"]});
    let billing = rig.add(&token, &billing).await;
    let announced = rig.post(ROTATION, &token, &json!({})).await.json();
    let (line, key, order) = (format!("POST {PATH}"), [KEY.to_owned()], order());
    network.goes(Way::LosesResponseAndQuestions);
    let asked = rig.send(&line, &token, &key, &order);
    let meanwhile = async {
        network.has_lost_soon().await;
        let entry = json!({"kind": "token", "name": "stolen"});
        let revoke = async || rig.post("/admin/v1/revocations", &token, &entry).await;
        let revoked = in_time(revoke).await;
        assert_eq!(revoked.status, 201, "{revoked:?}");
        let kid = announced["kid"].as_str().unwrap();
        let path = format!("/admin/v1/keys/{kid}/taint");
        let nothing = json!({});
        let tainted = in_time(async || rig.post(&path, &token, &nothing).await).await;
        assert_eq!(tainted.status, 200, "{tainted:?}");
        let disable = format!("POST {PATH}/billing/disable");
        let state = if_match(&billing);
        let disabled = async || rig.send(&disable, &token, &state, &nothing).await;
        let disabled = in_time(disabled).await;
        assert_eq!(disabled.status, 200, "{disabled:?}");
        let other = json!({"client-id": "other", "audiences": ["service-system"]});
        let other = in_time(async || rig.add(&token, &other).await).await;
        assert_eq!(other.status, 201, "{other:?}");
        let again = rig.send(&line, &token, &key, &order).await;
        assert_eq!(problem(&again), refused(503, "outcome_unknown"));
        network.goes(Way::Good);
    };
    let (first, ()) = tokio::join!(asked, meanwhile);
    let made = match first.status {
        503 => again(&rig, &token).await,
        _ => first,
    };
    assert_eq!(made.status, 201, "{made:?}");
    works(&rig, &secret(&made)).await;
    let clients = rig.get(PATH, &token).await.json();
    assert_eq!(clients["clients"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_rotation_whose_outcome_is_open_is_not_done_again_for_who_asks_with_the_same_key() {
    let Some(mut server) = PostgresServer::start(&[]).await else {
        return;
    };
    let name = server.database().await;
    let (network, rig) = behind(&server, name).await;
    let token = rig.ops().await;
    let (line, key) = (format!("POST {ROTATION}"), [KEY.to_owned()]);
    let now = json!({"take_over": "now"});
    network.goes(Way::LosesResponseAndGoes);
    let asked = rig.send(&line, &token, &key, &now);
    let meanwhile = async {
        network.has_lost_soon().await;
        for _ in 0..3 {
            let again = rig.send(&line, &token, &key, &now).await;
            assert_eq!(problem(&again), refused(503, "outcome_unknown"));
        }
        server.kill().await;
        server.start_again().await;
        network.goes(Way::Good);
    };
    let (first, ()) = tokio::join!(asked, meanwhile);
    let told = |told| told == 200;
    let again = async || rig.send(&line, &token, &key, &now).await;
    let made = rig.harness.until_told(told, again).await;
    if first.status == 200 {
        assert_eq!(first.body, made.body);
    }
    let keys = rig.get("/admin/v1/keys", &token).await.json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let signing = keys.iter().find(|it| it["state"] == "signing").unwrap();
    assert_eq!(signing["kid"], made.json()["kid"]);
}
