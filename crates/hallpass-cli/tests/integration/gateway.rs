//! `hallpass gateway` as a process: what it follows and refuses, and how it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::Algorithm;

use crate::authz::{Authz, LIMIT, get};
use crate::process::{Keys, command, signal};

/// A service that answers each request with `service`; to `/slow` when it is told.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) go_on: mpsc::Sender<()>,
    pub(crate) slow: Arc<AtomicUsize>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (go_on, told) = mpsc::channel();
        let told = Arc::new(std::sync::Mutex::new(told));
        let slow = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&slow);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (told, slow) = (Arc::clone(&told), Arc::clone(&counted));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(head) = read_head(&mut stream) {
                        if head.contains("/slow") {
                            slow.fetch_add(1, Ordering::SeqCst);
                            told.lock().unwrap().recv().unwrap();
                        }
                        let written = stream
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nservice");
                        if written.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            address,
            go_on,
            slow,
        }
    }
}

pub(crate) fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.extend(byte),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// One response to a request on a connection that stays; its status, and its body of seven bytes if it is good.
pub(crate) fn ask(stream: &mut TcpStream, path: &str) -> Option<u16> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").ok()?;
    let head = read_head(stream)?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

fn routes(path: &str) -> String {
    format!(
        "hallpass: {{ gateway: {{ routes: [ {{ name: one, path: '{path}', to: 'lb://orders', identity: relay, rule: anonymous }}, \
         {{ name: slow, path: /slow, to: 'lb://orders', identity: relay, rule: anonymous }} ] }} }}\n"
    )
}

fn start(keys: &Keys, service: &Service) -> (Authz, PathBuf) {
    start_by(command::<&str>(&[]), keys, service)
}

/// By a command that takes the arguments.
fn start_by(mut command: Command, keys: &Keys, service: &Service) -> (Authz, PathBuf) {
    let base = format!(
        "hallpass:\n  service: {{ name: edge }}\n  security: {{ internal-jwt: {{ jwks-file: '{}' }} }}\n  \
         discovery: {{ static: {{ orders: ['{}'] }} }}\n  gateway: {{ drain-delay-seconds: 1 }}\n",
        keys.file(),
        service.address
    );
    let base = keys.beside("base.yaml", base.as_bytes());
    let file = keys.beside("routes.yaml", routes("/one/**").as_bytes());
    command.args([
        "gateway",
        "--listen=127.0.0.1:0",
        "--management-listen=127.0.0.1:0",
        "--watch-seconds=3600",
        &format!("--config={base}"),
        &format!("--config={file}"),
    ]);
    let gateway = Authz::start_by(&mut command);
    gateway.wait_until(|it| get(it.management, "/health/ready").contains(" 200 "));
    (gateway, file.into())
}

#[test]
fn a_route_changes_without_a_lost_request() {
    let (keys, service) = (Keys::new(Algorithm::EdDsa), Service::start());
    let (gateway, file) = start(&keys, &service);
    let (address, is_over) = (gateway.address, Arc::new(AtomicBool::new(false)));
    let asking: Vec<_> = (0..2)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                let mut asked = 0;
                while !is_over.load(Ordering::SeqCst) {
                    // On one connection, which no reload closes.
                    assert_eq!(ask(&mut stream, "/one/a"), Some(200), "request {asked}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for number in 0..10 {
        let other = if number % 2 == 0 {
            "/{one}/**"
        } else {
            "/one/**"
        };
        fs::write(&file, routes(other)).unwrap();
        gateway.reload("ok");
    }
    is_over.store(true, Ordering::SeqCst);
    for asked in asking {
        assert!(asked.join().unwrap() > 0);
    }
    let mut stream = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&mut stream, "/two/a"), Some(401));
    fs::write(&file, routes("/two/**")).unwrap();
    gateway.reload("ok");
    assert_eq!(ask(&mut stream, "/two/a"), Some(200));
    assert_eq!(ask(&mut stream, "/one/a"), Some(401));
}

#[test]
fn a_wrong_file_changes_nothing() {
    let (keys, service) = (Keys::new(Algorithm::EdDsa), Service::start());
    let (gateway, file) = start(&keys, &service);
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    for broken in [
        routes("one"),
        "hallpass: { gateway: { lissten: 1 } }".to_owned(),
        "hallpass: { gateway: { routes: [ { name: a, path: /**, to: 'ftp://a', identity: relay } ] } }".to_owned(),
        "hallpass: [".to_owned(),
    ] {
        fs::write(&file, &broken).unwrap();
        gateway.reload("refused");
        assert_eq!(ask(&mut stream, "/one/a"), Some(200), "{broken}");
    }
}

#[test]
fn health_is_told_when_requests_have_taken_all_descriptors() {
    let (keys, service) = (Keys::new(Algorithm::EdDsa), Service::start());
    let mut few = Command::new("sh");
    few.env_remove("RUST_LOG")
        .args(["-c", r#"ulimit -n 128 && exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_hallpass"));
    let (gateway, _file) = start_by(few, &keys, &service);
    // Three quarters of them are for who comes in, and each wants another one.
    let mut open: Vec<_> = (0..96)
        .map(|_| {
            let mut stream = TcpStream::connect(gateway.address).unwrap();
            let short = Duration::from_millis(20);
            stream.set_read_timeout(Some(short)).unwrap();
            stream
                .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    let clock = SystemClock::new();
    let end = clock.monotonic() + LIMIT;
    let mut is_refused = |stream: &mut TcpStream| {
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).is_ok() && begin.ends_with(b"502")
    };
    while !open.iter_mut().any(&mut is_refused) {
        assert!(clock.monotonic() < end, "nobody was refused");
    }
    for _ in 0..3 {
        assert!(get(gateway.management, "/health/live").contains(" 200 "));
    }
    drop(open);
}

#[test]
fn sigterm_says_503_first_and_finishes_what_runs() {
    sigterm(command::<&str>(&[]));
}

/// By one thread alone, which never waits for what it waits for.
#[test]
fn sigterm_does_the_same_where_there_is_one_processor() {
    sigterm(on_one_processor());
}

fn on_one_processor() -> Command {
    let mut one = Command::new("sh");
    let first = r#"$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')"#;
    one.env_remove("RUST_LOG")
        .args(["-c", &format!(r#"exec taskset -c "{first}" "$0" "$@""#)])
        .arg(env!("CARGO_BIN_EXE_hallpass"));
    one
}

#[test]
fn what_a_reload_waits_for_keeps_no_request_waiting_where_there_is_one_processor() {
    let (keys, service) = (Keys::new(Algorithm::EdDsa), Service::start());
    let (gateway, file) = start_by(on_one_processor(), &keys, &service);
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    // The pipe is read for five seconds.
    stream
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let pipe = keys.beside("ca.pem", b"");
    fs::remove_file(&pipe).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let slow = format!("hallpass: {{ tls: {{ ca-file: '{pipe}' }}, ");
    let text = routes("/one/**").replace("hallpass: { ", &slow);
    fs::write(&file, text).unwrap();
    signal(&gateway.child, "HUP");
    // Once both ends are open the gateway reads, and gets nothing.
    let held = fs::File::options().write(true).open(&pipe).unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&mut stream, "/one/a"), Some(200));
    }
    drop(held);
    let refused = r#"hallpass_config_reloads_total{result="refused"}"#;
    gateway.wait_until(|it| it.sample(refused) > 0.0);
}

fn sigterm(command: Command) {
    let (keys, service) = (Keys::new(Algorithm::EdDsa), Service::start());
    let (mut gateway, _file) = start_by(command, &keys, &service);
    let address = gateway.address;
    let slow = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        ask(&mut stream, "/slow")
    });
    gateway.wait_until(|_| service.slow.load(Ordering::SeqCst) == 1);
    signal(&gateway.child, "TERM");
    gateway.wait_until(|it| get(it.management, "/health/ready").contains(" 503 "));
    // New connections are taken while whoever sends them has not heard of it yet.
    let mut late = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&mut late, "/one/a"), Some(200));
    service.go_on.send(()).unwrap();
    assert_eq!(slow.join().unwrap(), Some(200));
    let clock = SystemClock::new();
    let end = clock.monotonic() + LIMIT;
    let code = loop {
        if let Some(status) = gateway.child.try_wait().unwrap() {
            break status.code();
        }
        assert!(clock.monotonic() < end, "it does not end");
        thread::yield_now();
    };
    assert_eq!(code, Some(0));
}
