//! Who is let in, who is not, and what it costs.

use std::time::Duration;

use hallpass_issuer::SecretKind;

use crate::harness::{Harness, Response, SECRET, basic, client, secrets};

const GRANT: &str = "grant_type=client_credentials";
const CHOSEN: &str = "InternalSecret123!";
const COMPARED: &str = "hallpass_chosen_secret_checks_total";
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
        let before = harness.metric(COMPARED);
        let response = harness.ask_as(id, secret, GRANT).await;
        assert_eq!(response.refusal(), (401, "invalid_client".into()), "{id}");
        assert!(
            response
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic "),
            "{id}"
        );
        assert_eq!(harness.metric(COMPARED) - before, 1, "one check for {id}");
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
async fn no_secret_of_the_settings_costs_a_hash() {
    let harness = with_chosen().await;
    for (id, secret) in [("no-such-client", "x"), ("c", "wrong"), ("person", "wrong")] {
        assert_eq!(
            harness.ask_as(id, secret, GRANT).await.refusal(),
            (401, "invalid_client".into())
        );
    }
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    assert_eq!(harness.metric(COSTLY), 0);
}

#[tokio::test]
async fn past_its_failures_a_caller_is_refused_before_any_comparison_and_other_clients_are_not() {
    let harness = with_chosen().await;
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    let before = harness.metric(COMPARED);
    let mut refused = Vec::new();
    for _ in 0..40 {
        refused.push(harness.ask_as("person", "wrong", GRANT).await);
    }
    let statuses: Vec<_> = refused.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [[401; 20], [429; 20]].concat());
    let last = refused.last().unwrap();
    assert_eq!(last.refusal(), (429, "temporarily_unavailable".into()));
    assert_eq!(last.header("retry-after"), Some("1"));

    // The right guess is one of those that are not looked at.
    for _ in 0..40 {
        assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 429);
    }
    assert_eq!(
        harness.metric(COMPARED) - before,
        20,
        "429 compares nothing"
    );
    for _ in 0..40 {
        assert_eq!(harness.ask(GRANT).await.status, 200);
    }

    harness.clock.advance(Duration::from_millis(500));
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    assert_eq!(harness.ask_as("person", "wrong", GRANT).await.status, 401);
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 429);
}

#[tokio::test]
async fn a_reload_forgets_neither_the_failures_of_a_caller_nor_who_was_right() {
    let harness = with_chosen().await;
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    // Names enough to use up what the address has for clients that it was never right for.
    for n in (0..200).chain(0..200) {
        harness.ask_as(&format!("guess-{n}"), "x", GRANT).await;
    }
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(harness.ask_as("guess-7", "x", GRANT).await.status, 429);
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 200);
    for _ in 0..20 {
        assert_eq!(harness.ask_as("person", "wrong", GRANT).await.status, 401);
    }
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(harness.ask_as("person", CHOSEN, GRANT).await.status, 429);
}

#[tokio::test]
async fn an_address_that_tries_many_clients_is_throttled_too() {
    let harness = Harness::start().await;
    let mut responses = Vec::new();
    for n in 0..140 {
        responses.push(
            harness
                .ask_as(&format!("guess-{n}"), "x", GRANT)
                .await
                .status,
        );
    }
    assert_eq!(
        responses.iter().filter(|status| **status == 401).count(),
        120
    );
    assert_eq!(responses.last(), Some(&429));
    assert_eq!(harness.ask(GRANT).await.status, 200);
}

#[tokio::test]
async fn a_secret_generated_elsewhere_needs_no_costly_hash_when_the_settings_say_so() {
    let hexadecimal = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let harness = Harness::with(|settings| {
        let mut other = client("other", hexadecimal, &[], &["service-system"]);
        secrets(&mut other).kind = SecretKind::Generated;
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
    for _ in 0..40 {
        harness.ask_as("other", "guess", GRANT).await;
    }
    assert_eq!(
        harness.ask_as("other", hexadecimal, GRANT).await.status,
        200,
        "what cannot be guessed needs no bucket"
    );
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
