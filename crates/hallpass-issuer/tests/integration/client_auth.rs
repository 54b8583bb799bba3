//! Who is let in, who is not, and what it costs.

use std::time::Duration;

use hallpass_issuer::SecretKind;

use crate::harness::{Harness, Response, SECRET, basic, client};

const GRANT: &str = "grant_type=client_credentials";
const CHOSEN: &str = "InternalSecret123!";
const COSTLY: &str = "hallpass_costly_secret_checks_total";

/// Everything but the date.
fn face(response: &Response) -> String {
    response.snapshot()
}

async fn with_chosen() -> Harness {
    Harness::with(|settings| {
        settings
            .clients
            .push(client("person", CHOSEN, &["read"], &["service-system"]))
    })
    .await
}

#[tokio::test]
async fn takes_basic_and_post_credentials() {
    let harness = with_chosen().await;
    assert_eq!(harness.ask(GRANT).await.status, 200);
    let post = format!("{GRANT}&client_id=c&client_secret={SECRET}");
    assert_eq!(harness.post(&[], post.as_bytes()).await.status, 200);
    let encoded = basic("person", "InternalSecret123%21");
    assert_eq!(
        harness.post(&[&encoded], GRANT.as_bytes()).await.status,
        200,
        "RFC 6749 section 2.3.1"
    );
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    let named_again = format!("{GRANT}&client_id=c");
    assert_eq!(harness.ask(&named_again).await.status, 200);
}

#[tokio::test]
async fn unknown_client_and_wrong_secret_get_the_same_answer_for_the_same_work() {
    let harness = with_chosen().await;
    let mut faces = Vec::new();
    for (id, secret) in [
        ("no-such-client", "x"),
        ("c", "wrong"),
        ("person", "wrong"),
        ("no-such-client", SECRET),
    ] {
        let before = harness.metric(COSTLY);
        let response = harness.ask_as(id, secret, GRANT).await;
        assert_eq!(response.refusal(), (401, "invalid_client".into()), "{id}");
        assert!(
            response
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic "),
            "{id}"
        );
        assert_eq!(
            harness.metric(COSTLY) - before,
            1,
            "one argon2id run for {id}"
        );
        faces.push(face(&response));
    }
    faces.dedup();
    assert_eq!(faces.len(), 1, "{faces:?}");
    let reason = "hallpass_token_requests_refused_total{reason=\"bad_credentials\"}";
    assert_eq!(
        harness.metric(reason),
        4,
        "metrics do not tell them apart either"
    );
}

#[tokio::test]
async fn without_chosen_secrets_nobody_costs_a_hash() {
    let harness = Harness::start().await;
    for (id, secret) in [("no-such-client", "x"), ("c", "wrong")] {
        assert_eq!(
            harness.ask_as(id, secret, GRANT).await.refusal(),
            (401, "invalid_client".into())
        );
    }
    assert_eq!(harness.metric(COSTLY), 0);
}

#[tokio::test]
async fn a_chosen_secret_is_hashed_once_and_remembered_after_that() {
    let harness = with_chosen().await;
    for _ in 0..20 {
        assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    }
    assert_eq!(harness.metric(COSTLY), 1);
    assert_eq!(
        harness
            .ask_as("person", "InternalSecret123", GRANT)
            .await
            .status,
        401
    );
    assert_eq!(
        harness.metric(COSTLY),
        2,
        "what is remembered helps the right secret only"
    );
}

#[tokio::test]
async fn failed_attempts_are_throttled_before_any_costly_hash_and_right_callers_are_not() {
    let harness = with_chosen().await;
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    let before = harness.metric(COSTLY);
    let mut refused = Vec::new();
    for _ in 0..40 {
        refused.push(harness.ask_as("person", "wrong", GRANT).await);
    }
    // The first check of the right secret was costly and took one of the twenty.
    assert!(
        refused[..19].iter().all(|response| response.status == 401),
        "{refused:?}"
    );
    assert!(
        refused[19..].iter().all(|response| response.status == 429),
        "{refused:?}"
    );
    assert_eq!(harness.metric(COSTLY) - before, 19, "429 costs no hash");
    let last = refused.last().unwrap();
    assert_eq!(last.refusal(), (429, "temporarily_unavailable".into()));
    assert_eq!(last.header("retry-after"), Some("1"));

    for _ in 0..40 {
        assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
        assert_eq!(harness.ask(GRANT).await.status, 200);
    }
    harness.clock.advance(Duration::from_millis(500));
    assert_eq!(harness.ask_as("person", "wrong", GRANT).await.status, 401);
    assert_eq!(harness.ask_as("person", "wrong", GRANT).await.status, 429);
}

#[tokio::test]
async fn an_address_that_tries_many_clients_is_throttled_too() {
    let harness = Harness::start().await;
    let mut responses = Vec::new();
    for n in 0..120 {
        responses.push(
            harness
                .ask_as(&format!("guess-{n}"), "x", GRANT)
                .await
                .status,
        );
    }
    assert_eq!(
        responses.iter().filter(|status| **status == 401).count(),
        100
    );
    assert_eq!(responses.last(), Some(&429));
    assert_eq!(harness.ask(GRANT).await.status, 200);
}

#[tokio::test]
async fn many_first_checks_of_a_chosen_secret_at_once_all_succeed() {
    let harness = with_chosen().await;
    let asks = (0..10).map(|_| harness.ask_as("person", CHOSEN, GRANT));
    for response in futures_util::future::join_all(asks).await {
        assert_eq!(response.status, 200);
    }
    assert!(harness.metric(COSTLY) <= 10);
}

#[tokio::test]
async fn after_a_restart_a_hundred_right_callers_at_once_cost_two_hashes_and_none_is_refused() {
    let harness = with_chosen().await;
    let asks = (0..100).map(|_| harness.ask_as("person", CHOSEN, GRANT));
    for response in futures_util::future::join_all(asks).await {
        assert_eq!(response.status, 200);
    }
    // Two may begin before either has found the secret right.
    assert!(harness.metric(COSTLY) <= 2);
}

#[tokio::test]
async fn a_secret_generated_elsewhere_needs_no_costly_hash_when_the_settings_say_so() {
    let hexadecimal = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let harness = Harness::with(|settings| {
        let mut other = client("other", hexadecimal, &[], &["service-system"]);
        other.secret_kind = SecretKind::Generated;
        settings.clients.push(other);
    })
    .await;
    assert_eq!(
        harness.ask_as("other", hexadecimal, GRANT).await.status,
        200
    );
    assert_eq!(
        harness
            .ask_as("other", &hexadecimal[1..], GRANT)
            .await
            .status,
        401
    );
    assert_eq!(harness.metric(COSTLY), 0);
}

#[tokio::test]
async fn a_secret_with_plus_and_percent_works_for_clients_that_do_and_do_not_form_encode() {
    let (secret, encoded) = ("a+b%c/d=", "a%2Bb%25c%2Fd%3D");
    let harness = Harness::with(|settings| {
        settings
            .clients
            .push(client("person", secret, &[], &["service-system"]));
    })
    .await;
    for presented in [encoded, secret, encoded, secret] {
        assert_eq!(
            harness.ask_as("person", presented, GRANT).await.status,
            200,
            "{presented}"
        );
    }
    assert_eq!(
        harness.metric(COSTLY),
        1,
        "either reading is remembered by the secret it leads to"
    );
    for wrong in ["a b%c/d=", "a%2Bb%c/d", "+", "%"] {
        assert_eq!(
            harness.ask_as("person", wrong, GRANT).await.status,
            401,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn no_credentials_and_credentials_of_another_kind_are_invalid_client() {
    let harness = Harness::start().await;
    for header in [
        "X-None: 1",
        "Authorization: Bearer abc",
        "Authorization: Basic !!!",
        "Authorization: Basic Yw==",
    ] {
        let response = harness.post(&[header], GRANT.as_bytes()).await;
        assert_eq!(
            response.refusal(),
            (401, "invalid_client".into()),
            "{header}"
        );
        assert!(response.header("www-authenticate").is_some());
    }
}
