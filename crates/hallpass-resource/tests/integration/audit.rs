//! Audit events and logs: one per decision, with the exact reason, and never with a token.

use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, Log, get, send, test_clock};

#[tokio::test]
async fn each_decision_leaves_one_event_with_its_exact_reason() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;

    let token = format!("Bearer {}", forge.user("orders"));
    let trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("authorization", token.as_bytes()),
        ("traceparent", &trace[..]),
    ];
    send(app.address, b"GET /orders/7", &headers).await;
    get(
        app.address,
        "/whoami",
        Some(&forge.changed(|_, claims| claims["aud"] = json!("other"))),
    )
    .await;
    get(
        app.address,
        "/internal/x",
        Some(&forge.user("internal-service")),
    )
    .await;
    get(app.address, "/a//b", None).await;

    let events = log.audit();
    let facts = |event: &Value| {
        ["decision", "reason", "mode", "route", "method"]
            .map(|name| event[name].as_str().unwrap().to_owned())
    };
    assert_eq!(
        facts(&events[0]),
        ["allow", "none", "enforce", "GET /orders/{id}", "GET"]
    );
    assert_eq!(events[0]["subject"], "alice");
    assert_eq!(events[0]["client_id"], "order-service");
    assert_eq!(events[0]["scope"], "orders");
    assert_eq!(events[0]["issuer"], "internal");
    assert_eq!(events[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        facts(&events[1]),
        ["deny", "audience", "enforce", "/whoami", "GET"]
    );
    assert_eq!(
        events[1].get("subject"),
        None,
        "what is not verified is not recorded as a subject"
    );
    assert_eq!(
        facts(&events[2]),
        ["deny", "not_internal", "enforce", "/internal/**", "GET"]
    );
    assert_eq!(events[2]["subject"], "alice");
    assert_eq!(
        facts(&events[3]),
        ["deny", "ambiguous_path", "enforce", "none", "GET"]
    );
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn no_token_and_no_part_of_one_is_ever_logged() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let good = forge.user("orders");
    let tokens = [
        good.clone(),
        forge.changed(|header, _| header["kid"] = json!("bogus")),
        forge.changed(|_, claims| claims["exp"] = json!(1)),
        format!("{good}x"),
        "not.a.token-at-all".to_owned(),
    ];
    for token in &tokens {
        for path in ["/whoami", "/orders/7", "/internal/x", "/unlisted", "/a//b"] {
            get(app.address, path, Some(token)).await;
        }
    }
    issuer.stop().await;
    clock.advance_seconds(100_000);
    get(app.address, "/whoami", Some(&forge.user(""))).await;
    let text = log.text();
    assert!(text.contains("hallpass::audit"));
    for token in &tokens {
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!text.contains(part), "a part of a token is in the log");
        }
    }
    assert!(!format!("{:?}", app.server).contains(&good));
}

#[tokio::test]
async fn permit_all_is_loud() {
    let log = Log::capture();
    let clock = test_clock();
    let app = AppBuilder::new(&clock)
        .with(|server| server.dangerous_permit_all(true))
        .start()
        .await;
    assert!(log.text().contains("SECURITY IS OFF"));
    get(app.address, "/internal/x", None).await;
    assert_eq!(log.audit()[0]["decision"], "bypass");
}

#[tokio::test]
async fn nothing_that_a_caller_sends_becomes_a_label_of_the_service() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let series = || {
        let mut registry = Registry::default();
        app.server.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        names.collect::<Vec<_>>()
    };
    let mut before = Vec::new();
    for round in 0..5 {
        let invented = format!("invented-{round}");
        let said = json!(invented);
        let tokens = [
            forge.changed(|header, _| header["kid"] = said.clone()),
            forge.changed(|header, _| header["alg"] = said.clone()),
            forge.changed(|header, _| header["typ"] = said.clone()),
            forge.changed(|_, claims| claims["iss"] = said.clone()),
            forge.changed(|_, claims| claims["aud"] = said.clone()),
            // These are good: whoever holds an issuer's key can name many.
            forge.changed(|_, claims| claims["sub"] = said.clone()),
            forge.changed(|_, claims| claims["client_id"] = said.clone()),
            forge.changed(|_, claims| claims["scope"] = said.clone()),
            invented.clone(),
        ];
        for token in &tokens {
            let path = format!("/{invented}");
            for path in ["/whoami", "/orders/7", "/internal/x", "/a//b", &path] {
                get(app.address, path, Some(token)).await;
            }
        }
        let order = format!("GET /orders/{invented}");
        let method = format!("{invented} /whoami");
        let headers = [("x-user-id", invented.as_bytes())];
        for line in [order, method] {
            send(app.address, line.as_bytes(), &headers).await;
        }
        if round == 0 {
            before = series();
        }
    }
    assert_eq!(series(), before);
    assert!(before.len() > 20, "{before:?}");
    let named = before.iter().find(|line| line.contains("invented"));
    assert_eq!(named, None);
}

#[tokio::test]
async fn a_method_that_a_caller_makes_up_is_cut_in_the_log() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let line = format!("{} /whoami", "METHOD".repeat(500));
    let response = send(app.address, line.as_bytes(), &[]).await;
    assert_eq!(response.status, 401);
    let events = log.audit();
    let shown = events[0]["method"].as_str().unwrap();
    assert_eq!(shown, &"METHOD".repeat(6)[..32]);
}
