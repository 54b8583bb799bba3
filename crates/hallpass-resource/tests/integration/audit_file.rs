//! Audit events in a file of their own, and what is in the way of one.

use std::path::Path;
use std::time::Duration;

use hallpass_resource::{AuditLevel, ResourceServer, SecuritySettings};
use serde_json::Value;

use crate::streams::Shop;
use crate::support::{App, AppBuilder, Forge, get, test_clock};

/// The settings of a service that writes there.
fn into(path: &Path) -> SecuritySettings {
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.audit_file = Some(path.to_owned());
    settings
}

fn events(text: &str) -> Vec<Value> {
    let events = text.lines().map(serde_json::from_str);
    events.collect::<Result<_, _>>().unwrap()
}

/// What is in the file, as soon as there are so many events.
async fn written(path: &Path, count: usize) -> Vec<Value> {
    let wait = async {
        loop {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.lines().count() >= count && text.ends_with('\n') {
                return events(&text);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap()
}

fn dropped(app: &App) -> f64 {
    app.metric("hallpass_audit_dropped_total")
}

#[tokio::test]
async fn each_decision_is_a_line_of_the_file_whatever_the_log_leaves_out() {
    crate::support::log::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let token = forge.user("orders");
    app.server.apply(&into(&path)).unwrap();
    get(app.address, "/orders/7", Some(&token)).await;
    get(app.address, "/whoami", None).await;
    let events = written(&path, 2).await;
    assert_eq!(events[0]["event"], "call_judged");
    assert_eq!(events[0]["decision"], "allow");
    assert_eq!(events[0]["subject"], "alice");
    assert_eq!(events[0]["route"], "GET /orders/{id}");
    assert_eq!(events[1]["reason"], "missing_token");
    assert_eq!(events[1].get("subject"), None);
    let text = std::fs::read_to_string(&path).unwrap();
    for part in token.split('.') {
        assert!(!text.contains(part), "a part of a token is in the file");
    }

    let mut denials = into(&path);
    denials.internal_jwt.audit = AuditLevel::Denials;
    app.server.apply(&denials).unwrap();
    get(app.address, "/orders/7", Some(&token)).await;
    get(app.address, "/whoami", None).await;
    let events = written(&path, 3).await;
    assert_eq!((events.len(), &events[2]["decision"]), (3, &"deny".into()));
    assert_eq!(dropped(&app), 0.0);
}

#[tokio::test]
async fn what_the_file_does_not_take_is_counted_and_decisions_go_on() {
    crate::support::log::install();
    let folder = tempfile::tempdir().unwrap();
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    // A folder stands where the file should.
    app.server.apply(&into(folder.path())).unwrap();
    let status = get(app.address, "/whoami", Some(&forge.user("")))
        .await
        .status;
    assert_eq!(status, 200);
    assert_eq!(get(app.address, "/whoami", None).await.status, 401);
    while dropped(&app) < 2.0 {
        tokio::task::yield_now().await;
    }
    let path = folder.path().join("audit.jsonl");
    app.server.apply(&into(&path)).unwrap();
    get(app.address, "/whoami", None).await;
    assert_eq!(written(&path, 1).await.len(), 1);
    assert_eq!(dropped(&app), 2.0);
}

#[tokio::test]
async fn the_last_events_are_in_the_file_when_the_server_is_gone() {
    crate::support::log::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let server = ResourceServer::builder("shop", test_clock())
        .build()
        .unwrap();
    server.apply(&into(&path)).unwrap();
    for _ in 0..500 {
        let (parts, ()) = http::Request::get("/").body(()).unwrap().into_parts();
        assert!(server.authorize(&parts).await.is_err());
    }
    drop(server);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(events(&text).len(), 500);
}

#[tokio::test]
async fn the_end_of_a_stream_is_a_line_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let shop = Shop::start(|it| it).await;
    shop.app.server.apply(&into(&path)).unwrap();
    let mut stream = shop.open("GET /events", "").await;
    shop.taps.send("one");
    stream.read_until("data: one").await;
    shop.advance_to_the_end_but(Duration::ZERO);
    stream.read_to_end().await;
    let events = written(&path, 2).await;
    assert_eq!(events[1]["event"], "stream_judged");
    assert_eq!(events[1]["decision"], "end");
    assert_eq!(events[1]["reason"], "expired");
    assert_eq!(events[1]["subject"], events[0]["subject"]);
}
