//! Real servers of Redis.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::tiers::until;

/// The bus of a cluster listens at the port plus this.
const BUS: u16 = 10_000;
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A test's turn. Those that measure, or start many processes, have the machine for themselves as far as this program goes.
static TURNS: RwLock<()> = RwLock::const_new(());

/// `None`, which is said loudly, where there is no `redis-server`.
pub(crate) async fn beside_others() -> Option<RwLockReadGuard<'static, ()>> {
    is_installed().then_some(TURNS.read().await)
}

/// As [`beside_others`], for a test that measures.
pub(crate) async fn alone() -> Option<RwLockWriteGuard<'static, ()>> {
    is_installed().then_some(TURNS.write().await)
}

fn is_installed() -> bool {
    let is_there = ["redis-server", "redis-cli"].into_iter().all(|program| {
        let version = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    });
    if !is_there {
        // No test runner keeps back what is written there.
        let line =
            b"\n!! SKIPPED, a test with a real Redis: redis-server or redis-cli is not installed\n";
        let _unheard = std::io::stderr().write_all(line);
    }
    is_there
}

/// One process of `redis-server`, killed at the end.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    /// A server with an empty memory and these further arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_at(free_port(), arguments).await
    }

    pub(crate) async fn start_at(port: u16, arguments: &[&str]) -> Self {
        let port_text = port.to_string();
        let plain = [
            "--port",
            &port_text,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let arguments: Vec<_> = plain
            .iter()
            .chain(arguments)
            .copied()
            .map(str::to_owned)
            .collect();
        Self::run(port, arguments).await
    }

    /// A server that speaks TLS alone and asks for certificates of clients.
    pub(crate) async fn start_tls(
        certificate: &Path,
        key: &Path,
        ca: &Path,
        arguments: &[&str],
    ) -> Self {
        let port = free_port();
        let tls: Vec<String> = vec![
            "--port".into(),
            "0".into(),
            "--tls-port".into(),
            port.to_string(),
            "--bind".into(),
            "127.0.0.1".into(),
            "--tls-cert-file".into(),
            text(certificate),
            "--tls-key-file".into(),
            text(key),
            "--tls-ca-cert-file".into(),
            text(ca),
            "--tls-auth-clients".into(),
            "yes".into(),
            "--save".into(),
            String::new(),
        ];
        let further = arguments.iter().copied().map(str::to_owned);
        Self::run(port, tls.into_iter().chain(further).collect()).await
    }

    /// A sentinel for the primary at that port, which it calls `mymaster`; two of them must agree.
    pub(crate) async fn start_sentinel(primary: u16) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 6000\n"
        );
        std::fs::write(&file, text).unwrap();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::run_in(folder, port, arguments).await
    }

    async fn run(port: u16, arguments: Vec<String>) -> Self {
        Self::run_in(tempfile::tempdir().unwrap(), port, arguments).await
    }

    async fn run_in(folder: tempfile::TempDir, port: u16, arguments: Vec<String>) -> Self {
        let child = spawn(folder.path(), &arguments);
        let server = Self {
            child,
            port,
            folder,
            arguments,
        };
        server.is_ready().await;
        server
    }

    async fn is_ready(&self) {
        until("redis-server listens", async || responds(self.port)).await;
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Starts it again at the same port, with what it has on disk: nothing, unless it was told to save.
    pub(crate) async fn start_again(&mut self) {
        self.kill();
        self.child = spawn(self.folder.path(), &self.arguments);
        self.is_ready().await;
    }

    /// It accepts connections and does nothing any more.
    pub(crate) fn hang(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// By the shell's own `kill`: a small system has no program of that name.
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$0" "$1""#, signal, &id])
            .status();
        assert!(status.unwrap().success());
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }

    /// Its folder, where dumps are written.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A primary, two replicas and three sentinels that know each other.
pub(crate) struct SentinelEstate {
    pub(crate) servers: Vec<RedisServer>,
    pub(crate) sentinels: Vec<RedisServer>,
}

impl SentinelEstate {
    pub(crate) async fn start() -> Self {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let primary = RedisServer::start(&quick).await;
        let port = primary.port.to_string();
        let of = ["--replicaof", "127.0.0.1", &port];
        let mut servers = vec![primary];
        for _ in 0..2 {
            servers.push(RedisServer::start(&[&quick[..], &of].concat()).await);
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(RedisServer::start_sentinel(servers[0].port).await);
        }
        let estate = Self { servers, sentinels };
        until("the sentinels know all", async || estate.is_ready()).await;
        estate
    }

    fn is_ready(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let told = sentinel.cli(&["SENTINEL", "MASTER", "mymaster"]);
            let lines: Vec<_> = told.lines().collect();
            let has = |name: &str| lines.windows(2).any(|pair| pair == [name, "2"]);
            has("num-slaves") && has("num-other-sentinels")
        })
    }

    pub(crate) fn addresses(&self) -> Vec<hallpass_redis::NodeAddress> {
        let address = |it: &RedisServer| format!("127.0.0.1:{}", it.port).parse().unwrap();
        self.sentinels.iter().map(address).collect()
    }
}

/// Three primaries with a replica each.
pub(crate) struct ClusterEstate {
    pub(crate) servers: Vec<RedisServer>,
}

impl ClusterEstate {
    pub(crate) async fn start() -> Self {
        let mut servers = Vec::new();
        for _ in 0..6 {
            servers.push(Self::start_node().await);
        }
        let addresses: Vec<_> = servers
            .iter()
            .map(|it| format!("127.0.0.1:{}", it.port))
            .collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let created = cli(servers[0].port, &arguments);
        assert!(created.contains("All 16384 slots covered"), "{created}");
        let estate = Self { servers };
        until("the cluster is complete", async || estate.is_ready()).await;
        estate
    }

    async fn start_node() -> RedisServer {
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-node-timeout",
            "2000",
            "--cluster-require-full-coverage",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        RedisServer::start(&arguments).await
    }

    /// A further primary, which has no slots yet. Returns its number in the list.
    pub(crate) async fn add_empty(&mut self) -> usize {
        let node = Self::start_node().await;
        let [new, known] =
            [node.port, self.servers[0].port].map(|port| format!("127.0.0.1:{port}"));
        let added = node.cli(&["--cluster", "add-node", &new, &known]);
        assert!(added.contains("added correctly"), "{added}");
        self.servers.push(node);
        let knows_all = |server: &RedisServer| {
            let nodes = server.cli(&["CLUSTER", "NODES"]);
            let info = server.cli(&["CLUSTER", "INFO"]);
            nodes.matches(" connected").count() == 7 && info.contains("cluster_state:ok")
        };
        until("all nodes know the new one", async || {
            self.servers.iter().all(knows_all)
        })
        .await;
        self.servers.len() - 1
    }

    fn is_ready(&self) -> bool {
        self.servers.iter().all(|server| {
            let is_ok = server
                .cli(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok");
            let roles = server.cli(&["INFO", "replication"]);
            is_ok && (roles.contains("role:slave") || roles.contains("connected_slaves:1"))
        })
    }

    pub(crate) fn addresses(&self) -> Vec<hallpass_redis::NodeAddress> {
        let address = |it: &RedisServer| format!("127.0.0.1:{}", it.port).parse().unwrap();
        self.servers.iter().map(address).collect()
    }

    /// What `redis-cli` says to one of them, in one line.
    pub(crate) fn cli(&self, at: usize, arguments: &[&str]) -> String {
        self.servers[at].cli(arguments).trim().to_owned()
    }

    /// The server that has the slot now, by its number in the list.
    pub(crate) fn owner_of(&self, slot: &str) -> usize {
        let slot: u16 = slot.parse().unwrap();
        let all = self
            .servers
            .iter()
            .find(|it| responds(it.port))
            .unwrap()
            .cli(&["CLUSTER", "SLOTS"]);
        let lines: Vec<&str> = all.lines().collect();
        // First slot, last slot, then host, port and identifier of each node, the primary first.
        let is_it = |first: usize| {
            let number = |at: usize| lines.get(at).and_then(|line| line.parse::<u16>().ok());
            let has_host = lines.get(first + 2) == Some(&"127.0.0.1");
            has_host
                && number(first)
                    .zip(number(first + 1))
                    .is_some_and(|(a, b)| (a..=b).contains(&slot))
        };
        let first = (0..lines.len()).find(|at| is_it(*at)).unwrap();
        let port: u16 = lines[first + 3].parse().unwrap();
        self.servers.iter().position(|it| it.port == port).unwrap()
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("redis-server");
    // A configuration file stands before what changes it.
    let is_file = arguments
        .first()
        .is_some_and(|first| !first.starts_with("--"));
    let place = ["--dir".to_owned(), folder.display().to_string()];
    match is_file {
        true => command.args(arguments).args(place),
        false => command.args(place).args(arguments),
    };
    command.stdin(Stdio::null()).stdout(log).spawn().unwrap()
}

fn cli(port: u16, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    let output = command
        .args(["-p", &port.to_string()])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether somebody listens there and, in plain text, responds. A TLS server closes the connection, which is a response too.
fn responds(port: u16) -> bool {
    let limit = Some(Duration::from_secs(1));
    let ask = || {
        let mut stream = TcpStream::connect((LOOPBACK, port))?;
        stream.set_read_timeout(limit)?;
        stream.write_all(b"PING\r\n")?;
        stream.read(&mut [0; 16])
    };
    match ask() {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A port that is free, and so is that of a cluster's bus.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 400).unwrap() * 25;
    let is_free = |port: &u16| TcpListener::bind((LOOPBACK, *port)).is_ok();
    let mut candidates = (0..10_000).map(|_| {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        11_000 + number
    });
    candidates
        .find(|port| is_free(port) && is_free(&(port + BUS)))
        .unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
