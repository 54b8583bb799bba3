//! Revocations.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rig, problem, refused};
use crate::harness::NOW;

const PATH: &str = "/admin/v1/revocations";

#[tokio::test]
async fn what_is_revoked_counts_when_the_response_comes() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let new = json!({"kind": "client", "name": "c", "seconds": 600});
    let revoked = rig.post(PATH, &token, &new).await;
    assert_eq!(revoked.status, 201);
    let entry = revoked.json();
    assert_eq!(
        (
            &entry["kind"],
            &entry["name"],
            &entry["ends_at"],
            &entry["known"]
        ),
        (
            &json!("client"),
            &json!("c"),
            &json!(NOW + 600),
            &json!(true)
        )
    );
    let asked = rig.harness.ask("grant_type=client_credentials").await;
    assert_eq!(asked.refusal().1, "unauthorized_client");
    let served = rig.harness.get("/oauth2/revocations", &[]).await;
    assert!(served.body.contains(entry["digest"].as_str().unwrap()));
    // The same once more is one entry, which denies what either would.
    let shorter = json!({"kind": "client", "name": "c", "seconds": 60, "only_issued": true});
    let again = rig.post(PATH, &token, &shorter).await.json();
    assert_eq!(again["ends_at"], json!(NOW + 600));
    assert!(again.get("issued_before").is_none());
    let listed = rig.get(PATH, &token).await.json();
    assert_eq!(listed["revocations"].as_array().unwrap().len(), 1);
    // Users are not known here, and are revoked all the same.
    let user = json!({"kind": "subject", "name": "alice", "ends_at": NOW + 5});
    assert_eq!(
        rig.post(PATH, &token, &user).await.json()["known"],
        json!(false)
    );
}

#[tokio::test]
async fn what_cannot_be_revoked_is_told_and_nothing_is() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for (bad, expected) in [
        (
            json!({"kind": "client", "name": ""}),
            refused(422, "invalid_revocation"),
        ),
        (
            json!({"kind": "client", "name": "a\u{7}"}),
            refused(422, "invalid_revocation"),
        ),
        (
            json!({"kind": "token", "name": "x", "ends_at": NOW}),
            refused(422, "invalid_revocation"),
        ),
        (
            json!({"kind": "token", "name": "x", "ends_at": u64::MAX}),
            refused(422, "invalid_revocation"),
        ),
        (
            json!({"kind": "token", "name": "x", "seconds": 0}),
            refused(422, "invalid_revocation"),
        ),
        (
            json!({"kind": "token", "name": "x", "only_issued": true}),
            refused(400, "invalid_request"),
        ),
        (
            json!({"kind": "token", "name": "x", "seconds": 1, "ends_at": 2}),
            refused(400, "invalid_request"),
        ),
        (
            json!({"kind": "user", "name": "x"}),
            refused(400, "invalid_request"),
        ),
        (json!({"kind": "token"}), refused(400, "invalid_request")),
        (
            json!({"kind": "token", "name": "x", "more": 1}),
            refused(400, "invalid_request"),
        ),
    ] {
        let response = rig.post(PATH, &token, &bad).await;
        assert_eq!(problem(&response), expected, "{bad}");
    }
    let listed = rig.get(PATH, &token).await.json();
    assert_eq!(listed, json!({"revocations": []}));
}

#[tokio::test]
async fn a_long_list_comes_in_pages_that_have_each_entry_once_whatever_comes_meanwhile() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for number in 0..25 {
        let new = json!({"kind": "token", "name": format!("jti-{number}")});
        assert_eq!(rig.post(PATH, &token, &new).await.status, 201);
    }
    let mut seen = BTreeSet::new();
    let mut after = String::new();
    let mut pages = 0;
    loop {
        let page = rig
            .get(&format!("{PATH}?limit=10{after}"), &token)
            .await
            .json();
        let entries = page["revocations"].as_array().unwrap();
        assert!(entries.len() <= 10);
        for entry in entries {
            assert!(seen.insert(entry["digest"].as_str().unwrap().to_owned()));
        }
        pages += 1;
        // One that comes behind is seen, and one that comes before is not: neither moves the others.
        let new = json!({"kind": "subject", "name": format!("user-{pages}")});
        rig.post(PATH, &token, &new).await;
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            _ => break,
        }
    }
    assert!((3..=4).contains(&pages), "{pages}");
    assert!(seen.len() >= 25);
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "offset=1",
        "prefix=a",
        "limit=1&limit=1",
    ] {
        let response = rig.get(&format!("{PATH}?{bad}"), &token).await;
        assert_eq!(problem(&response), refused(400, "invalid_request"), "{bad}");
    }
    let over = json!({"kind": "token", "name": "short", "seconds": 1});
    rig.post(PATH, &token, &over).await;
    rig.harness.clock.advance(std::time::Duration::from_secs(2));
    let listed = rig.get(&format!("{PATH}?limit=1000"), &token).await;
    assert_eq!(
        listed.json()["revocations"].as_array().unwrap().len(),
        25 + pages
    );
}
