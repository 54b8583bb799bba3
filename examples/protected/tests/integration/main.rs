//! The program as a child process. What it does with tokens is tested end to end, with a real issuer.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

#[test]
fn missing_and_wrong_variables_are_told_all_together() {
    let output = Command::new(env!("CARGO_BIN_EXE_protected"))
        .env_clear()
        .envs([
            ("JWKS_URL", "http://issuer.example/jwks"),
            ("LEEWAY", "soon"),
            ("ACCEPT_UNTYPED", "perhaps"),
            ("RUST_LOG", "hallpass=loud"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(64), 0),
        "{said}"
    );
    for name in [
        "ISSUER",
        "AUDIENCE",
        "JWKS_URL",
        "LEEWAY",
        "ACCEPT_UNTYPED",
        "RUST_LOG",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

/// The program at work, killed at the end.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(log: Option<&str>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_protected"))
            .env_clear()
            .envs([
                ("ISSUER", "internal"),
                ("AUDIENCE", "shop"),
                ("JWKS_FILE", "absent.json"),
                ("LISTEN", "127.0.0.1:0"),
            ])
            .envs(log.map(|log| ("RUST_LOG", log)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.as_mut().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap();
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// What it logs while it refuses a call without a token, to the last line: those are written at an orderly end.
    fn log_of_a_refusal(mut self) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let request = b"GET /orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
        connection.write_all(request).unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 401"), "{response}");
        let id = self.child.id().to_string();
        let stop = Command::new("sh")
            .args(["-c", r#"kill -s TERM "$0""#, &id])
            .status();
        assert!(stop.unwrap().success());
        let mut log = String::new();
        let logged = self.child.stderr.take().unwrap();
        BufReader::new(logged).read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_refusal_leaves_one_line_with_its_reason() {
    let log = Running::start(None).log_of_a_refusal();
    let lines: Vec<_> = log
        .lines()
        .filter(|it| it.contains("missing_token"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("deny"), "{log}");
}

#[test]
fn the_log_filter_of_the_environment_counts() {
    assert_eq!(Running::start(Some("off")).log_of_a_refusal(), "");
    let log = Running::start(Some("info")).log_of_a_refusal();
    assert!(log.contains("route rule"), "{log}");
}
