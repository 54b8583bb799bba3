//! Beside a real Nacos server.

mod config;
mod credentials;
mod doctor;
mod estate;
mod export;
mod naming;
mod neighbour;
mod rollout;
mod rules;
mod service;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::nacos::{NacosParts, NacosSettings};
use hallpass::upstream::random_below;

use crate::java::SpringBoot;

/// Longer than anything takes; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Nacos server; stopped when dropped.
struct NacosServer {
    running: Option<SpringBoot>,
    port: u16,
    home: PathBuf,
    properties: Vec<String>,
}

impl NacosServer {
    /// One for the test alone. `None` where none can run.
    fn start(properties: &[&str]) -> Option<Self> {
        let port = free_ports();
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nacos-{port}"));
        let mut server = Self {
            running: None,
            port,
            home,
            properties: properties.iter().map(|&it| it.to_owned()).collect(),
        };
        // A start that gave up leaves half a database, which the next one would stumble over.
        let home = server.home.clone();
        let anew = || {
            let _none = std::fs::remove_dir_all(&home);
            std::fs::create_dir_all(&home).unwrap();
        };
        server.run(anew).then_some(server)
    }

    /// The one that all tests of this process share: each uses data ids, groups and services of its own.
    fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<NacosServer>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[])).as_ref()
    }

    /// What a crash is like.
    fn kill(&mut self) {
        self.running = None;
    }

    /// With what it has.
    fn start_again(&mut self) -> bool {
        self.run(|| {})
    }

    fn run(&mut self, prepare: impl Fn()) -> bool {
        let jvm = [
            "-Xmx512m".to_owned(),
            format!("-Dnacos.home={}", self.home.display()),
            format!(
                "-Dderby.stream.error.file={}",
                self.home.join("derby.log").display()
            ),
            "-Dlogback.statusListenerClass=ch.qos.logback.core.status.NopStatusListener".to_owned(),
        ];
        let port = format!("nacos.server.main.port={}", self.port);
        let properties = [&[port], &self.properties[..]].concat();
        self.running = SpringBoot::start_prepared("nacos", &jvm, &properties, prepare);
        self.running.is_some()
    }

    const fn port(&self) -> u16 {
        self.port
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn settings(&self) -> NacosSettings {
        NacosSettings::new([self.address().parse().unwrap()])
    }

    fn parts(&self) -> NacosParts {
        parts(self.settings())
    }
}

impl Drop for NacosServer {
    fn drop(&mut self) {
        self.kill();
        let _none = std::fs::remove_dir_all(&self.home);
    }
}

fn parts(settings: NacosSettings) -> NacosParts {
    NacosParts::new(settings, None, Arc::new(SystemClock::new()))
}

/// What other servers of this run have: a port stays theirs while a test has killed one, and until it listens.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is free, together with those that Nacos derives from it.
fn free_ports() -> u16 {
    let mut taken = TAKEN.lock().unwrap();
    for _try in 0..1_000 {
        let port = 20_000 + u16::try_from(random_below(10_000)).unwrap();
        let all = [port, port + 1_000, port + 1_001, port - 1_000];
        let is_free =
            |port: &u16| !taken.contains(port) && TcpListener::bind(("0.0.0.0", *port)).is_ok();
        if all.iter().all(is_free) {
            taken.extend(all);
            return port;
        }
    }
    panic!("no free ports");
}

/// Tries until it is so: a server shows some things a moment later.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let trying = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let so = tokio::time::timeout(PATIENCE, trying).await;
    assert!(so.is_ok(), "not so in time: {what}");
}
