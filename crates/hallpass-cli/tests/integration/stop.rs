//! How `hallpass issuer` ends, and what its readers can do to it: nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use crate::process::{command, signal, spawn};

/// The drain delay, the drain limit, and some time for a busy machine.
const LIMIT: Duration = Duration::from_secs(17);
/// A stop that has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// An issuer in `folder`, killed at the end. Nobody reads its log.
struct Issuer {
    child: Child,
    address: SocketAddr,
}

impl Issuer {
    fn start(folder: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let arguments = [&["issuer", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = command(&arguments);
        change(command.current_dir(folder));
        let mut child = spawn(&mut command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()))
            .unwrap();
        let address = address.parse().unwrap();
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        get(self.address, path).unwrap()
    }

    fn ends_within(&mut self, limit: Duration) -> Option<i32> {
        ends_within(&mut self.child, limit)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The exit code, if the child ends by itself in time.
fn ends_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let clock = SystemClock::new();
    let end = clock.monotonic() + limit;
    while clock.monotonic() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::yield_now();
    }
    None
}

/// The whole response.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: i\r\nconnection: close\r\n\r\n"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

/// A configuration with so many secrets that people chose.
fn configuration(clients: usize) -> String {
    let client =
        |n| format!("      - {{ client-id: client-{n}, client-secret: 'chosen by {n}' }}\n");
    let clients: String = (0..clients).map(client).collect();
    format!("hallpass:\n  issuer:\n    clients:\n{clients}")
}

#[test]
fn whoever_does_not_read_the_log_delays_no_request_and_no_stop() {
    for threads in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        // Each refusal is a line for a pipe that nobody reads, and there are more of them than the pipe, the lines that
        // are being written (at most 8,192) and those that wait (as many) are together.
        let mut issuer = Issuer::start(folder.path(), &[], |command| {
            command.env("TOKIO_WORKER_THREADS", threads);
        });
        for _ in 0..13 {
            let mut stream = TcpStream::connect(issuer.address).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let body = "grant_type=client_credentials";
            let one = format!(
                "POST /oauth2/token HTTP/1.1\r\nhost: i\r\ncontent-length: {}\r\n\
                 content-type: application/x-www-form-urlencoded\r\n\r\n{body}",
                body.len()
            );
            let many = one.repeat(1_500);
            let last = "GET /health/live HTTP/1.1\r\nhost: i\r\nconnection: close\r\n\r\n";
            let mut sending = stream.try_clone().unwrap();
            let sent = thread::spawn(move || sending.write_all((many + last).as_bytes()).is_ok());
            let mut responses = String::new();
            stream.read_to_string(&mut responses).unwrap();
            assert_eq!(responses.matches("HTTP/1.1 4").count(), 1_500);
            assert_eq!(responses.matches("HTTP/1.1 200").count(), 1);
            sent.join().unwrap();
        }
        let metrics = issuer.get("/metrics");
        let lost = |name: &str| {
            let mut lines = metrics.lines();
            let count = lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            count.expect(name)
        };
        // An event may be lost on its way to the log, or as a line of it.
        let dropped = lost("hallpass_log_dropped_total") + lost("hallpass_audit_dropped_total");
        assert!(dropped > 0, "{threads} threads");
        signal(&issuer.child, "TERM");
        assert_eq!(issuer.ends_within(LIMIT), Some(0), "{threads} threads");
    }
}

#[test]
fn after_a_stop_signal_readiness_says_no_while_the_rest_goes_on_and_then_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut issuer = Issuer::start(folder.path(), &[], |_| {});
    assert!(issuer.get("/health/ready").starts_with("HTTP/1.1 200"));
    signal(&issuer.child, "TERM");
    // A connection that is refused fails the test: the port stays open.
    while !issuer.get("/health/ready").starts_with("HTTP/1.1 503") {}
    assert!(issuer.get("/oauth2/jwks").starts_with("HTTP/1.1 200"));
    assert!(issuer.get("/health/live").starts_with("HTTP/1.1 200"));
    assert_eq!(issuer.ends_within(LIMIT), Some(0));
}

#[test]
fn a_stop_is_heard_while_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("i.yaml"), configuration(300)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let mut command = command(&["issuer", "--config", "i.yaml", "--listen", &listen]);
    let mut child = spawn(command.current_dir(folder.path()));
    // The socket is there before the work begins.
    while TcpStream::connect(address).is_err() {
        thread::yield_now();
    }
    signal(&child, "TERM");
    let code = ends_within(&mut child, AT_ONCE);
    let _ended = child.kill();
    child.wait().unwrap();
    assert_eq!(code, Some(0));
}

/// An issuer that starts with a pipe in the place of `file` and, where that is another one, names it under `key`.
fn start_with_pipe(folder: &Path, key: &str, file: &str) -> Child {
    let named = format!("{key}: {}\n    clients:", file.trim_end_matches(".key"));
    let text = configuration(1).replace("clients:", &named);
    fs::write(folder.join("i.yaml"), text).unwrap();
    let path = folder.join(file);
    let _gone = fs::remove_file(&path);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut command = command(&["issuer", "--config", "i.yaml", "--listen", "127.0.0.1:0"]);
    spawn(command.current_dir(folder))
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_named_and_no_start_waits_for_it_without_an_end() {
    for (key, file) in [
        ("name", "i.yaml"),
        ("key-encryption-key-file", "secret"),
        ("store", "s.db"),
        ("store", "s.db.key"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start_with_pipe(folder.path(), key, file);
        let code = ends_within(&mut child, LIMIT);
        let _ended = child.kill();
        let log = child.wait_with_output().unwrap().stderr;
        let log = String::from_utf8(log).unwrap();
        assert!(matches!(code, Some(1 | 64)), "{file}: {code:?} {log}");
        let said = log.contains("it is not a file") || log.contains("it is a pipe");
        assert!(
            said && (log.contains(key) || log.contains(file)),
            "{file}: {log}"
        );
    }
}

#[test]
fn a_stop_is_heard_while_the_configuration_is_read() {
    for (key, file) in [("name", "i.yaml"), ("key-encryption-key-file", "secret")] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start_with_pipe(folder.path(), key, file);
        // Once both ends are open the issuer reads, and gets nothing.
        let path = folder.path().join(file);
        let held = fs::File::options().write(true).open(path).unwrap();
        signal(&child, "TERM");
        let code = ends_within(&mut child, AT_ONCE);
        let _ended = child.kill();
        child.wait().unwrap();
        drop(held);
        assert_eq!(code, Some(0), "{file}");
    }
}

#[test]
fn a_stop_is_heard_in_every_state() {
    type Prepare = fn(&Issuer, &Path) -> Option<TcpStream>;
    let states: [(&str, Prepare, Duration); 4] = [
        ("idle", |_, _| None, AT_ONCE),
        (
            "a reload of many secrets",
            |issuer, folder| {
                fs::write(folder.join("i.yaml"), configuration(300)).unwrap();
                signal(&issuer.child, "HUP");
                None
            },
            AT_ONCE,
        ),
        (
            "a connection without a request",
            |issuer, _| TcpStream::connect(issuer.address).ok(),
            AT_ONCE,
        ),
        (
            "a request without an end",
            |issuer, _| {
                let mut stream = TcpStream::connect(issuer.address).unwrap();
                let head = "POST /oauth2/token HTTP/1.1\r\nhost: i\r\nexpect: 100-continue\r\n\
                            content-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                stream.read_exact(&mut [0; 25]).unwrap();
                Some(stream)
            },
            LIMIT,
        ),
    ];
    for (state, prepare, limit) in states {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("i.yaml"), configuration(1)).unwrap();
        let mut issuer = Issuer::start(folder.path(), &["--config", "i.yaml"], |_| {});
        let _held = prepare(&issuer, folder.path());
        signal(&issuer.child, "TERM");
        assert_eq!(issuer.ends_within(limit), Some(0), "{state}");
    }
}

#[test]
fn a_second_signal_ends_the_drain_delay() {
    let folder = tempfile::tempdir().unwrap();
    let long = configuration(1).replace("clients:", "drain-delay-seconds: 300\n    clients:");
    fs::write(folder.path().join("i.yaml"), long).unwrap();
    let mut issuer = Issuer::start(folder.path(), &["--config", "i.yaml"], |_| {});
    signal(&issuer.child, "TERM");
    while !issuer.get("/health/ready").starts_with("HTTP/1.1 503") {}
    signal(&issuer.child, "TERM");
    assert_eq!(issuer.ends_within(AT_ONCE), Some(0));
}

#[test]
fn no_first_client_is_created_when_nobody_can_see_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let start = |stdout: Stdio| {
        let mut command = command(&["issuer", "--listen", "127.0.0.1:0"]);
        let command = command.current_dir(folder.path()).stdin(Stdio::null());
        command
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for stdout in [Stdio::null(), writer.into()] {
        let mut child = start(stdout);
        let code = ends_within(&mut child, LIMIT);
        let _ended = child.kill();
        let outcome = child.wait_with_output().unwrap();
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(code, Some(74), "{said}");
        assert!(said.contains("no client was created"), "{said}");
    }
    let mut child = start(Stdio::piped());
    let (found, shown) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        let secret = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("secret")));
        let _gone = found.send(secret.is_some());
    });
    let shown = shown.recv_timeout(LIMIT);
    let _ended = child.kill();
    child.wait().unwrap();
    assert_eq!(shown, Ok(true), "the client is created at the next start");
}
