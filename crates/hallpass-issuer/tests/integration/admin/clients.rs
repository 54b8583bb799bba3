//! Clients of the store.

use std::time::Duration;

use hallpass_issuer::{ClientChangeRequest, change_client};
use serde_json::{Value, json};

use super::{JSON, READ, Rig, bearer, check_response, problem, refused};
use crate::harness::Response;

pub(super) const PATH: &str = "/admin/v1/clients";
pub(super) const GRANT: &str = "grant_type=client_credentials";

impl Rig {
    /// A request with a method, a token, further headers and a body.
    pub(super) async fn send(
        &self,
        line: &str,
        token: &str,
        headers: &[String],
        body: &Value,
    ) -> Response {
        let own = [bearer(token), JSON.to_owned()];
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let response = self
            .raw(line, &[&own, headers].concat(), body.as_bytes())
            .await;
        let (method, path) = line.split_once(' ').unwrap();
        check_response(&method.to_lowercase(), path, &response);
        response
    }

    pub(super) async fn add(&self, token: &str, registration: &Value) -> Response {
        self.send(&format!("POST {PATH}"), token, &[], registration)
            .await
    }
}

pub(super) fn order() -> Value {
    json!({"client-id": "order", "scopes": ["read"], "audiences": ["service-system"]})
}

pub(super) fn if_match(response: &Response) -> Vec<String> {
    vec![format!("If-Match: {}", response.header("etag").unwrap())]
}

pub(super) fn secret(response: &Response) -> String {
    response.json()["client_secret"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_client_that_was_added_gets_tokens_when_the_response_comes_and_its_secret_is_shown_once()
{
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.header("location"), Some("/admin/v1/clients/order"));
    let secret = secret(&added);
    let asked = rig
        .harness
        .ask_as("order", &secret, &format!("{GRANT}&scope=read"))
        .await;
    rig.harness
        .verify(&asked.token(), "service-system")
        .await
        .unwrap();
    let shown = rig.get(&format!("{PATH}/order"), &token).await;
    assert_eq!(shown.header("etag"), added.header("etag"));
    let client = shown.json();
    assert_eq!(client["registration"]["scopes"], json!(["read"]));
    assert_eq!(
        (&client["enabled"], &client["secrets"][0]["chosen"]),
        (&json!(true), &json!(false))
    );
    let listed = rig.get(PATH, &token).await;
    assert_eq!(listed.json(), json!({"clients": [client]}));
    for response in [&shown, &listed] {
        assert!(!response.body.contains(&secret) && !response.body.contains("digest"));
    }
    let again = rig.add(&token, &order()).await;
    assert_eq!(problem(&again), refused(409, "client_exists"));
}

#[tokio::test]
async fn what_cannot_be_registered_is_told_and_nothing_is() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let with = |key: &str, value: Value| {
        let mut registration = order();
        registration[key] = value;
        registration
    };
    let invalid = refused(422, "invalid_client");
    for (bad, expected) in [
        (
            with("client-secret", json!("0123456789abcdef-s3cret")),
            &invalid,
        ),
        (with("client-secret-file", json!("/etc/s3cret")), &invalid),
        (with("scope", json!("s3cret")), &invalid),
        (with("token-life-seconds", json!(1_000_000)), &invalid),
        (with("client-id", json!("a\u{e9}")), &invalid),
        (with("client-id", json!("a\nb")), &invalid),
        (json!({"scopes": ["read"]}), &invalid),
        (
            with("client-id", json!("c")),
            &refused(409, "client_of_configuration"),
        ),
        (json!([order()]), &refused(400, "invalid_request")),
        (json!("order"), &refused(400, "invalid_request")),
    ] {
        let response = rig.add(&token, &bad).await;
        assert_eq!(&problem(&response), expected, "{bad}: {response:?}");
        assert!(!response.body.contains("s3cret"), "{response:?}");
    }
    let doubled = br#"{"client-id": "order", "client-id": "other", "audiences": ["a"]}"#;
    let headers = [bearer(&token), JSON.to_owned()];
    let response = rig.raw(&format!("POST {PATH}"), &headers, doubled).await;
    assert_eq!(problem(&response), invalid);
    let file = json!({"client-id": "x", "audiences": ["a"], "jwks-file": "/etc/passwd", "token-endpoint-auth-method": "private_key_jwt"});
    assert_eq!(problem(&rig.add(&token, &file).await), invalid);
    assert_eq!(rig.get(PATH, &token).await.json(), json!({"clients": []}));
}

#[tokio::test]
async fn a_change_that_is_not_of_the_state_that_there_is_changes_nothing() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let path = format!("{PATH}/order");
    let wider = json!({"scopes": ["read", "write"]});
    let changed = rig
        .send(&format!("PATCH {path}"), &token, &if_match(&added), &wider)
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_ne!(changed.header("etag"), added.header("etag"));
    assert_eq!(
        changed.json()["client"]["registration"]["audiences"],
        json!(["service-system"])
    );
    let changes = [
        (format!("PATCH {path}"), wider),
        (format!("PUT {path}"), order()),
        (format!("POST {path}/secret"), json!({})),
        (format!("POST {path}/disable"), json!({})),
        (format!("POST {path}/enable"), json!({})),
        (format!("DELETE {path}"), Value::Null),
    ];
    let before = rig.get(&path, &token).await.body;
    for (line, body) in &changes {
        let stale = rig.send(line, &token, &if_match(&added), body).await;
        assert_eq!(problem(&stale), refused(412, "client_changed"), "{line}");
        for none in [vec![], vec!["If-Match: *".to_owned()]] {
            let response = rig.send(line, &token, &none, body).await;
            assert_eq!(
                problem(&response),
                refused(428, "precondition_required"),
                "{line}"
            );
        }
        let viewer = rig.token("viewer", READ).await;
        let response = rig.send(line, &viewer, &if_match(&changed), body).await;
        assert_eq!(
            problem(&response),
            refused(403, "insufficient_scope"),
            "{line}"
        );
    }
    assert_eq!(rig.get(&path, &token).await.body, before);
}

#[tokio::test]
async fn a_change_is_not_of_what_is_not_there_nor_of_what_another_process_has_changed() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let path = format!("{PATH}/order");
    // Of a client that is not there, whatever the tag.
    let gone = rig
        .send(
            &format!("DELETE {PATH}/none"),
            &token,
            &if_match(&added),
            &Value::Null,
        )
        .await;
    assert_eq!(problem(&gone), refused(404, "unknown_client"));
    // What another process has changed counts too.
    let settings = &rig.harness.settings;
    let clock: std::sync::Arc<dyn hallpass_clock::Clock> = rig.harness.clock.clone();
    let disable = ClientChangeRequest::Disable {
        client_id: "order",
        keeps_tokens: true,
    };
    change_client(settings, &clock, disable, None, |_| Ok(()))
        .await
        .unwrap();
    let late = rig
        .send(
            &format!("DELETE {path}"),
            &token,
            &if_match(&added),
            &Value::Null,
        )
        .await;
    assert_eq!(problem(&late), refused(412, "client_changed"));
}

#[tokio::test]
async fn a_client_is_replaced_or_patched_and_that_counts_at_once() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let (path, secret) = (format!("{PATH}/order"), secret(&added));
    let ask = async |scope: &str| {
        let form = format!("{GRANT}&scope={scope}");
        rig.harness.ask_as("order", &secret, &form).await
    };
    let mut other = order();
    other["scopes"] = json!(["write"]);
    let put = rig
        .send(&format!("PUT {path}"), &token, &if_match(&added), &other)
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    assert!(
        put.json().get("client_secret").is_none(),
        "it keeps its secret"
    );
    assert_eq!(ask("read").await.refusal().1, "invalid_scope");
    assert_eq!(ask("write").await.status, 200);
    let misnamed = json!({"client-id": "another", "audiences": ["a"]});
    for method in ["PUT", "PATCH"] {
        let response = rig
            .send(
                &format!("{method} {path}"),
                &token,
                &if_match(&put),
                &misnamed,
            )
            .await;
        assert_eq!(
            problem(&response),
            refused(422, "invalid_client"),
            "{method}"
        );
    }
    let merge = [
        &if_match(&put)[..],
        &[
            "Content-Type: application/merge-patch+json".to_owned(),
            bearer(&token),
        ],
    ]
    .concat();
    let patched = rig
        .raw(&format!("PATCH {path}"), &merge, br#"{"scopes": null}"#)
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    assert!(
        patched.json()["client"]["registration"]
            .get("scopes")
            .is_none()
    );
}

#[tokio::test]
async fn a_client_that_is_disabled_or_deleted_gets_and_has_no_token_when_the_response_comes() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let (path, secret) = (format!("{PATH}/order"), secret(&added));
    let ask = async |scope: &str| {
        let form = format!("{GRANT}&scope={scope}");
        rig.harness.ask_as("order", &secret, &form).await
    };
    let disabled = rig
        .send(
            &format!("POST {path}/disable"),
            &token,
            &if_match(&added),
            &json!({}),
        )
        .await;
    assert_eq!(disabled.json()["client"]["enabled"], json!(false));
    assert_ne!(ask("").await.status, 200);
    let served = rig.harness.get("/oauth2/revocations", &[]).await.json();
    assert_eq!(
        served["entries"].as_array().unwrap().len(),
        1,
        "what it had is taken back"
    );
    let enabled = rig
        .send(
            &format!("POST {path}/enable"),
            &token,
            &if_match(&disabled),
            &json!({}),
        )
        .await;
    assert_eq!(enabled.json()["client"]["enabled"], json!(true));
    rig.harness.clock.advance(Duration::from_secs(6));
    assert_eq!(ask("").await.status, 200);
    let token = rig.ops().await;
    let deleted = rig
        .send(
            &format!("DELETE {path}"),
            &token,
            &if_match(&enabled),
            &Value::Null,
        )
        .await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(ask("").await.refusal().1, "invalid_client");
    let gone = rig.get(&path, &token).await;
    assert_eq!(problem(&gone), refused(404, "unknown_client"));
}

#[tokio::test]
async fn a_secret_is_followed_by_another_one_with_an_overlap_and_two_are_the_most() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    let line = format!("POST {PATH}/order/secret");
    let old = secret(&added);
    let hour = json!({"old_lives_for_seconds": 3600});
    let rotated = rig.send(&line, &token, &if_match(&added), &hour).await;
    let new = secret(&rotated);
    assert_eq!(
        rotated.json()["previous_until"],
        json!(crate::harness::NOW + 3_600)
    );
    for secret in [&old, &new] {
        assert_eq!(rig.harness.ask_as("order", secret, GRANT).await.status, 200);
    }
    let third = rig
        .send(&line, &token, &if_match(&rotated), &json!({}))
        .await;
    assert_eq!(problem(&third), refused(409, "two_live_secrets"));
    let at_once = json!({"old_lives_for_seconds": 0, "end_previous": true});
    let last = rig.send(&line, &token, &if_match(&rotated), &at_once).await;
    assert!(last.json().get("previous_until").is_none(), "{last:?}");
    for (secret, status) in [(&old, 401), (&new, 401), (&secret(&last), 200)] {
        assert_eq!(
            rig.harness.ask_as("order", secret, GRANT).await.status,
            status
        );
    }
    for bad in [
        json!({"old_lives_for_seconds": 7_776_001}),
        json!({"old_lives_for_seconds": -1}),
        json!({"for": 1}),
    ] {
        let response = rig.send(&line, &token, &if_match(&last), &bad).await;
        assert_eq!(problem(&response), refused(400, "invalid_request"), "{bad}");
    }
}
