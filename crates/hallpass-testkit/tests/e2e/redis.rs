//! Services that share tokens in Redis, as their YAML says.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass_testkit::TestIssuer;

/// A real server, killed at the end.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl Redis {
    /// `None`, which is said loudly, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        match spawn(port, folder.path()) {
            Ok(child) => Some(Self {
                child,
                port,
                folder,
            }),
            Err(_) => {
                use std::io::Write as _;
                let line =
                    b"\n!! SKIPPED, a test with a real Redis: redis-server is not installed\n";
                let _unheard = std::io::stderr().write_all(line);
                None
            }
        }
    }

    /// By SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// After it was killed, and empty.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, self.folder.path()).unwrap();
    }
}

fn spawn(port: u16, folder: &Path) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    let port = port.to_string();
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--dir", &folder.display().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn service(issuer: &TestIssuer, redis: u16) -> Hallpass {
    service_with(issuer, redis, true)
}

fn service_with(issuer: &TestIssuer, redis: u16, memory: bool) -> Hallpass {
    let yaml = format!(
        "hallpass:\n  internal-token: {{ client-id: {}, client-secret: '{}', token-url: '{}', memory-cache: {{ enabled: {memory} }} }}\n  redis: {{ port: {redis} }}\n",
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        issuer.token_url(),
    );
    let settings = Loader::new("hallpass")
        .text("service", yaml)
        .load::<Settings>();
    Hallpass::from_settings(settings.unwrap().settings()).unwrap()
}

async fn connected(hallpass: &Hallpass) {
    let is_up = || {
        hallpass
            .metrics()
            .text()
            .contains("hallpass_redis_connected 1")
    };
    let wait = async {
        while !is_up() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("a connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_a_section_redis_takes_the_token_that_another_one_got() {
    let issuer = TestIssuer::start().await.unwrap();
    let Some(redis) = Redis::start() else {
        return;
    };
    let (audience, scope) = (
        TestIssuer::AUDIENCE.parse().unwrap(),
        TestIssuer::SCOPE.parse().unwrap(),
    );
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let hallpass = service(&issuer, redis.port);
        connected(&hallpass).await;
        tokens.push(
            hallpass
                .tokens()
                .service_token(&audience, &scope)
                .await
                .unwrap(),
        );
    }
    // A call to Redis may take more than its time on a machine that does much else, never all of them.
    assert!(
        issuer.tokens_issued() < 3,
        "{} tokens",
        issuer.tokens_issued()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memory_every_call_is_served_by_redis_and_by_the_issuer_when_redis_has_gone() {
    let issuer = TestIssuer::start().await.unwrap();
    let Some(redis) = Redis::start() else {
        return;
    };
    let hallpass = service_with(&issuer, redis.port, false);
    connected(&hallpass).await;
    let tokens = hallpass.tokens().handle(
        &TestIssuer::AUDIENCE.parse().unwrap(),
        &TestIssuer::SCOPE.parse().unwrap(),
    );
    for _ in 0..20 {
        tokens.token().await.unwrap();
    }
    assert!(tokens.try_current().is_none(), "it keeps none itself");
    let counted = |name: &str| -> u64 {
        let text = hallpass.metrics().text();
        let name = format!("hallpass_token_cache_{name}_total{{tier=\"redis\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().unwrap())
    };
    // A call to Redis may take more than its time on a machine that does much else.
    let (requests, hits, errors) = (counted("requests"), counted("hits"), counted("errors"));
    assert_eq!(requests, 20);
    assert!(hits + 1 + errors >= 20, "{hits} hits, {errors} errors");
    let issued = issuer.tokens_issued();
    assert!(issued <= 1 + errors, "{issued} tokens");
    drop(redis);
    for _ in 0..5 {
        tokens.token().await.unwrap();
    }
    assert!(issuer.tokens_issued() >= issued + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_redis_is_away_gets_its_tokens_from_the_issuer() {
    let issuer = TestIssuer::start().await.unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let hallpass = service(&issuer, port);
    let (audience, scope) = (
        TestIssuer::AUDIENCE.parse().unwrap(),
        TestIssuer::SCOPE.parse().unwrap(),
    );
    hallpass
        .tokens()
        .service_token(&audience, &scope)
        .await
        .unwrap();
    assert_eq!(issuer.tokens_issued(), 1);
    assert!(
        hallpass
            .metrics()
            .text()
            .contains("hallpass_redis_connected 0")
    );
}

#[tokio::test]
async fn another_section_redis_waits_for_a_restart() {
    let issuer = TestIssuer::start().await.unwrap();
    let hallpass = service(&issuer, 1);
    let other = "hallpass: { redis: { port: 2 } }";
    let other = Loader::new("hallpass")
        .text("other", other)
        .load::<Settings>()
        .unwrap();
    hallpass.apply(other.settings()).unwrap();
    assert!(
        hallpass
            .metrics()
            .text()
            .contains("hallpass_redis_connected 0")
    );
}
