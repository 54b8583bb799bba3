//! `hallpass sidecar` as a process: what it follows and refuses, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::Algorithm;

use crate::authz::{LIMIT, get};
use crate::gateway::{Service, ask, read_head};
use crate::process::{Keys, command, run, signal, spawn};

/// A sidecar, killed at the end.
struct Beside {
    child: Child,
    management: SocketAddr,
    inbound: SocketAddr,
    /// The port of the service `stock`.
    stock: SocketAddr,
    file: PathBuf,
}

/// What is changed: a rule, and more of what the program calls.
fn change(path: &str, more: &str) -> String {
    format!(
        "hallpass: {{ security: {{ internal-jwt: {{ routes: [ {{ path: '{path}', rule: anonymous }}, {{ path: /slow, rule: anonymous }} ] }} }}, \
         sidecar: {{ outbound: {{ listen: '127.0.0.1:0', services: [ {{ name: stock, listen: '127.0.0.1:0', identity: none }} ]{more} }} }} }}\n"
    )
}

impl Beside {
    fn start(keys: &Keys, program: &Service, stock: &Service, drain: &str) -> Self {
        let base = format!(
            "hallpass:\n  service: {{ name: order-service }}\n  security: {{ internal-jwt: {{ jwks-file: '{}' }} }}\n  \
             discovery: {{ static: {{ stock: ['{}'] }} }}\n  sidecar:\n    management: {{ listen: '127.0.0.1:0' }}\n    {drain}\n    \
             inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}' }}\n",
            keys.file(),
            stock.address,
            program.address
        );
        let base = keys.beside("base.yaml", base.as_bytes());
        let file = keys.beside("change.yaml", change("/one/**", "").as_bytes());
        let mut command = command(&[
            "sidecar",
            "--watch-seconds=3600",
            &format!("--config={base}"),
            &format!("--config={file}"),
        ]);
        let mut child = spawn(&mut command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |begin: &str| -> SocketAddr {
            let line = lines.find_map(|line| Some(line.unwrap().strip_prefix(begin)?.to_owned()));
            let line = line.unwrap();
            line.split('/').next().unwrap().parse().unwrap()
        };
        let management = next("health   http://");
        let inbound = next("inbound  ");
        let _proxy = next("outbound ");
        let beside = Self {
            management,
            inbound,
            stock: next("outbound "),
            child,
            file: file.into(),
        };
        beside.wait_until(|it| get(it.management, "/health/ready").contains(" 200 "));
        beside
    }

    fn sample(&self, name: &str) -> f64 {
        let text = get(self.management, "/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// This text in place of the file, SIGHUP, and until it was worked on.
    fn reload(&self, text: &str, result: &str) {
        fs::write(&self.file, text).unwrap();
        let name = format!("hallpass_config_reloads_total{{result=\"{result}\"}}");
        let before = self.sample(&name);
        signal(&self.child, "HUP");
        self.wait_until(|it| it.sample(&name) > before);
    }

    fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let clock = SystemClock::new();
        let end = clock.monotonic() + LIMIT;
        while !is_so(self) {
            assert!(clock.monotonic() < end, "not in time");
            thread::yield_now();
        }
    }

    fn code(&mut self) -> Option<i32> {
        let clock = SystemClock::new();
        let end = clock.monotonic() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(clock.monotonic() < end, "it does not end");
            thread::yield_now();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection that stays.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// What the program sends to the port of the service.
fn call(stream: &mut TcpStream) -> Option<u16> {
    write!(stream, "GET /stock/1 HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
    let head = read_head(stream)?;
    let mut body = [0; 7];
    stream.read_exact(&mut body).ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

/// A connection that has been used and stands idle: it ends when no more is taken.
fn idle(address: SocketAddr) -> TcpStream {
    let mut idle = connect(address);
    assert_eq!(ask(&mut idle, "/one/a"), Some(200));
    idle
}

fn ends(mut idle: &TcpStream) {
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
}

/// Sends the request that the program answers when it is told to.
fn slow(address: SocketAddr) -> thread::JoinHandle<Option<u16>> {
    thread::spawn(move || ask(&mut connect(address), "/slow"))
}

#[test]
fn a_change_is_taken_without_a_lost_call_on_either_side() {
    let (keys, program) = (Keys::new(Algorithm::EdDsa), Service::start());
    let stock = Service::start();
    let beside = Beside::start(&keys, &program, &stock, "drain-delay-seconds: 0");
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = |ask: fn(&mut TcpStream) -> Option<u16>, address| {
        let is_over = Arc::clone(&is_over);
        thread::spawn(move || {
            let (mut stream, mut asked) = (connect(address), 0);
            while !is_over.load(Ordering::SeqCst) {
                // On one connection, which no reload closes.
                assert_eq!(ask(&mut stream), Some(200), "request {asked}");
                asked += 1;
            }
            asked
        })
    };
    let callers = asking(|stream| ask(stream, "/one/a"), beside.inbound);
    let sent = asking(call, beside.stock);
    for number in 0..10 {
        let (path, more) = match number % 2 {
            0 => ("/{one}/**", ", pass-through: ['192.0.2.1:80']"),
            _ => ("/one/**", ""),
        };
        beside.reload(&change(path, more), "ok");
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(callers.join().unwrap() > 0 && sent.join().unwrap() > 0);
    let mut stream = connect(beside.inbound);
    assert_eq!(ask(&mut stream, "/two/a"), Some(401));
    beside.reload(&change("/two/**", ""), "ok");
    assert_eq!(ask(&mut stream, "/two/a"), Some(200));
    assert_eq!(ask(&mut stream, "/one/a"), Some(401));
}

#[test]
fn a_wrong_file_changes_nothing_of_a_sidecar() {
    let (keys, program) = (Keys::new(Algorithm::EdDsa), Service::start());
    let beside = Beside::start(&keys, &program, &program, "drain-delay-seconds: 0");
    let (mut stream, mut port) = (connect(beside.inbound), connect(beside.stock));
    for broken in [
        change("one", ""),
        change("/two/**", ", pass-through: ['localhost:80']"),
        change("/two/**", ", connect: ['169.254.169.254:80']"),
        change("/two/**", ", connect: ['stock:443']"),
        change("/two/**", "").replace("identity: none", "identity: everybody"),
        "hallpass: [".to_owned(),
    ] {
        beside.reload(&broken, "refused");
        assert_eq!(ask(&mut stream, "/one/a"), Some(200), "{broken}");
        assert_eq!(ask(&mut stream, "/two/a"), Some(401), "{broken}");
        assert_eq!(call(&mut port), Some(200), "{broken}");
    }
}

#[test]
fn at_its_end_what_has_come_in_is_finished_and_the_program_may_call_others_until_then() {
    let (keys, program) = (Keys::new(Algorithm::EdDsa), Service::start());
    let stock = Service::start();
    let mut beside = Beside::start(&keys, &program, &stock, "drain-delay-seconds: 1");
    let (slow, idle) = (slow(beside.inbound), idle(beside.inbound));
    beside.wait_until(|_| program.slow.load(Ordering::SeqCst) == 1);
    signal(&beside.child, "TERM");
    beside.wait_until(|it| get(it.management, "/health/ready").contains(" 503 "));
    // After the delay no more is taken.
    ends(&idle);
    assert!(get(beside.management, "/health/ready").contains(" 503 "));
    // Who is served still calls others.
    assert_eq!(call(&mut connect(beside.stock)), Some(200));
    program.go_on.send(()).unwrap();
    assert_eq!(slow.join().unwrap(), Some(200));
    assert_eq!(beside.code(), Some(0));
}

#[test]
fn a_further_signal_ends_each_wait_of_a_sidecar() {
    let (keys, program) = (Keys::new(Algorithm::EdDsa), Service::start());
    let long = "drain-delay-seconds: 3000\n    drain-limit-seconds: 3000";
    for first in ["TERM", "INT"] {
        let mut beside = Beside::start(&keys, &program, &program, long);
        let before = program.slow.load(Ordering::SeqCst);
        let (slow, idle) = (slow(beside.inbound), idle(beside.inbound));
        beside.wait_until(|_| program.slow.load(Ordering::SeqCst) > before);
        signal(&beside.child, first);
        beside.wait_until(|it| get(it.management, "/health/ready").contains(" 503 "));
        if first == "TERM" {
            signal(&beside.child, "TERM");
        }
        // No more is taken; what has come in is still under way.
        ends(&idle);
        assert!(beside.child.try_wait().unwrap().is_none() && !slow.is_finished());
        signal(&beside.child, "TERM");
        assert_eq!(beside.code(), Some(0), "{first}");
        assert_eq!(slow.join().unwrap(), None);
        program.go_on.send(()).unwrap();
    }
}

#[test]
fn every_fault_of_the_section_of_a_sidecar_is_said_at_once() {
    let keys = Keys::new(Algorithm::EdDsa);
    let yaml = "
hallpass:
  sidecar:
    management: { listen: nowhere }
    access-log: { level: most }
    inbound: { forward-to: 'http://10.0.0.1:80' }
    outbound:
      listen: 0.0.0.0:15001
      pass-through: ['metrics.example']
      connect: ['169.254.169.254:80']
      services:
        - { name: a, identity: exchange, when-absent: perhaps }
        - { name: inbound, identity: everything }
";
    let file = keys.beside("broken.yaml", yaml.as_bytes());
    let outcome = run(&["sidecar", "--config", &file]);
    assert_eq!(outcome.code, 64, "{outcome:?}");
    for key in [
        "sidecar.management.listen",
        "sidecar.access-log.level",
        "sidecar.inbound.forward-to",
        "sidecar.outbound.listen",
        "sidecar.outbound.pass-through[0]",
        "sidecar.outbound.connect[0]",
        "sidecar.outbound.services[0].when-absent",
        "sidecar.outbound.services[1].identity",
    ] {
        assert!(outcome.stderr.contains(key), "{key}: {}", outcome.stderr);
    }
}

/// The blocks of a page in this language, and what its commands write into files.
fn blocks(language: &str) -> Vec<String> {
    let page = include_str!("../../../../docs/sidecar.md");
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn what_the_page_about_sidecars_shows_can_be_used() {
    let keys = Keys::new(Algorithm::EdDsa);
    let written: Vec<_> = blocks("sh")
        .iter()
        .flat_map(|block| block.split("<<'YAML'\n").skip(1))
        .map(|rest| rest.split("\nYAML\n").next().unwrap().to_owned())
        .collect();
    assert_eq!(written.len(), 2, "an issuer and a sidecar");
    let mut of_others = 0;
    for text in blocks("yaml").iter().chain(&written) {
        if !text.contains("hallpass:\n") {
            // It is for other programs: at least it is YAML.
            let loader = Loader::new("hallpass").text("page", text);
            let read = loader.load_part::<hallpass::Settings>();
            assert!(read.is_ok(), "{text}: {}", read.unwrap_err());
            of_others += 1;
            continue;
        }
        for secret in ["/run/secrets/order", "/etc/hallpass/ca.crt"] {
            assert!(!PathBuf::from(secret).exists());
        }
        let here = keys.beside("secret", b"OrderSecret123!");
        let text = text.replace("/run/secrets/order", &here);
        let text = text.replace("  tls: { ca-file: /etc/hallpass/ca.crt }\n", "");
        let file = keys.beside("page.yaml", text.as_bytes());
        let outcome = run(&["config", "check", &file]);
        assert_eq!(outcome.code, 0, "{text}\n{outcome:?}");
        assert_eq!(outcome.stderr, "", "{text}");
    }
    assert_eq!(of_others, 2, "a pod and Docker Compose");
}
