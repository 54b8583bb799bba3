//! Audit events and logs: one per decision, with the exact reason, and never with a token.

use std::io::Write;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use hallpass_clock::Clock;
use hallpass_resource::{AUDIT_TARGET, AuditLevel, Mode, ResourceServer, SecuritySettings};
use http::Request;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tracing::{Dispatch, Level};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

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

    let events = log.audit(4);
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
async fn each_event_says_when_it_was_in_which_trace_and_by_which_rules() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    send(app.address, b"GET /whoami", &[("traceparent", &trace[..])]).await;
    get(app.address, "/internal/x", None).await;
    let events = log.audit(2);
    assert_eq!(events[0]["event"], "call_judged");
    let now = hallpass_token::UnixTime::from(clock.now());
    assert_eq!(events[0]["at"], now.as_secs());
    assert_eq!(events[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(events[0]["parent_span_id"], "00f067aa0ba902b7");
    let begun = events[1]["trace_id"].as_str().unwrap();
    assert!(begun.len() == 32 && begun != "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(events[1].get("parent_span_id"), None, "nobody has sent one");
    assert!(
        events[0]["policy"]
            .as_str()
            .is_some_and(|it| it.len() == 12)
    );
    assert_eq!(events[0]["policy"], events[1]["policy"]);
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
    assert_eq!(log.audit(26).len(), 26);
    let text = log.text();
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
    assert_eq!(log.audit(1)[0]["decision"], "bypass");
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
    let events = log.audit(1);
    let shown = events[0]["method"].as_str().unwrap();
    assert_eq!(shown, &"METHOD".repeat(6)[..32]);
}

#[tokio::test]
async fn of_denials_alone_those_who_simply_pass_are_not_told() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let mut settings = SecuritySettings::default();
    let token = forge.user("orders");
    get(app.address, "/orders/1", Some(&token)).await;
    settings.internal_jwt.audit = AuditLevel::Denials;
    app.server.apply(&settings).unwrap();
    get(app.address, "/orders/2", Some(&token)).await;
    get(app.address, "/whoami", None).await;
    settings.internal_jwt.mode = Mode::Report;
    app.server.apply(&settings).unwrap();
    get(app.address, "/orders/3", Some(&token)).await;
    get(app.address, "/whoami", None).await;
    let events = log.audit(3);
    let facts: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["decision"].as_str().unwrap(),
                event["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("allow", "none"),
        ("deny", "missing_token"),
        ("would_deny", "missing_token"),
    ];
    assert_eq!(facts, expected);
    assert_eq!(
        events[0]["policy"], events[1]["policy"],
        "the level is no rule"
    );
    assert_ne!(
        events[1]["policy"], events[2]["policy"],
        "the mode has changed"
    );
}

#[tokio::test]
async fn everybody_who_acts_for_a_user_is_named_the_newest_first() {
    let log = Log::capture();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let acted =
        json!({"sub": "order-service", "act": {"sub": "gate < way", "act": {"sub": "web"}}});
    let token = forge.changed(|_, claims| {
        claims["act"] = acted.clone();
        claims["jti"] = json!("token-7");
    });
    get(app.address, "/whoami", Some(&token)).await;
    let event = log.audit(1).remove(0);
    assert_eq!(event["subject"], "alice");
    assert_eq!(event["actor"], "order-service");
    assert_eq!(event["token_id"], "token-7");
    assert_eq!(event["actors"], "order-service < \"gate < way\" < web");
}

/// A log that takes nothing.
#[derive(Clone, Debug)]
struct Stalled(Arc<Mutex<Receiver<()>>>);

impl Write for Stalled {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let _gone = self.0.lock().unwrap().recv();
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_call_waits_for_whoever_reads_the_audit_log() {
    crate::support::log::install();
    let (go, stalled) = std::sync::mpsc::channel();
    let writer = Stalled(Arc::new(Mutex::new(stalled)));
    let only_audit = Targets::new().with_target(AUDIT_TARGET, Level::INFO);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_filter(only_audit);
    let log = Dispatch::new(tracing_subscriber::registry().with(layer));
    let _capture = tracing::dispatcher::set_default(&log);
    let clock = test_clock();
    let server = ResourceServer::builder("shop", clock).build().unwrap();
    // More than wait: 3,072 about nobody, and those in the hands of the writer.
    for _ in 0..10_000 {
        let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert!(server.authorize(&parts).await.is_err());
    }
    let mut registry = Registry::default();
    server.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text
        .lines()
        .find_map(|it| it.strip_prefix("hallpass_audit_dropped_total "));
    let dropped: u64 = line.unwrap().parse().unwrap();
    assert!((1_000..=6_928).contains(&dropped), "{dropped}");
    // Nor does the end of the server, for long.
    drop(server);
    drop(go);
}
