//! Attempts that are repeated, long lists of clients, and who is made an administrator.

use std::time::Duration;

use serde_json::{Value, json};

use super::clients::{GRANT, PATH, if_match, order, secret};
use super::{AUDIENCE, READ, Rig, WRITE, problem, refused};
use crate::harness::SECRET;

#[tokio::test]
async fn an_attempt_that_is_repeated_brings_the_same_secret_and_makes_no_second_client() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let line = format!("POST {PATH}");
    let key = |key: &str| vec![format!("Idempotency-Key: {key}")];
    let first = rig.send(&line, &token, &key("a1"), &order()).await;
    assert_eq!(first.status, 201);
    let again = rig
        .send(&line, &rig.ops().await, &key("a1"), &order())
        .await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(
        rig.harness
            .ask_as("order", &secret(&again), GRANT)
            .await
            .status,
        200
    );
    let mut other = order();
    other["client-id"] = json!("billing");
    let reused = rig.send(&line, &token, &key("a1"), &other).await;
    assert_eq!(problem(&reused), refused(422, "idempotency_key_reused"));
    let without = rig.send(&line, &token, &key("a2"), &order()).await;
    assert_eq!(problem(&without), refused(409, "client_exists"));
    // What was refused is not remembered: the same key is good for another try.
    assert_eq!(
        rig.send(&line, &token, &key("a2"), &other).await.status,
        201
    );
    // Another administrator learns nothing by the key of this one.
    let mut settings = rig.harness.settings.clone();
    let scopes = [READ, WRITE];
    settings.clients.push(crate::harness::client(
        "second",
        SECRET,
        &scopes,
        &[AUDIENCE],
    ));
    rig.harness.issuer.apply(&settings).await.unwrap();
    let second = rig.token("second", WRITE).await;
    let theirs = rig.send(&line, &second, &key("a1"), &order()).await;
    assert_eq!(problem(&theirs), refused(409, "client_exists"));
    rig.harness.clock.advance(Duration::from_secs(24 * 60 * 60));
    let late = rig
        .send(&line, &rig.ops().await, &key("a1"), &order())
        .await;
    assert_eq!(problem(&late), refused(409, "client_exists"));
    for bad in [
        vec!["Idempotency-Key: ".to_owned()],
        [key("a"), key("b")].concat(),
    ] {
        let response = rig.send(&line, &rig.ops().await, &bad, &order()).await;
        assert_eq!(
            problem(&response),
            refused(400, "invalid_request"),
            "{bad:?}"
        );
    }
}

/// Its response may be lost: whoever asks again must neither lose the new secret nor end the one that is in use.
#[tokio::test]
async fn a_rotation_that_is_repeated_brings_the_same_secret_and_makes_no_third() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let key = vec!["Idempotency-Key: r1".to_owned()];
    let line = format!("POST {PATH}");
    let added = rig.send(&line, &token, &key, &order()).await;
    let old = secret(&added);
    let headers = [if_match(&added), vec!["Idempotency-Key: r2".to_owned()]].concat();
    let line = format!("POST {PATH}/order/secret");
    let hour = json!({"old_lives_for_seconds": 3600});
    let first = rig.send(&line, &token, &headers, &hour).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = rig.send(&line, &token, &headers, &hour).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("etag"), first.header("etag"));
    for secret in [&old, &secret(&again)] {
        assert_eq!(rig.harness.ask_as("order", secret, GRANT).await.status, 200);
    }
    // Without the key it is of a state that is gone.
    let without = rig.send(&line, &token, &if_match(&added), &hour).await;
    assert_eq!(problem(&without), refused(412, "client_changed"));
    // The same key is not good for another body, another state, another client or another operation.
    let reused = refused(422, "idempotency_key_reused");
    let of_now = [&if_match(&first)[..], &headers[1..]].concat();
    let of_add = [&if_match(&first)[..], &key].concat();
    let elsewhere = format!("POST {PATH}/other/secret");
    for (line, headers, body) in [
        (&line, &headers, json!({"old_lives_for_seconds": 60})),
        (&line, &of_now, hour.clone()),
        (&elsewhere, &headers, hour.clone()),
        (&line, &of_add, hour.clone()),
    ] {
        let response = rig.send(line, &token, headers, &body).await;
        assert_eq!(problem(&response), reused, "{line} {headers:?} {body}");
    }
}

#[tokio::test]
async fn of_requests_that_race_with_one_key_one_makes_the_client_and_all_get_its_secret() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let (line, key) = (
        format!("POST {PATH}"),
        vec!["Idempotency-Key: race".to_owned()],
    );
    let one = async || secret(&rig.send(&line, &token, &key, &order()).await);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    assert!(a == b && b == c && c == d);
    let racing = async || {
        rig.add(&token, &json!({"client-id": "billing", "audiences": ["a"]}))
            .await
            .status
    };
    let mut statuses = <[u16; 3]>::from(tokio::join!(racing(), racing(), racing()));
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

#[tokio::test]
async fn clients_come_in_pages_by_their_names_and_by_a_prefix() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for id in ["b", "a", "a/b", "a b", "ab", "c%", "...", "a\"<x>"] {
        let added = rig
            .add(&token, &json!({"client-id": id, "audiences": ["x"]}))
            .await;
        assert_eq!(added.status, 201, "{id}: {added:?}");
        // Where it is told to be it is, whatever its name.
        let location = added.header("location").unwrap().to_owned();
        let shown = rig.get(&location, &token).await;
        assert_eq!(shown.json()["client_id"], json!(id), "{location}");
    }
    let names = async |query: &str| {
        let page = rig.get(&format!("{PATH}?{query}"), &token).await.json();
        let clients = page["clients"].as_array().unwrap();
        let names = clients
            .iter()
            .map(|it| it["client_id"].as_str().unwrap().to_owned());
        (
            names.collect::<Vec<_>>(),
            page["next"].as_str().map(str::to_owned),
        )
    };
    let all = ["...", "a", "a b", "a\"<x>", "a/b", "ab", "b", "c%"];
    assert_eq!(names("limit=1000").await.0, all);
    let (mut seen, mut query) = (Vec::new(), String::from("limit=3"));
    loop {
        let (page, next) = names(&query).await;
        seen.extend(page);
        let Some(next) = next else { break };
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        query = format!("limit=3&after={next}");
    }
    assert_eq!(seen, all);
    assert_eq!(names("prefix=a").await.0, &all[1..6]);
    assert_eq!(
        names("prefix=a&limit=2").await,
        (
            vec!["a".to_owned(), "a b".to_owned()],
            Some("a b".to_owned())
        )
    );
    assert_eq!(names("prefix=a&after=a+b").await.0, &all[3..6]);
    assert_eq!(names("prefix=a/").await.0, ["a/b"]);
    assert_eq!(names("prefix=c").await.0, ["c%"]);
    assert_eq!(names("prefix=zz").await, (vec![], None));
}

#[tokio::test]
async fn a_service_makes_nobody_an_administrator_and_what_an_administrator_makes_is_in_the_log_without_its_secret()
 {
    let (log, guard) = crate::audit::Log::begin();
    let rig = Rig::start().await;
    let ops = rig.ops().await;
    let admin = json!({"client-id": "new-ops", "scopes": [READ, WRITE], "audiences": [AUDIENCE]});
    // A service has a token of its own, for what it may call.
    let service = rig.harness.token().await;
    assert_eq!(
        problem(&rig.add(&service, &admin).await),
        refused(401, "invalid_token")
    );
    let form = format!("{GRANT}&audience={AUDIENCE}&scope={WRITE}");
    assert_eq!(rig.harness.ask(&form).await.refusal().1, "invalid_target");
    let added = rig.add(&ops, &admin).await;
    let made = secret(&added);
    let theirs = rig.harness.ask_as("new-ops", &made, &form).await.token();
    assert_eq!(rig.get(PATH, &theirs).await.status, 200);
    let rotated = rig
        .send(
            &format!("POST {PATH}/new-ops/secret"),
            &theirs,
            &if_match(&added),
            &json!({}),
        )
        .await;
    let next = secret(&rotated);
    // Deleted, it is none any more, whatever its token says.
    rig.send(
        &format!("DELETE {PATH}/new-ops"),
        &ops,
        &if_match(&rotated),
        &Value::Null,
    )
    .await;
    assert_eq!(
        problem(&rig.get(PATH, &theirs).await),
        refused(401, "invalid_token")
    );
    rig.harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let events = log.events();
    let of = |action: &str| {
        let mut events = events.iter().map(|event| &event["fields"]);
        let event = events.find(|event| event["action"] == action).unwrap();
        (
            event["actor"].as_str().unwrap().to_owned(),
            event["object"].as_str().unwrap().to_owned(),
        )
    };
    let pair = |actor: &str| (actor.to_owned(), "new-ops".to_owned());
    assert_eq!(of("client_add"), pair("ops"));
    assert_eq!(of("client_rotate_secret"), pair("new-ops"));
    assert_eq!(of("client_delete"), pair("ops"));
    for secret in [&made, &next] {
        assert!(
            !log.text().contains(secret.as_str()),
            "a secret is in the log"
        );
    }
}

#[tokio::test]
async fn what_remembers_no_attempts_refuses_a_request_that_names_one_and_does_nothing() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let key = vec!["Idempotency-Key: k1".to_owned()];
    let add = format!("POST {PATH}");
    assert_eq!(rig.send(&add, &token, &[], &order()).await.status, 201);
    let keys = rig.get("/admin/v1/keys", &token).await.json();
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    for line in [
        "POST /admin/v1/revocations",
        "POST /admin/v1/authorities/rotation",
        &format!("POST /admin/v1/keys/{kid}/taint"),
        &format!("POST {PATH}/order/disable"),
        &format!("POST {PATH}/order/unlock"),
        &format!("PUT {PATH}/order"),
        &format!("PATCH {PATH}/order"),
        &format!("DELETE {PATH}/order"),
    ] {
        let body = json!({"kind": "client", "name": "order"});
        let refusal = rig.send(line, &token, &key, &body).await;
        let expected = refused(400, "idempotency_key_not_taken");
        assert_eq!(problem(&refusal), expected, "{line}");
    }
    // Looking is no attempt at anything.
    let shown = format!("GET {PATH}/order");
    assert_eq!(rig.send(&shown, &token, &key, &json!({})).await.status, 200);
    let revoked = rig.get("/admin/v1/revocations", &token).await.json();
    assert_eq!(revoked["revocations"], json!([]));
}

#[tokio::test]
async fn a_repeated_attempt_is_in_the_audit_log_as_that_and_not_as_a_second_client() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let line = format!("POST {PATH}");
    let key = vec!["Idempotency-Key: k1".to_owned()];
    for _attempt in 0..2 {
        assert_eq!(rig.send(&line, &token, &key, &order()).await.status, 201);
    }
    let path = "/admin/v1/audit?action=client_add&outcome=done";
    let page = rig.get(path, &token).await.json();
    let outcomes = page["events"].as_array().unwrap().iter();
    let outcomes: Vec<_> = outcomes.map(|event| event["outcome"].clone()).collect();
    assert_eq!(outcomes, ["repeated", "done"]);
}

/// No library of URLs leaves such a part of a path as it is: `/admin/v1/clients/..` would be the list of nothing.
#[tokio::test]
async fn a_client_whose_path_would_be_another_one_is_refused_and_a_scope_that_comes_twice_counts_once()
 {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let with = |key: &str, value: Value| {
        let mut registration = order();
        registration[key] = value;
        registration
    };
    for (registration, says) in [
        (with("client-id", json!(".")), "must not be `.` or `..`"),
        (with("client-id", json!("..")), "must not be `.` or `..`"),
    ] {
        let refusal = rig.add(&token, &registration).await;
        assert_eq!(problem(&refusal), refused(422, "invalid_client"));
        let detail = refusal.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{detail}");
    }
    let stored = rig.get(PATH, &token).await.json();
    assert_eq!(stored["clients"], json!([]));
    for (id, scopes) in [("list", json!(["a", "b", "a"])), ("text", json!("a b b"))] {
        let mut registration = with("scopes", scopes);
        registration["client-id"] = json!(id);
        let added = rig.add(&token, &registration).await;
        assert_eq!(added.status, 201, "{added:?}");
        let form = format!("{GRANT}&scope=a+b");
        let response = rig.harness.ask_as(id, &secret(&added), &form).await;
        let claims = rig
            .harness
            .verify(&response.token(), "service-system")
            .await;
        assert_eq!(claims.unwrap().scope.as_str(), "a b");
    }
}
