//! An issuer, the configuration of a service that it gets its tokens from, and what the doctor says.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::issuer::Running;
use crate::kept;
use crate::process::{Outcome, run};

/// Of every client, so that it is looked for in all that is said.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// For a test that does not wait for anybody.
const TIMEOUT: &str = "30";

/// What one of the checks must have come to: its name, its outcome, and a part of one of its sentences.
pub(super) type Expected<'a> = (&'a str, &'a str, &'a str);

/// A folder with a real issuer, which has a client for each case.
pub(super) struct Estate {
    folder: tempfile::TempDir,
    pub(super) issuer: Running,
}

impl Estate {
    pub(super) fn start() -> Self {
        Self::start_with("", |_| {})
    }

    /// With further keys of the section `issuer`, whose files `prepare` may write.
    pub(super) fn start_with(keys: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        kept::secret(SECRET);
        prepare(folder.path());
        let client = |id: &str, more: &str| {
            format!(
                "      - {{ client-id: {id}, client-secret: {SECRET}, secret-kind: generated, {more} }}\n"
            )
        };
        let usual =
            "scopes: [internal-service], audiences: [service-system, stock-service, untyped]";
        let clients = [
            client("order-service", usual),
            client("hasty", &format!("{usual}, token-life-seconds: 30")),
            client(
                "exchanger",
                "grant-types: ['urn:ietf:params:oauth:grant-type:token-exchange'], exchange: [{ subject-kinds: [user], targets: [service-system] }]",
            ),
        ];
        let yaml = format!(
            "hallpass:\n  issuer:\n    audiences: [{{ name: untyped, typ: JWT }}]\n{keys}    clients:\n{}",
            clients.concat()
        );
        fs::write(folder.path().join("issuer.yaml"), yaml).unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        Self { folder, issuer }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration of a service for which all is well.
    pub(super) fn yaml(&self) -> String {
        format!(
            "hallpass:
  service: {{ name: order-service, listen: '127.0.0.1:18080' }}
  internal-token:
    client-id: order-service
    client-secret: {SECRET}
    token-url: {}
    scope: internal-service
    audience: service-system
  security:
    internal-jwt:
      issuers:
        - name: ours
          issuer: internal
          jwks-url: {}
          internal: true
",
            self.issuer.url("/oauth2/token"),
            self.issuer.url("/oauth2/jwks"),
        )
    }

    /// The same with `from` replaced, which must be there.
    pub(super) fn with(&self, from: &str, to: &str) -> String {
        let yaml = self.yaml();
        assert!(yaml.contains(from), "{from}\n{yaml}");
        yaml.replace(from, to)
    }

    /// The same with a further section.
    pub(super) fn and(&self, section: &str) -> String {
        format!("{}  {section}\n", self.yaml())
    }

    pub(super) fn doctor(&self, yaml: &str) -> Diagnosis {
        self.doctor_within(yaml, TIMEOUT)
    }

    pub(super) fn doctor_within(&self, yaml: &str, seconds: &str) -> Diagnosis {
        let file = self.path().join("service.yaml");
        fs::write(&file, yaml).unwrap();
        Diagnosis::of(&["--config", file.to_str().unwrap(), "--timeout", seconds])
    }
}

/// What it has said, as JSON.
#[derive(Debug)]
pub(super) struct Diagnosis {
    outcome: Outcome,
    said: Value,
    pub(super) took: Duration,
}

impl Diagnosis {
    pub(super) fn of(arguments: &[&str]) -> Self {
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        let outcome = run(&[&["doctor", "--json"], arguments].concat());
        let took = clock.monotonic() - begun;
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        for secret in [SECRET, "eyJ", "Bearer "] {
            assert!(!all.contains(secret), "{secret} is said: {all}");
        }
        let said = outcome.json();
        Self {
            outcome,
            said,
            took,
        }
    }

    /// Ended with `code`, and these checks are not as they should be, each as it is expected, and no other one.
    #[track_caller]
    pub(super) fn is(&self, code: i32, expected: &[Expected<'_>]) {
        let checks = self.said["checks"].as_array().unwrap();
        let is_bad =
            |it: &&Value| ["failure", "warning"].contains(&it["outcome"].as_str().unwrap());
        let bad: Vec<_> = checks.iter().filter(is_bad).collect();
        let names: Vec<_> = bad.iter().map(|it| it["name"].as_str().unwrap()).collect();
        let wanted: Vec<_> = expected.iter().map(|it| it.0).collect();
        assert_eq!(names, wanted, "{self}");
        for (check, (_, outcome, part)) in bad.iter().zip(expected) {
            assert_eq!(check["outcome"], *outcome, "{self}");
            let findings = check["findings"].as_array().unwrap();
            let is_it = |it: &&Value| {
                it["outcome"] == *outcome && it["says"].as_str().unwrap().contains(part)
            };
            let finding = findings.iter().find(is_it);
            let finding = finding.unwrap_or_else(|| panic!("{part}: {self}"));
            let advice = finding["do"].as_str().unwrap();
            assert!(advice.len() > 10, "{self}");
        }
        assert_eq!(self.outcome.code, code, "{self}");
        let has_failed = expected.iter().any(|it| it.1 == "failure");
        assert_eq!(self.said["sound"], !has_failed, "{self}");
    }

    /// One check is so, and says this; others may be as they like.
    #[track_caller]
    pub(super) fn has(&self, name: &str, outcome: &str, part: &str) {
        assert_eq!(self.outcome(name), outcome, "{self}");
        let checks = self.said["checks"].as_array().unwrap();
        let check = checks.iter().find(|it| it["name"] == name).unwrap();
        let mut findings = check["findings"].as_array().unwrap().iter();
        let says = |it: &Value| it["says"].as_str().unwrap().contains(part);
        assert!(findings.any(says), "{part}: {self}");
    }

    pub(super) fn untried(&self) -> Vec<&str> {
        let untried = self.said["untried"].as_array().unwrap();
        untried.iter().map(|it| it.as_str().unwrap()).collect()
    }

    /// The outcome of one check.
    pub(super) fn outcome(&self, name: &str) -> &str {
        let checks = self.said["checks"].as_array().unwrap();
        let check = checks.iter().find(|it| it["name"] == name).unwrap();
        check["outcome"].as_str().unwrap()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        let checks = self.said["checks"].as_array().unwrap();
        checks
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect()
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = serde_json::to_string_pretty(&self.said).unwrap();
        write!(
            f,
            "{shown}\n{}\nexit {}",
            self.outcome.stderr, self.outcome.code
        )
    }
}

/// A port of which nobody listens; it stays so for as long as the test runs, as far as one can tell.
pub(super) fn closed_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}
