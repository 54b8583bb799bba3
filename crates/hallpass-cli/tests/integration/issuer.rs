//! `hallpass issuer` and `hallpass key import`

use std::fs;
use std::io::{self, BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::upstream::{Body, HttpTransport};
use serde_json::Value;
use tower::ServiceExt;

use crate::kept;
use crate::process::{command, run, run_with, signal, spawn};

/// An issuer in a folder of its own, killed at the end.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: Vec<String>,
    log: Lines<BufReader<Overheard>>,
}

/// A log, of which what is read is kept: no secret of a test may stand in it.
pub(crate) struct Overheard(ChildStderr);

impl Read for Overheard {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        kept::output(&into[..count]);
        Ok(count)
    }
}

impl Running {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let arguments = [&["issuer", "--listen", "127.0.0.1:0"], arguments].concat();
        Self::start_by(command(&arguments).current_dir(folder))
    }

    /// Starts what says on standard output where it listens.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while !said
            .last()
            .is_some_and(|line: &String| line.starts_with("listening on "))
        {
            said.push(lines.next().expect("says where it listens").unwrap());
        }
        kept::secrets_in(&said.join("\n"));
        let log = BufReader::new(Overheard(child.stderr.take().unwrap())).lines();
        Self { child, said, log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let tokens = self.shown("tokens").unwrap();
        format!("{}{path}", tokens.strip_suffix("/oauth2/token").unwrap())
    }

    /// The value that the introduction shows beside `label`.
    pub(crate) fn shown(&self, label: &str) -> Option<&str> {
        self.said
            .iter()
            .find_map(|line| line.trim().strip_prefix(label))
            .map(str::trim)
    }

    /// All that it says about itself when it starts, and on which address it listens.
    pub(crate) fn introduction(&self) -> String {
        self.said.join("\n")
    }

    pub(crate) fn address(&self) -> &str {
        self.shown("listening on ").unwrap()
    }

    pub(crate) fn key_ids(&self) -> Vec<String> {
        let keys = get(&self.url("/oauth2/jwks"));
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What is served at `path`.
    pub(crate) fn get(&self, path: &str) -> String {
        String::from_utf8(get_bytes(&self.url(path))).unwrap()
    }

    /// The value of one line of `/metrics`, named without the prefix.
    pub(crate) fn metric(&self, name: &str) -> String {
        let text = String::from_utf8(get_bytes(&self.url("/metrics"))).unwrap();
        let line = |line: &str| {
            let value = line.strip_prefix("hallpass_")?.strip_prefix(name)?;
            Some(value.strip_prefix(' ')?.to_owned())
        };
        text.lines().find_map(line).expect(name)
    }

    pub(crate) fn wait_for_log(&mut self, text: &str) {
        assert!(self.log.any(|line| line.unwrap().contains(text)), "{text}");
    }

    pub(crate) fn stop(mut self) -> i32 {
        signal(&self.child, "TERM");
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn get(url: &str) -> Value {
    serde_json::from_slice(&get_bytes(url)).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn get_bytes(url: &str) -> Vec<u8> {
    let request = http::Request::get(url).body(Body::empty()).unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    let body = response.into_body().collect_within(100_000).await.unwrap();
    body.to_vec()
}

#[test]
fn a_start_whose_output_nobody_reads_creates_no_client() {
    let folder = tempfile::tempdir().unwrap();
    let mut start = command(&["issuer", "--listen", "127.0.0.1:0"]);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = start
        .current_dir(folder.path())
        .stdout(writer)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(74));
    let next = Running::start(folder.path(), &[]);
    assert!(next.shown("client secret").is_some(), "{:?}", next.said);
    assert_eq!(next.stop(), 0);
}

#[test]
fn where_administrators_are_served_is_said_and_stands_in_the_help() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("issuer.yaml");
    let text = "hallpass: { issuer: { admin: { listen: 127.0.0.1:0 } } }";
    fs::write(&config, text).unwrap();
    let issuer = Running::start(folder.path(), &["--config", config.to_str().unwrap()]);
    let at = issuer.shown("admin  ").unwrap().to_owned();
    let problem = String::from_utf8(get_bytes(&format!("{at}/status"))).unwrap();
    assert!(
        problem.contains("\"missing_credentials\""),
        "{at}: {problem}"
    );
    assert_eq!(issuer.stop(), 0);
    let without = Running::start(folder.path(), &[]);
    assert_eq!(without.shown("admin  "), None);
    assert_eq!(without.stop(), 0);
    let help = run(&["issuer", "--help"]).stdout;
    assert!(help.contains("issuer.admin.listen"), "{help}");
}

#[test]
fn the_first_start_creates_a_client_and_later_ones_keep_it_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path(), &[]);
    assert_eq!(first.shown("client id"), Some("internal-service-client"));
    assert!(
        first
            .shown("client secret")
            .is_some_and(|secret| secret.len() >= 43)
    );
    let keys = first.key_ids();
    assert_eq!(first.stop(), 0);

    let second = Running::start(folder.path(), &[]);
    assert_eq!(second.shown("client secret"), None, "{:?}", second.said);
    assert_eq!(second.key_ids(), keys);
    assert_eq!(second.stop(), 0);
}

#[test]
fn an_imported_key_is_published_after_a_hangup_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut issuer = Running::start(folder.path(), &[]);
    let old = issuer.key_ids();
    let key = serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "moved", "alg": "EdDSA",
        // RFC 8037 appendix A.1.
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let store = folder.path().join("hallpass.db");
    let arguments = ["key", "import", "-", "--store", store.to_str().unwrap()];
    let outcome = run_with(&arguments, key.to_string().as_bytes());
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("moved"), "{outcome:?}");
    assert!(!outcome.stdout.contains("nWGxne_9"), "no private part");

    signal(&issuer.child, "HUP");
    issuer.wait_for_log("loaded again");
    let keys = issuer.key_ids();
    assert!(
        keys.contains(&"moved".to_owned()) && keys.contains(&old[0]),
        "{keys:?}"
    );
    assert_eq!(issuer.stop(), 0);
}

/// A configuration with so many clients, each with a generated secret.
fn configuration(clients: usize) -> String {
    let client = |n| {
        format!(
            "      - {{ client-id: client-{n}, client-secret: {n}-0123456789abcdef0123456789abcdef, \
             secret-kind: generated, audiences: [service-system] }}\n"
        )
    };
    let clients: String = (0..clients).map(client).collect();
    format!("hallpass:\n  issuer:\n    token-life-seconds: 60\n    clients:\n{clients}")
}

#[test]
fn a_changed_file_is_taken_without_a_signal_and_a_broken_one_keeps_the_last_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("issuer.yaml");
    fs::write(&file, configuration(1)).unwrap();
    let arguments = ["--config", "issuer.yaml", "--watch-seconds", "1"];
    let mut issuer = Running::start(folder.path(), &arguments);
    assert_eq!(issuer.metric("issuer_clients"), "1");

    fs::write(&file, configuration(2)).unwrap();
    issuer.wait_for_log("loaded again");
    assert_eq!(issuer.metric("issuer_clients"), "2");
    let success = issuer.metric("config_last_reload_success_timestamp_seconds");

    let broken = configuration(3).replace("client-id: client-1", "client-id: client-0");
    fs::write(&file, broken).unwrap();
    // One line says both: that the last good one stays in effect, and why.
    issuer.wait_for_log("client-id: is the same as in an entry before");
    assert_eq!(issuer.metric("issuer_clients"), "2");
    let refused = issuer.metric("config_reloads_total{result=\"refused\"}");
    assert_eq!(refused, "1");
    assert_eq!(
        issuer.metric("config_last_reload_success_timestamp_seconds"),
        success
    );

    fs::write(&file, configuration(3)).unwrap();
    issuer.wait_for_log("loaded again");
    assert_eq!(issuer.metric("issuer_clients"), "3");
    assert_eq!(issuer.metric("config_reloads_total{result=\"ok\"}"), "2");

    let listen = configuration(3).replace(
        "issuer:",
        "issuer:\n    listen: 127.0.0.1:1\n    name: other",
    );
    fs::write(&file, listen).unwrap();
    issuer.wait_for_log("needs a restart");
    assert_eq!(issuer.stop(), 0);
}

/// How long a file must stay as it is before it is loaded.
const SETTLING: Duration = Duration::from_millis(200);

#[test]
fn a_file_that_is_being_written_is_not_taken_before_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("issuer.yaml");
    fs::write(&file, configuration(2)).unwrap();
    let arguments = ["--config", "issuer.yaml", "--watch-seconds", "1"];
    let mut issuer = Running::start(folder.path(), &arguments);
    let clock = SystemClock::new();
    let (mut part, mut rounds) = (0, 0);
    loop {
        // A writer that makes a part of the file over and over, longer than the issuer waits for its next look.
        let until = clock.monotonic() + Duration::from_millis(2_500);
        let mut written = clock.monotonic();
        let mut longest = Duration::ZERO;
        let mut clients = Vec::new();
        while clock.monotonic() < until {
            part += 1;
            fs::write(&file, format!("{}# part {part}\n", configuration(1))).unwrap();
            let before = std::mem::replace(&mut written, clock.monotonic());
            longest = longest.max(written - before);
            clients.push(issuer.metric("issuer_clients"));
            // What was asked for may take as long: the last part stays as it is until then.
            longest = longest.max(clock.monotonic() - written);
        }
        if clients.iter().all(|it| it == "2") {
            break;
        }
        // A machine that keeps the writer from writing makes of it one that has ended: that proves nothing.
        assert!(longest >= SETTLING, "taken in the middle: {longest:?}");
        rounds += 1;
        assert!(rounds < 20, "the writer is kept from writing");
        fs::write(&file, configuration(2)).unwrap();
        let clock = SystemClock::new();
        let end = clock.monotonic() + Duration::from_secs(20);
        while issuer.metric("issuer_clients") != "2" {
            assert!(clock.monotonic() < end, "not in time");
        }
    }
    fs::write(&file, configuration(3)).unwrap();
    issuer.wait_for_log("loaded again");
    assert_eq!(issuer.metric("issuer_clients"), "3");
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn what_is_no_key_is_refused_with_64() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    for text in [&b"<html>"[..], b"{}", b"\xff", b"", b"{\"keys\":[]}"] {
        let outcome = run_with(&["key", "import", "-", "--store", store], text);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{outcome:?}"
        );
    }
    assert_eq!(
        run(&["key", "import", "/no/such/file", "--store", store]).code,
        64
    );
}

#[test]
fn a_taken_port_is_told_before_the_store_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let store = folder.path().join("hallpass.db");
    let outcome = run(&[
        "issuer",
        "--listen",
        &address,
        "--store",
        store.to_str().unwrap(),
    ]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (1, ""),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains(&address), "{outcome:?}");
    assert!(!store.exists());
}
