//! `hallpass bench`: what it counts and how long it says that things took, against a real issuer, a real gateway, and a server that stalls.

mod stalling;

use std::fs;
use std::path::Path;
use std::thread;

use hallpass::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::authz::{Authz, LIMIT, get};
use crate::gateway::Service;
use crate::issuer::Running;
use crate::kept;
use crate::process::{Outcome, command, run, run_with, signal, spawn};
use stalling::Stalling;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Of tokens for it.
const ISSUED: &str =
    "tokens_issued_total{grant=\"client_credentials\",client=\"web\",audience=\"edge\"}";

/// An issuer with a client, whose secret stands in a file.
pub(crate) struct Estate {
    folder: tempfile::TempDir,
    pub(crate) issuer: Running,
}

impl Estate {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        kept::secret(SECRET);
        let clients = format!(
            "hallpass: {{ issuer: {{ clients: [ {{ client-id: web, client-secret: {SECRET}, secret-kind: generated, \
             audiences: [edge, service-system, order-service], scopes: [orders.read] }} ] }} }}\n"
        );
        fs::write(folder.path().join("issuer.yaml"), clients).unwrap();
        fs::write(folder.path().join("secret"), SECRET).unwrap();
        fs::write(
            folder.path().join("wrong"),
            "another-secret-of-32-characters!",
        )
        .unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        Self { folder, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// As the client, with the secret of this file.
    fn bench(&self, what: &[&str], secret: &str, more: &[&str]) -> Outcome {
        let (url, secret) = (self.issuer.url("/oauth2/token"), self.path(secret));
        let client = [
            "--token-url",
            &url,
            "--client-id",
            "web",
            "--client-secret-file",
            &secret,
            "--audience",
            "edge",
            "--json",
        ];
        bench(&[what, &client, more].concat())
    }
}

fn bench(arguments: &[&str]) -> Outcome {
    let outcome = run(&[&["bench"], arguments].concat());
    assert!(outcome.stderr.contains("this loads "), "{outcome:?}");
    outcome
}

fn number(said: &Value, name: &str) -> u64 {
    said[name].as_u64().unwrap()
}

fn millis(said: &Value, kind: &str, quantile: &str) -> f64 {
    said["latency_ms"][kind][quantile].as_f64().unwrap()
}

/// Each planned call stands in one place.
fn add_up(said: &Value) {
    let of = |name| number(said, name);
    assert_eq!(of("planned"), of("started") + of("not_started"), "{said}");
    let ended = of("answered") + of("failed") + of("given_up");
    assert_eq!(of("started"), ended, "{said}");
}

#[test]
fn tokens_are_asked_for_each_time_and_refusals_are_counted_by_their_status() {
    let estate = Estate::start();
    let load = ["--rate", "40", "--duration", "2s", "--warm-up", "1s"];
    let outcome = estate.bench(&["token"], "secret", &load);
    let said = outcome.json();
    assert_eq!((outcome.code, &said["sound"]), (0, &true.into()), "{said}");
    assert_eq!(said["statuses"], serde_json::json!({ "200": 80 }), "{said}");
    add_up(&said);
    // None was kept or joined with another, and the warm-up was made too.
    let issued = estate.issuer.metric(ISSUED);
    assert_eq!(issued, "120");

    let load = ["--rate", "10", "--duration", "1s", "--warm-up", "0s"];
    let outcome = estate.bench(&["token"], "wrong", &load);
    let said = outcome.json();
    assert_eq!((outcome.code, &said["sound"]), (1, &false.into()), "{said}");
    assert_eq!(said["statuses"], serde_json::json!({ "401": 10 }), "{said}");
    assert_eq!(number(&said, "well"), 0);
}

#[test]
fn a_service_is_called_with_a_token_or_without_one() {
    let (estate, service) = (Estate::start(), Service::start());
    let settings = format!(
        "hallpass:\n  service: {{ name: edge }}\n  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}\n  discovery: {{ static: {{ orders: ['{}'] }} }}\n  \
         gateway: {{ routes: [ {{ name: one, path: '/one/**', to: 'lb://orders', identity: relay, rule: scopes, all: orders.read }} ] }}\n",
        estate.issuer.url("/oauth2/jwks"),
        service.address
    );
    fs::write(estate.path("edge.yaml"), settings).unwrap();
    let mut start = command(&[
        "gateway",
        "--listen=127.0.0.1:0",
        "--management-listen=127.0.0.1:0",
        "--config",
        &estate.path("edge.yaml"),
    ]);
    let gateway = Authz::start_by(&mut start);
    gateway.wait_until(|it| get(it.management, "/health/ready").contains(" 200 "));
    let url = format!("http://{}/one/a?key=1", gateway.address);
    let load = ["--rate", "50", "--duration", "1s", "--warm-up", "1s"];

    let outcome = estate.bench(
        &["call", &url],
        "secret",
        &[&load[..], &["--scope", "orders.read"]].concat(),
    );
    let said = outcome.json();
    assert_eq!(outcome.code, 0, "{said}");
    assert_eq!(said["statuses"], serde_json::json!({ "200": 50 }), "{said}");
    let issued = estate.issuer.metric(ISSUED);
    assert_eq!(issued, "1", "as a service keeps it");
    let shown = said["target"].as_str().unwrap();
    assert_eq!(shown, format!("http://{}/one/a", gateway.address));

    // In nobody's name, and as a table.
    let outcome = bench(&[&["call", &url][..], &load[..]].concat());
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let has = |begin: &str, number: &str| {
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut lines = outcome.stdout.lines().map(words);
        lines.any(|line| line.starts_with(&[begin.to_owned(), number.to_owned()]))
    };
    assert!(has("401", "50") && has("answered", "50"), "{outcome:?}");
    assert!(
        outcome.stdout.ends_with(
            "not as it should be: 100.000 % of the calls did not go well (allowed: 0 %)\n"
        ),
        "{outcome:?}"
    );

    // The token that is there goes out, and what is allowed to fail may.
    let given = [
        "bench",
        "call",
        &url,
        "--token-file",
        "-",
        "--json",
        "--fail-over",
        "100",
    ];
    let outcome = run_with(&[&given[..], &load[..]].concat(), b"no-token\n");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(outcome.json()["statuses"], serde_json::json!({ "401": 50 }));
    assert!(!outcome.stdout.contains("no-token"), "{outcome:?}");
}

/// Of a loop that waits for each response, a stall takes but the few calls that are under way.
#[test]
fn a_server_that_stalls_for_two_seconds_cannot_hide_it() {
    let server = Stalling::start(Some(400));
    let load = ["--rate", "200", "--duration", "6s", "--warm-up", "0s"];
    let more = ["--concurrency", "4", "--json", "--p99-below", "1000"];
    let outcome = bench(&[&["call", &server.url()][..], &load[..], &more[..]].concat());
    let said = outcome.json();
    add_up(&said);
    assert_eq!(
        said["statuses"],
        serde_json::json!({ "200": 1200 }),
        "{said}"
    );
    // It began during the stall what the plan says, later, and the rate was held.
    let rate = said["achieved_rate"].as_f64().unwrap();
    assert!((170.0..=200.1).contains(&rate), "{said}");
    // 400 calls of 1,200 fell into it, four were under way.
    assert!(millis(&said, "corrected", "p90") > 1_000.0, "{said}");
    assert!(millis(&said, "corrected", "p99") > 1_800.0, "{said}");
    assert!(millis(&said, "uncorrected", "p99") < 1_000.0, "{said}");
    assert!(millis(&said, "uncorrected", "max") > 1_900.0, "{said}");
    assert_eq!(
        (outcome.code, &said["sound"]),
        (1, &false.into()),
        "p99: {said}"
    );
}

#[test]
fn calls_that_find_no_place_are_counted_as_such() {
    let server = Stalling::start(Some(0));
    let load = ["--rate", "50", "--duration", "3s", "--warm-up", "0s"];
    let more = ["--concurrency", "2", "--timeout", "1s", "--json"];
    let outcome = bench(&[&["call", &server.url()][..], &load[..], &more[..]].concat());
    let said = outcome.json();
    add_up(&said);
    assert_eq!((outcome.code, number(&said, "planned")), (1, 150), "{said}");
    assert_eq!(number(&said, "well"), 0, "{said}");
    assert!(number(&said, "not_started") > 130, "{said}");
    let timeouts = said["failures"]["timeout"].as_u64().unwrap();
    assert_eq!(timeouts, number(&said, "started"), "{said}");
    assert!(millis(&said, "corrected", "p50") > 900.0, "{said}");

    let nobody = ["call", "http://127.0.0.1:9/", "--duration", "1s", "--json"];
    let said = bench(&nobody).json();
    add_up(&said);
    assert_eq!(
        said["failures"],
        serde_json::json!({ "connect": 10 }),
        "{said}"
    );
    assert_eq!(
        said["latency_ms"]["corrected"]["p50"],
        Value::Null,
        "{said}"
    );
}

#[test]
fn who_ends_it_early_sees_what_was_measured_until_then() {
    let server = Stalling::start(None);
    let mut start = command(&[
        "bench",
        "call",
        &server.url(),
        "--rate=100",
        "--duration=1h",
        "--warm-up=0s",
        "--json",
    ]);
    let child = spawn(&mut start);
    let clock = SystemClock::new();
    let end = clock.monotonic() + LIMIT;
    while server.asked() < 50 {
        assert!(clock.monotonic() < end, "it calls nobody");
        thread::yield_now();
    }
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    add_up(&said);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said["interrupted"], true, "{said}");
    let planned = number(&said, "planned");
    assert!((50..36_000).contains(&planned), "{said}");
    assert!(said["achieved_rate"].as_f64().unwrap() > 50.0, "{said}");
}

#[test]
fn nobody_is_loaded_by_a_command_line_that_cannot_be_meant() {
    let server = Stalling::start(None);
    let url = server.url();
    let secret = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    for (arguments, says) in [
        (&["call", &url, "--rate", "0"][..], "--rate"),
        (
            &["call", &url, "--rate", "100000", "--duration", "24h"],
            "100000000",
        ),
        (&["call", "ftp://a/"], "must be such as https"),
        (
            &["call", "http://user:pw@127.0.0.1:1/"],
            "must name no user",
        ),
        (
            &["call", &url, "--header", "Authorization: Bearer a"],
            "is for a secret",
        ),
        (
            &["call", &url, "--header", "X-Api-Key: a"],
            "is for a secret",
        ),
        (&["call", &url, "--token-file", "/nowhere"], "/nowhere"),
        (
            &[
                "call",
                &url,
                "--audience",
                "edge",
                "--token-file",
                secret.to_str().unwrap(),
            ],
            "--audience",
        ),
        (&["token"], "internal-token"),
    ] {
        let outcome = run(&[&["bench"], arguments].concat());
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{arguments:?}: {outcome:?}"
        );
        assert!(outcome.stderr.contains(says), "{outcome:?}");
    }
    assert_eq!(server.asked(), 0);
}
