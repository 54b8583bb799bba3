//! `hallpass policy readiness`, of what a real service counts, and each step of a roll-out by its file alone.

use std::path::Path;
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::upstream::{Body, HttpTransport};
use tower::ServiceExt;

use crate::issuer::Running;
use crate::process::{Outcome, command, run};

const CLIENTS: &str = "hallpass: { issuer: { clients: [
    { client-id: good, client-secret: GoodSecret1234!, audiences: [edge], scopes: [orders.read] },
    { client-id: scopeless, client-secret: PoorSecret1234!, audiences: [edge], scopes: [other] } ] } }\n";

/// An issuer and a service that asks for a scope, each a process.
struct Estate {
    issuer: Running,
    edge: Running,
    folder: tempfile::TempDir,
}

impl Estate {
    fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("issuer.yaml"), CLIENTS).unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        let keys = issuer.url("/oauth2/jwks");
        write(folder.path(), &keys, mode);
        let edge = Running::start_by(
            command(&["authz", "--config", "edge.yaml", "--watch-seconds", "1"])
                .current_dir(folder.path()),
        );
        Self {
            issuer,
            edge,
            folder,
        }
    }

    fn token(&self, client: &str, secret: &str, scope: &str) -> String {
        let url = self.issuer.url("/oauth2/token");
        let arguments = [
            "--token-url",
            &url,
            "--client-id",
            client,
            "--audience",
            "edge",
            "--scope",
            scope,
        ];
        let file = self.folder.path().join("secret");
        std::fs::write(&file, secret).unwrap();
        let file = ["--client-secret-file", file.to_str().unwrap()];
        let outcome = run(&[&["token", "get"], &arguments[..], &file[..]].concat());
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.stdout.trim().to_owned()
    }

    /// The status of the response to a call with this token.
    #[tokio::main(flavor = "current_thread")]
    async fn call(&self, token: Option<&str>) -> u16 {
        let address = self.edge.shown("listening on").unwrap();
        let mut request = http::Request::get(format!("http://{address}/authz/envoy/orders/7"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = HttpTransport::new().unwrap().oneshot(request).await;
        response.unwrap().status().as_u16()
    }

    fn metrics(&self) -> String {
        let ready = self.edge.shown("health").unwrap();
        ready.replace("/health/ready", "/metrics")
    }

    fn readiness(&self, more: &[&str]) -> Outcome {
        let metrics = self.metrics();
        run(&[&["policy", "readiness", &metrics], more].concat())
    }

    /// Writes another step into the file and waits until it is taken.
    fn step(&self, mode: &str, is_taken: impl Fn() -> bool) {
        write(self.folder.path(), &self.issuer.url("/oauth2/jwks"), mode);
        let clock = SystemClock::new();
        let end = clock.monotonic() + Duration::from_secs(20);
        while !is_taken() {
            assert!(clock.monotonic() < end, "{mode} is not taken");
            thread::park_timeout(Duration::from_millis(50));
        }
    }
}

fn write(folder: &Path, keys: &str, mode: &str) {
    let text = format!(
        "hallpass:
  service: {{ name: edge }}
  security: {{ internal-jwt: {{ {mode}, jwks-url: '{keys}', routes: [{{ path: /orders/**, rule: scopes, all: orders.read }}] }} }}
  authz: {{ listen: 127.0.0.1:0, management: {{ listen: 127.0.0.1:0 }} }}\n"
    );
    let next = folder.join("next.yaml");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, folder.join("edge.yaml")).unwrap();
}

#[test]
fn each_step_is_taken_from_the_file_and_back_and_who_would_be_denied_is_named() {
    let estate = Estate::start("mode: off");
    let good = estate.token("good", "GoodSecret1234!", "orders.read");
    let poor = estate.token("scopeless", "PoorSecret1234!", "other");
    let statuses =
        || [Some(good.as_str()), Some(poor.as_str()), None].map(|token| estate.call(token));
    assert_eq!(statuses(), [200; 3]);
    let off = estate.readiness(&["--hours", "0"]);
    assert_eq!(off.code, 65, "{off:?}");
    assert!(off.stdout.contains("set report first"), "{off:?}");

    let shows = |part: &str| estate.readiness(&["--hours", "0"]).stdout.contains(part);
    estate.step("mode: report", || {
        shows("/orders/**                   report")
    });
    assert_eq!(statuses(), [200; 3]);
    let report = estate.readiness(&["--hours", "0"]);
    assert_eq!(report.code, 65, "{report:?}");
    for part in [
        "scopeless insufficient_scope, 1 times",
        "_unauthenticated missing_token, 1 times",
        "issuer.clients[].scopes",
        "not safe to go on",
    ] {
        assert!(report.stdout.contains(part), "{part}: {report:?}");
    }
    assert!(!report.stdout.contains("good "), "{report:?}");
    // Who is to be denied, and time that has not passed yet.
    let accepted = ["--accept", "scopeless", "--accept", "_unauthenticated"];
    assert_eq!(
        estate
            .readiness(&[&accepted[..], &["--hours", "0"]].concat())
            .code,
        0
    );
    assert_eq!(estate.readiness(&accepted).code, 65);
    let json = estate.readiness(&["--hours", "0", "--json"]).json();
    let routes = json["services"][0]["routes"].as_array().unwrap();
    let route = routes
        .iter()
        .find(|it| it["route"] == "/orders/**")
        .unwrap();
    assert_eq!(route["next"], "mode: enforce, enforce-percent: 1");
    assert_eq!(route["would_deny"].as_array().unwrap().len(), 2, "{json}");

    estate.step("mode: enforce, enforce-percent: 50", || {
        shows("enforce 50 %")
    });
    assert_eq!(estate.call(Some(&good)), 200);
    let half = statuses();
    assert_eq!(statuses(), half, "always the same callers");
    estate.step("mode: enforce, enforce-percent: 100", || {
        estate.call(Some(&poor)) == 403
    });
    assert_eq!(statuses(), [200, 403, 401]);
    // The way back: one line, and no restart.
    estate.step("mode: report, enforce-percent: 100", || {
        estate.call(None) == 200
    });
    assert_eq!(statuses(), [200; 3]);
}

#[test]
fn a_saved_file_is_read_too_and_what_are_no_metrics_is_not_taken_for_ready() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics");
    let file = file.to_str().unwrap();
    std::fs::write(
        file,
        "hallpass_rollout_ratio{route=\"/a\",mode=\"report\"} 0.0\n# EOF\n",
    )
    .unwrap();
    let outcome = run(&["policy", "readiness", file, "--hours", "0"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    std::fs::write(file, "<html>login</html>\n").unwrap();
    let outcome = run(&["policy", "readiness", file, "--hours", "0"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (1, ""),
        "{outcome:?}"
    );
    let gone = run(&["policy", "readiness", "http://127.0.0.1:1/metrics"]);
    assert_eq!(gone.code, 1, "{gone:?}");
}
