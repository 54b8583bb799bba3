//! A service in two instances, and the plan to roll it out.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use super::load::one_call;
use crate::issuer::Running;
use crate::kept;
use crate::process::{Outcome, command, run, signal};

const CLIENTS: &str = "hallpass: { issuer: { clients: [
    { client-id: web, client-secret: GoodSecret1234!, audiences: [edge], scopes: [orders.read] } ] } }\n";
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the step before is watched.
const WATCH: u32 = 2;

/// An issuer, and two instances of a service by one file.
pub(super) struct Estate {
    issuer: Running,
    instances: Vec<Running>,
    folder: tempfile::TempDir,
}

impl Estate {
    pub(super) fn start(step: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("issuer.yaml"), CLIENTS).unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        let keys = issuer.url("/oauth2/jwks");
        let edge = format!(
            "# edge of the estate
hallpass:
  service: {{ name: edge }}
  security: # ask Ann first
    internal-jwt:
      {step} # since May

      jwks-url: '{keys}'
      routes:
        - {{ path: /orders/**, rule: scopes, all: orders.read }}
        - {{ path: /admin/**, rule: scopes, all: admin, mode: enforce }}
  authz: {{ listen: 127.0.0.1:0, management: {{ listen: 127.0.0.1:0 }} }}\n"
        );
        fs::write(folder.path().join("edge.yaml"), edge).unwrap();
        let start = |_| {
            let arguments = ["authz", "--config", "edge.yaml", "--watch-seconds", "1"];
            Running::start_by(command(&arguments).current_dir(folder.path()))
        };
        let instances: Vec<_> = (0..2).map(start).collect();
        let estate = Self {
            issuer,
            instances,
            folder,
        };
        estate.plan(&estate.metrics(), "");
        estate
    }

    pub(super) fn metrics(&self) -> Vec<String> {
        let ready = self.instances.iter().map(|it| it.shown("health").unwrap());
        ready
            .map(|it| it.replace("/health/ready", "/metrics"))
            .collect()
    }

    pub(super) fn plan(&self, metrics: &[String], more: &str) {
        let plan = format!(
            "hallpass:
  rollout:
    watch-seconds: {WATCH}
    services:
      - name: edge
        file: edge.yaml
        metrics: [{}]
        {more}\n",
            metrics.join(", ")
        );
        fs::write(self.path("rollout.yaml"), plan).unwrap();
    }

    /// Sends this signal to the first instance.
    pub(super) fn stop_one(&self, name: &str) {
        signal(&self.instances[0].child, name);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn edge(&self) -> String {
        fs::read_to_string(self.path("edge.yaml")).unwrap()
    }

    pub(super) fn rollout(&self, arguments: &[&str]) -> Outcome {
        let plan = self.path("rollout.yaml");
        let all = [&["rollout"], arguments, &["--plan", plan.to_str().unwrap()]].concat();
        run(&all)
    }

    /// Goes on as soon as it is safe.
    pub(super) fn advance(&self) -> Outcome {
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            let outcome = self.rollout(&["advance", "--by", "ann"]);
            if outcome.code != 65 {
                assert_eq!(outcome.code, 0, "{outcome:?}");
                return outcome;
            }
            assert!(clock.monotonic() < end, "{outcome:?}");
            thread::park_timeout(Duration::from_millis(200));
        }
    }

    pub(super) fn token(&self) -> String {
        let file = self.path("secret");
        fs::write(&file, "GoodSecret1234!").unwrap();
        let url = self.issuer.url("/oauth2/token");
        let outcome = run(&[
            "token",
            "get",
            "--token-url",
            &url,
            "--client-id",
            "web",
            "--audience",
            "edge",
            "--scope",
            "orders.read",
            "--client-secret-file",
            file.to_str().unwrap(),
        ]);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let token = outcome.stdout.trim().to_owned();
        kept::secret(&token);
        token
    }

    /// Where each instance answers about an order.
    pub(super) fn orders(&self) -> Vec<String> {
        let addresses = self
            .instances
            .iter()
            .map(|it| it.shown("listening on").unwrap());
        addresses
            .map(|it| format!("http://{it}/authz/envoy/orders/7"))
            .collect()
    }

    /// What each instance says to a call without a token.
    pub(super) fn strangers(&self) -> Vec<u16> {
        self.orders().iter().map(|url| one_call(url)).collect()
    }

    /// Does this while calls without a token go on, the first of which have come by then.
    pub(super) fn amid_strangers<T>(&self, what: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        assert_eq!(self.strangers(), [200, 200], "they pass, and are counted");
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    self.strangers();
                    thread::park_timeout(Duration::from_millis(50));
                }
            });
            let done = catch_unwind(AssertUnwindSafe(what));
            is_over.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|failed| resume_unwind(failed))
        })
    }
}
