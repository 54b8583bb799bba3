//! A handler stops when its caller has stopped waiting.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use hallpass_resource::{DeadlineSettings, ResourceServerBuilder, Rule, SecuritySettings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{App, AppBuilder, Forge, RawResponse, send, test_clock};

const OURS: &str = "x-request-timeout-ms";

/// Says so when it is dropped.
struct Dropped(UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

/// A service with a handler that never ends, and one that counts how often it runs.
struct Slow {
    app: App,
    dropped: UnboundedReceiver<()>,
    runs: Arc<Mutex<u32>>,
}

impl Slow {
    async fn start() -> Self {
        let (sender, dropped) = unbounded_channel();
        let runs = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&runs);
        let hangs = move || {
            let held = Dropped(sender.clone());
            async move {
                pending::<()>().await;
                drop(held);
            }
        };
        let quick = move || async move {
            *counted.lock().unwrap() += 1;
            "quick"
        };
        let routes = Router::new()
            .route("/hangs/{id}", any(hangs))
            .route("/quick", any(quick));
        let rules = |it: ResourceServerBuilder| {
            it.route_any("/hangs/{id}", Rule::Anonymous)
                .route_any("/quick", Rule::Anonymous)
        };
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let app = AppBuilder::new(&clock).trusting_fixed(&forge).with(rules);
        Self {
            app: app.start_with(routes).await,
            dropped,
            runs,
        }
    }

    fn apply(&self, deadline: DeadlineSettings) {
        let settings = SecuritySettings {
            deadline,
            ..SecuritySettings::default()
        };
        self.app.server.apply(&settings).unwrap();
    }

    async fn ask(&self, line: &str, headers: &[(&str, &[u8])]) -> RawResponse {
        send(self.app.address, line.as_bytes(), headers).await
    }
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_caller_waits_no_longer() {
    let mut slow = Slow::start().await;
    let response = slow.ask("GET /hangs/7", &[(OURS, b"30")]).await;
    assert_eq!(response.refusal(), (504, "deadline_exceeded".to_owned()));
    slow.dropped.recv().await.unwrap();
    let counted = r#"hallpass_deadlines_exceeded_total{route="/hangs/{id}"}"#;
    assert_eq!(slow.app.metric(counted), 1.0);
}

#[tokio::test]
async fn a_caller_that_speaks_grpc_is_told_in_its_words() {
    let slow = Slow::start().await;
    let headers: [(&str, &[u8]); 3] = [
        ("content-type", b"application/grpc"),
        ("content-length", b"0"),
        ("grpc-timeout", b"30m"),
    ];
    let response = slow.ask("POST /hangs/7", &headers).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("grpc-status"), Some("4"));
    assert_eq!(response.header("content-type"), Some("application/grpc"));
}

#[tokio::test]
async fn a_handler_does_not_begin_what_nobody_waits_for() {
    let slow = Slow::start().await;
    let response = slow.ask("GET /quick", &[(OURS, b"0")]).await;
    assert_eq!(response.status, 504);
    assert_eq!(*slow.runs.lock().unwrap(), 0);
    let response = slow.ask("GET /quick", &[(OURS, b"60000")]).await;
    assert_eq!((response.status, &*response.body), (200, "quick"));
}

#[tokio::test]
async fn the_settings_say_where_the_time_stands_how_long_it_may_be_and_whether_it_counts() {
    let slow = Slow::start().await;
    let most = DeadlineSettings {
        max: Duration::from_millis(30),
        ..DeadlineSettings::default()
    };
    slow.apply(most);
    let patient = slow.ask("GET /hangs/7", &[(OURS, b"3600000")]).await;
    assert_eq!(patient.status, 504, "a caller that would wait for an hour");

    slow.apply(DeadlineSettings {
        header: Some("x-time-left".parse().unwrap()),
        ..DeadlineSettings::default()
    });
    let unread = slow.ask("GET /quick", &[(OURS, b"0")]).await;
    assert_eq!(unread.status, 200);
    assert_eq!(
        slow.ask("GET /quick", &[("x-time-left", b"0")])
            .await
            .status,
        504
    );

    let unread = DeadlineSettings {
        header: None,
        ..DeadlineSettings::default()
    };
    let unenforced = DeadlineSettings {
        enforce: false,
        ..DeadlineSettings::default()
    };
    for settings in [unread, unenforced] {
        slow.apply(settings);
        let headers: [(&str, &[u8]); 2] = [(OURS, b"0"), ("grpc-timeout", b"0m")];
        assert_eq!(slow.ask("GET /quick", &headers).await.status, 200);
    }
}
