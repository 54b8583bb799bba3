//! What was decided, and who is told to wait, asked by administrators.

use serde_json::{Value, json};

use super::{READ, Rig, problem, refused};

fn kinds(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap().iter();
    events
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn administrators_find_what_was_decided_about_a_client() {
    let rig = Rig::start().await;
    rig.harness.token().await;
    let form = "grant_type=client_credentials";
    rig.harness.ask_as("c", "wrong-secret-value", form).await;
    let viewer = rig.token("viewer", READ).await;
    let get = async |query: &str| {
        rig.get(&format!("/admin/v1/audit{query}"), &viewer)
            .await
            .json()
    };

    let all = get("?client=c").await;
    assert_eq!(kinds(&all), ["token_refused", "token_issued"]);
    assert_eq!(all["events"][0]["reason"], "bad_credentials");
    assert_eq!(all.get("next"), None);
    let found =
        get("?client=c&outcome=refused&reason=bad_credentials&from=1&until=9999999999").await;
    assert_eq!(kinds(&found), ["token_refused"]);
    assert_eq!(
        kinds(&get("?action=token_issued&client=viewer").await),
        ["token_issued"]
    );
    assert_eq!(kinds(&get("?client=nobody").await), Vec::<&str>::new());
    let text = all.to_string();
    assert!(!text.contains("wrong-secret-value"));

    let first = get("?client=c&limit=1").await;
    assert_eq!(kinds(&first), ["token_refused"]);
    let next = first["next"].as_str().unwrap();
    let second = get(&format!("?client=c&limit=1&after={next}")).await;
    assert_eq!(
        (kinds(&second), second.get("next")),
        (vec!["token_issued"], None)
    );
    for bad in [
        "?after=x",
        "?after=0-0",
        "?limit=0",
        "?outcome=good",
        "?action=nonsense",
        "?secret=x",
        "?from=now",
    ] {
        let response = rig.get(&format!("/admin/v1/audit{bad}"), &viewer).await;
        assert_eq!(problem(&response), refused(400, "invalid_request"), "{bad}");
    }
}

#[tokio::test]
async fn an_administrator_sees_who_is_locked_out_and_lets_a_client_in_again() {
    let rig = Rig::start().await;
    let form = "grant_type=client_credentials";
    let guess = async || {
        rig.harness
            .ask_as("c", "wrong-secret-value", form)
            .await
            .status
    };
    for _guess in 0..25 {
        guess().await;
    }
    assert_eq!(guess().await, 429);
    let (ops, viewer) = (rig.ops().await, rig.token("viewer", READ).await);
    let lockouts = rig.get("/admin/v1/lockouts", &viewer).await.json();
    let expected = json!([{
        "limit": "pair", "unverified_client_id": "c", "source": "127.0.0.1", "since": crate::harness::NOW, "refused": 6
    }]);
    assert_eq!(lockouts["lockouts"], expected);

    let path = "/admin/v1/clients/c/unlock";
    let denied = rig.post(path, &viewer, &json!({})).await;
    assert_eq!(problem(&denied).0, 403);
    let elsewhere = rig
        .post(path, &ops, &json!({ "source": "192.0.2.1" }))
        .await;
    assert_eq!(elsewhere.json(), json!({ "ended": 0 }));
    assert_eq!(guess().await, 429);
    let bad = rig
        .post(path, &ops, &json!({ "source": "everywhere" }))
        .await;
    assert_eq!(problem(&bad), refused(400, "invalid_request"));
    let ended = rig
        .post(path, &ops, &json!({ "source": "127.0.0.1" }))
        .await;
    assert_eq!(ended.json(), json!({ "ended": 1 }));
    assert_eq!(guess().await, 401);
    let lockouts = rig.get("/admin/v1/lockouts", &viewer).await.json();
    assert_eq!(lockouts["lockouts"], json!([]));

    let events = rig
        .get("/admin/v1/audit?action=client_unlock&limit=1", &viewer)
        .await;
    let event = &events.json()["events"][0];
    assert_eq!(
        (&event["actor"], &event["object"]),
        (&json!("ops"), &json!("c"))
    );
    let ended = rig
        .get("/admin/v1/audit?action=lockout_ended", &viewer)
        .await
        .json();
    assert_eq!(kinds(&ended), ["lockout_ended"]);
}

#[tokio::test]
async fn each_process_has_events_and_lockouts_of_its_own_and_says_which_one_it_is() {
    let (one, other) = (Rig::start().await, Rig::start().await);
    let instance = async |rig: &Rig| {
        let viewer = rig.token("viewer", READ).await;
        let mut found = Vec::new();
        for path in [
            "/admin/v1/status",
            "/admin/v1/audit?limit=1",
            "/admin/v1/lockouts",
        ] {
            let shown = rig.get(path, &viewer).await.json();
            found.push(shown["instance"].as_str().unwrap().to_owned());
        }
        found.dedup();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    assert_ne!(instance(&one).await, instance(&other).await);
    let viewer = one.token("viewer", READ).await;
    let page = one.get("/admin/v1/audit?limit=1", &viewer).await.json();
    let after = page["next"].as_str().unwrap();
    let path = format!("/admin/v1/audit?limit=1&after={after}");
    assert_eq!(one.get(&path, &viewer).await.status, 200);
    let there = other.get(&path, &other.token("viewer", READ).await).await;
    assert_eq!(problem(&there), refused(400, "invalid_request"));
    let detail = there.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("of another replica"), "{detail}");
}
