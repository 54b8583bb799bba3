//! `hallpass authz` as a process: what it reads, follows and refuses, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::Algorithm;

use crate::process::{Keys, command, run, signal, spawn};

/// For what a busy machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Authz {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) management: SocketAddr,
}

impl Authz {
    pub(crate) fn start(files: &[&Path]) -> Self {
        Self::start_by(&mut command(&arguments(files)))
    }

    /// Starts what says on standard output where it listens.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        let mut child = spawn(command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |begin: &str, end: &str| {
            let line = lines.find_map(|line| {
                let line = line.unwrap();
                Some(line.strip_prefix(begin)?.strip_suffix(end)?.to_owned())
            });
            line.unwrap().parse().unwrap()
        };
        let management = next("health   http://", "/health/ready");
        let address = next("listening on ", "");
        Self {
            child,
            address,
            management,
        }
    }

    pub(crate) fn status_of(&self, path: &str) -> u16 {
        let answer = get(self.address, &format!("/authz/envoy{path}"));
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn sample(&self, name: &str) -> f64 {
        let text = get(self.management, "/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// SIGHUP, and until it was worked on.
    pub(crate) fn reload(&self, result: &str) {
        let name = format!("hallpass_config_reloads_total{{result=\"{result}\"}}");
        let before = self.sample(&name);
        signal(&self.child, "HUP");
        self.wait_until(|it| it.sample(&name) > before);
    }

    pub(crate) fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let clock = SystemClock::new();
        let end = clock.monotonic() + LIMIT;
        while !is_so(self) {
            assert!(clock.monotonic() < end, "not in time");
            std::thread::yield_now();
        }
    }
}

/// Free ports, and files that are followed by SIGHUP alone.
pub(crate) fn arguments(files: &[&Path]) -> Vec<String> {
    let fixed = [
        "authz",
        "--listen=127.0.0.1:0",
        "--management-listen=127.0.0.1:0",
        "--watch-seconds=3600",
    ];
    let files = files.iter().map(|it| format!("--config={}", it.display()));
    fixed.into_iter().map(str::to_owned).chain(files).collect()
}

impl Drop for Authz {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// Rules of one file and the rest of another.
pub(crate) fn files(keys: &Keys, open: &str) -> (PathBuf, PathBuf) {
    let base = format!(
        "hallpass:\n  service: {{ name: edge }}\n  security: {{ internal-jwt: {{ jwks-file: '{}' }} }}\n  authz: {{ drain-delay-seconds: 0 }}\n",
        keys.file()
    );
    let base = keys.beside("base.yaml", base.as_bytes());
    let rules = keys.beside("rules.yaml", rules(open).as_bytes());
    (base.into(), rules.into())
}

pub(crate) fn rules(open: &str) -> String {
    format!(
        "hallpass: {{ security: {{ internal-jwt: {{ routes: [ {{ path: {open}, rule: anonymous }} ] }} }} }}\n"
    )
}

#[test]
fn it_follows_its_files_and_what_cannot_be_used_changes_nothing() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let authz = Authz::start(&[&base, &file]);
    authz.wait_until(|it| get(it.management, "/health/ready").contains(" 200 "));
    assert_eq!(
        [authz.status_of("/one"), authz.status_of("/two")],
        [200, 401]
    );

    fs::write(&file, rules("/two")).unwrap();
    authz.reload("ok");
    assert_eq!(
        [authz.status_of("/one"), authz.status_of("/two")],
        [401, 200]
    );

    // A rule that cannot be, a key that is none, an upstream that nobody is: the last good ones stay, all of them.
    for broken in [
        rules("one"),
        "hallpass: { authz: { listten: 1 } }".to_owned(),
        "hallpass: { authz: { upstreams: [ { identity: exchange } ] } }".to_owned(),
        "hallpass: { authz: { trusted-proxies: [] , tls: { certificate-file: none.crt, private-key-file: none.key } }".to_owned(),
        "hallpass: [".to_owned(),
    ] {
        fs::write(&file, &broken).unwrap();
        authz.reload("refused");
        assert_eq!([authz.status_of("/one"), authz.status_of("/two")], [401, 200], "{broken}");
    }
    fs::write(&file, rules("/one")).unwrap();
    authz.reload("ok");
    assert_eq!(
        [authz.status_of("/one"), authz.status_of("/two")],
        [200, 401]
    );
}

#[test]
fn it_ends_by_itself_when_it_is_told_to() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (base, file) = files(&keys, "/one");
    let mut authz = Authz::start(&[&base, &file]);
    assert_eq!(authz.status_of("/one"), 200);
    signal(&authz.child, "TERM");
    let clock = SystemClock::new();
    let end = clock.monotonic() + LIMIT;
    let code = loop {
        if let Some(status) = authz.child.try_wait().unwrap() {
            break status.code();
        }
        assert!(clock.monotonic() < end, "it does not end");
        std::thread::yield_now();
    };
    assert_eq!(code, Some(0));
}

#[test]
fn every_fault_of_its_section_is_said_at_once_and_nothing_listens() {
    let keys = Keys::new(Algorithm::EdDsa);
    let yaml = "
hallpass:
  authz:
    listen: nowhere
    trusted-proxies: [10.0.0.1/8, somewhere]
    decision-timeout-ms: 1
    upstreams:
      - { identity: service }
      - { identity: everything, hosts: 'https://a' }
      - { identity: none, audience: a }
";
    let file = keys.beside("broken.yaml", yaml.as_bytes());
    let outcome = run(&["authz", "--config", &file]);
    assert_eq!(outcome.code, 64, "{outcome:?}");
    for key in [
        "authz.listen",
        "authz.trusted-proxies",
        "authz.decision-timeout-ms",
        "authz.upstreams[0].audience",
        "authz.upstreams[1].identity",
        "authz.upstreams[1].hosts",
        "authz.upstreams[2].audience",
    ] {
        assert!(outcome.stderr.contains(key), "{key}: {}", outcome.stderr);
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = run(&[
        "authz",
        "--listen",
        &address,
        "--management-listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);
}
