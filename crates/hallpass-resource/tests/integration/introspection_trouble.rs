//! Tokens that their issuer is asked about, while it is away, broken, or strangers send what it never gave out.

use std::time::Duration;

use crate::support::endpoint::Endpoint;
use crate::support::{App, AppBuilder, get, test_clock};

async fn status(app: &App, token: &str) -> u16 {
    get(app.address, "/whoami", Some(token)).await.status
}

async fn app(endpoint: &Endpoint, clock: &std::sync::Arc<hallpass_clock::ManualClock>) -> App {
    let trusted = endpoint.trusted();
    let app = AppBuilder::new(clock).with(|it| it.issuer(trusted));
    app.start().await
}

#[tokio::test]
async fn while_the_issuer_does_not_say_what_a_token_is_the_response_is_503_and_never_401() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let app = app(&endpoint, &clock).await;
    let json = "application/json";
    for (number, (instead, code)) in [
        ((500, "", json, "{\"active\":true}"), "introspection_status"),
        (
            (401, "", json, "{\"error\":\"invalid_client\"}"),
            "introspection_status",
        ),
        ((302, "", json, "{\"active\":true}"), "introspection_status"),
        ((429, "7", json, ""), "introspection_status"),
        (
            (200, "", "text/html", "{\"active\":true}"),
            "introspection_not_json",
        ),
        (
            (200, "", json, "{\"active\":\"true\"}"),
            "introspection_not_a_response",
        ),
        ((200, "", json, "<html>"), "introspection_not_a_response"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("opaque-{number}");
        endpoint.responds_with(Some(instead));
        let response = get(app.address, "/whoami", Some(&token)).await;
        assert_eq!(
            response.refusal(),
            (503, "unavailable".to_owned()),
            "{instead:?}"
        );
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert_eq!(wait, if instead.0 == 429 { 7 } else { 1 });
        assert_eq!(response.header("www-authenticate"), None);
        let counted =
            format!("hallpass_introspection_requests_total{{issuer=\"opaque\",result=\"{code}\"}}");
        assert!(app.metric(&counted) >= 1.0, "{code}");
        // Without asking: it is too early.
        let asked = endpoint.asked().len();
        assert_eq!(status(&app, "another").await, 503);
        assert_eq!(endpoint.asked().len(), asked);
        clock.advance_seconds(30);
    }
    endpoint.responds_with(None);
    endpoint.issues("another", "alice");
    assert_eq!(status(&app, "another").await, 200);
}

#[tokio::test]
async fn what_was_said_before_an_outage_counts_until_its_own_end_and_no_longer() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let app = app(&endpoint, &clock).await;
    endpoint.issues("opaque-1", "alice");
    assert_eq!(status(&app, "opaque-1").await, 200);
    endpoint.responds_with(Some((500, "", "text/plain", "")));
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(status(&app, "opaque-1").await, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(status(&app, "opaque-1").await, 503);
    // An open route does not depend on it; one that asks for nobody gets nobody.
    let open = get(app.address, "/maybe", Some("opaque-1")).await;
    assert_eq!((open.status, open.body.as_str()), (200, "nobody"));
    endpoint.responds_with(None);
    clock.advance_seconds(5);
    assert_eq!(status(&app, "opaque-1").await, 200);
}

#[tokio::test]
async fn a_strangers_tokens_neither_flood_the_issuer_nor_push_good_ones_out() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let app = app(&endpoint, &clock).await;
    endpoint.issues("good", "alice");
    assert_eq!(status(&app, "good").await, 200);
    let mut refused = Vec::new();
    for number in 0..1_000 {
        refused.push(status(&app, &format!("made-up-{number}")).await);
    }
    // Fifty a second, and time stands still.
    assert_eq!(endpoint.asked().len(), 50);
    assert_eq!(refused.iter().filter(|it| **it == 401).count(), 49);
    assert_eq!(refused.iter().filter(|it| **it == 503).count(), 951);
    // The same ones again cost nothing.
    assert_eq!(status(&app, "made-up-0").await, 401);
    assert_eq!(endpoint.asked().len(), 50);
    // The good one is remembered, and is asked about again although strangers have used everything up.
    assert_eq!(status(&app, "good").await, 200);
    assert_eq!(endpoint.asked().len(), 50);
    clock.advance_seconds(30);
    for number in 1_000..1_100 {
        status(&app, &format!("made-up-{number}")).await;
    }
    assert_eq!(endpoint.asked().len(), 100);
    assert_eq!(status(&app, "good").await, 200);
    assert_eq!(endpoint.asked().len(), 101);
}

#[tokio::test]
async fn a_token_that_is_not_active_is_asked_about_again_only_later() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let app = app(&endpoint, &clock).await;
    for _ in 0..5 {
        assert_eq!(status(&app, "late").await, 401);
    }
    let reason = "hallpass_verify_total{result=\"deny\",reason=\"inactive\",mode=\"enforce\",route=\"/whoami\"}";
    assert_eq!(app.metric(reason), 5.0);
    assert_eq!(endpoint.asked().len(), 1);
    endpoint.issues("late", "alice");
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(status(&app, "late").await, 401);
    clock.advance(Duration::from_millis(1));
    assert_eq!(status(&app, "late").await, 200);
}
