//! What an outage does to a running `hallpass authz`: to its files, its descriptors, its readers, and to what it asks.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::Algorithm;

use crate::authz::{Authz, LIMIT, arguments, files, rules};
use crate::process::{Keys, command, signal};

/// Puts something into the place of a file.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 6] = [
    ("emptied, as by a disk that is full", |file| {
        fs::write(file, "").unwrap();
    }),
    ("left with a comment", |file| {
        fs::write(file, "# rules\n").unwrap();
    }),
    ("cut in the middle of a line", |file| {
        let text = rules("/two");
        fs::write(file, &text[..text.len() / 2]).unwrap();
    }),
    ("removed", |file| fs::remove_file(file).unwrap()),
    ("a folder", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    }),
    ("a link to nothing", |file| {
        fs::remove_file(file).unwrap();
        std::os::unix::fs::symlink("nowhere", file).unwrap();
    }),
];

#[test]
fn rules_that_are_lost_stay_as_they_were_until_they_are_back() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let authz = Authz::start(&[&base, &file]);
    for (damage, cause) in DAMAGES {
        cause(&file);
        authz.reload("refused");
        let statuses = [authz.status_of("/one"), authz.status_of("/two")];
        assert_eq!(statuses, [200, 401], "{damage}");
        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        }
        let _gone = fs::remove_file(&file);
        fs::write(&file, rules("/one")).unwrap();
        authz.reload("ok");
        assert_eq!(authz.status_of("/one"), 200, "{damage}");
    }
}

/// Opens so many connections; those that are not closed at once stay open with the result.
fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _connection in 0..count {
        let mut stream = TcpStream::connect(address).unwrap();
        let short = Duration::from_millis(20);
        stream.set_read_timeout(Some(short)).unwrap();
        let end = stream.read(&mut [0]);
        if end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            open.push(stream);
        }
    }
    open
}

#[test]
fn proxies_that_take_all_connections_leave_descriptors_for_new_rules() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let grpc = free.local_addr().unwrap();
    drop(free);
    let mut start = Command::new("sh");
    start
        .env_remove("RUST_LOG")
        .args(["-c", r#"ulimit -n 128 && exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_hallpass"))
        .args(arguments(&[&base, &file]))
        .arg(format!("--grpc-listen={grpc}"));
    let authz = Authz::start_by(&mut start);
    let mut open = connect(authz.address, 100);
    open.extend(connect(grpc, 100));
    assert!(open.len() >= 96, "{}", open.len());
    // Three quarters, whatever they speak. A refusal may take its time to be seen.
    assert_eq!(authz.sample("hallpass_authz_connections"), 96.0);
    fs::write(&file, rules("/two")).unwrap();
    authz.reload("ok");
    assert_eq!(
        authz.sample("hallpass_config_reloads_total{result=\"refused\"}"),
        0.0
    );
}

#[test]
fn who_holds_connections_for_metrics_keeps_nobody_else_from_asking_for_health() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let authz = Authz::start(&[&base, &file]);
    let held = connect(authz.management, 200);
    assert!(!held.is_empty());
    // 127.0.0.2 is another address of this machine.
    let port = authz.management.port();
    let answer = Command::new("curl")
        .args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"])
        .args(["--interface", "127.0.0.2"])
        .arg(format!("http://127.0.0.1:{port}/health/live"))
        .output();
    match answer {
        Ok(answer) => assert_eq!(String::from_utf8_lossy(&answer.stdout), "200"),
        Err(_) => eprintln!("SKIPPED: there is no curl"),
    }
}

#[test]
fn whoever_does_not_read_its_log_delays_no_decision_and_no_stop() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let mut authz = Authz::start(&[&base, &file]);
    // Each refusal is a line for a pipe that nobody reads.
    for _ in 0..13 {
        let mut stream = TcpStream::connect(authz.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let many = "GET /authz/envoy/two HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2_000);
        let last = "GET /authz/envoy/one HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let mut sending = stream.try_clone().unwrap();
        let sent = std::thread::spawn(move || sending.write_all((many + last).as_bytes()).is_ok());
        let mut responses = String::new();
        stream.read_to_string(&mut responses).unwrap();
        assert_eq!(responses.matches("HTTP/1.1 401").count(), 2_000);
        assert_eq!(responses.matches("HTTP/1.1 200").count(), 1);
        assert!(sent.join().unwrap());
    }
    let dropped = ["log", "audit"].map(|it| authz.sample(&format!("hallpass_{it}_dropped_total")));
    assert!(dropped.iter().sum::<f64>() > 0.0, "{dropped:?}");
    signal(&authz.child, "TERM");
    assert_eq!(ends_within(&mut authz, LIMIT), Some(0));
}

fn ends_within(authz: &mut Authz, limit: Duration) -> Option<i32> {
    let clock = SystemClock::new();
    let end = clock.monotonic() + limit;
    while clock.monotonic() < end {
        if let Some(status) = authz.child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::yield_now();
    }
    None
}

/// An issuer that takes connections and never says anything.
struct Silent(TcpListener);

impl Silent {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn configuration(&self, keys: &Keys) -> String {
        let address = self.0.local_addr().unwrap();
        format!(
            "hallpass:
  service: {{ name: edge }}
  internal-token: {{ client-id: edge, client-secret: EdgeSecret123!, token-url: 'http://{address}/oauth2/token' }}
  security: {{ internal-jwt: {{ jwks-file: '{}', routes: [ {{ path: /one, rule: anonymous }} ] }} }}
  authz:
    drain-delay-seconds: 0
    decision-timeout-ms: 1500
    upstreams: [ {{ identity: service, audience: stock-service }} ]
",
            keys.file()
        )
    }
}

#[test]
fn a_stop_answers_the_question_that_waits_for_a_token_and_ends() {
    let keys = Keys::new(Algorithm::EdDsa);
    let silent = Silent::start();
    let file = keys.beside("silent.yaml", silent.configuration(&keys).as_bytes());
    let mut authz = Authz::start(&[Path::new(&file)]);
    let mut asking = TcpStream::connect(authz.address).unwrap();
    asking.set_read_timeout(Some(LIMIT)).unwrap();
    write!(asking, "GET /authz/envoy/one HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    // It asks for the token, so the question is under way.
    let (_held, _) = silent.0.accept().unwrap();
    signal(&authz.child, "TERM");
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert_eq!(ends_within(&mut authz, LIMIT), Some(0));
}

#[test]
fn who_gives_up_in_the_middle_of_a_question_leaves_nothing_behind() {
    let keys = Keys::new(Algorithm::EdDsa);
    let silent = Silent::start();
    let file = keys.beside("silent.yaml", silent.configuration(&keys).as_bytes());
    let authz = Authz::start(&[Path::new(&file)]);
    let mut gone = Vec::new();
    for _ in 0..50 {
        let mut asking = TcpStream::connect(authz.address).unwrap();
        write!(asking, "GET /authz/envoy/one HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        gone.push(asking);
    }
    authz.wait_until(|it| it.sample("hallpass_authz_connections") >= 50.0);
    drop(gone);
    authz.wait_until(|it| it.sample("hallpass_authz_connections") == 0.0);
}

/// No proxy says that it was not told: it passes on what its caller wrote.
#[test]
fn it_warns_of_what_proxies_must_be_told_of_the_tenant() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let rules = fs::read_to_string(&file).unwrap();
    let tenants = "  context: { headers: [X-Tenant-Id], tenant: { header: X-Tenant-Id } }\n";
    let text = fs::read_to_string(&base).unwrap();
    let with_tenants = keys.beside("tenants.yaml", (text + tenants).as_bytes());
    for (base, warns) in [(base, 0), (with_tenants.into(), 1)] {
        let mut authz = Authz::start(&[&base, &file]);
        // One that says the same again is no news.
        fs::write(&file, format!("{rules}# changed\n")).unwrap();
        authz.reload("ok");
        signal(&authz.child, "TERM");
        let mut said = String::new();
        let mut log = authz.child.stderr.take().unwrap();
        log.read_to_string(&mut said).unwrap();
        let lines = said.lines().filter(|it| it.contains("x-tenant-id"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), warns, "{said}");
        assert!(lines.iter().all(|it| it.contains("every proxy must")));
    }
}

#[test]
fn each_of_its_addresses_is_named_when_it_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--grpc-listen", "--management-listen"] {
        let mut arguments = arguments(&[]);
        arguments.retain(|it| !it.starts_with(&format!("{option}=")));
        arguments.push(format!("{option}={address}"));
        let outcome = command(&arguments).output().unwrap();
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(
            (outcome.status.code(), outcome.stdout.as_slice()),
            (Some(1), &b""[..]),
            "{said}"
        );
        assert!(said.contains(&address), "{said}");
    }
}

#[test]
fn its_audit_file_is_rotated_without_a_lost_event_and_one_that_is_lost_is_counted() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let audit = keys.beside("audit.jsonl", b"");
    let moved = format!("{audit}.1");
    let more = format!("hallpass: {{ security: {{ internal-jwt: {{ audit-file: '{audit}' }} }} }}");
    let more = keys.beside("audit.yaml", more.as_bytes());
    let authz = Authz::start(&[&base, &file, Path::new(&more)]);
    let lines = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.matches("\"event\":\"call_judged\"").count()
    };
    assert_eq!(authz.status_of("/one"), 200);
    assert_eq!(authz.status_of("/two"), 401);
    authz.wait_until(|_| lines(&audit) == 2);
    fs::rename(&audit, &moved).unwrap();
    assert_eq!(authz.status_of("/two"), 401);
    authz.wait_until(|_| lines(&audit) == 1);
    assert_eq!(lines(&moved), 2);
    fs::remove_file(&audit).unwrap();
    fs::create_dir(&audit).unwrap();
    assert_eq!(authz.status_of("/one"), 200);
    authz.wait_until(|it| it.sample("hallpass_audit_dropped_total") == 1.0);
    fs::remove_dir(&audit).unwrap();
    assert_eq!(authz.status_of("/one"), 200);
    authz.wait_until(|_| lines(&audit) == 1);
}
