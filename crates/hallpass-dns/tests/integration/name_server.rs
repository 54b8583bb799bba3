//! Real name servers: dnsmasq on loopback.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass_dns::{DnsDiscovery, DnsRecords, DnsScheme, DnsSettings};
use hallpass_upstream::{Discover, DiscoverError, Instances};

/// A process of dnsmasq for the zone `shop.test`, killed at the end. For other names it has nobody to ask, and refuses.
pub(crate) struct NameServer {
    child: Child,
    port: u16,
    records: Vec<String>,
    _folder: tempfile::TempDir,
}

impl NameServer {
    /// Serves `records`, each an option of dnsmasq; `None`, which is said loudly, where it is not installed.
    pub(crate) async fn start(records: &[&str]) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let records: Vec<_> = records.iter().copied().map(str::to_owned).collect();
        let mut server = Self {
            child: spawn(port, &records),
            port,
            records,
            _folder: folder,
        };
        server.is_ready().await;
        Some(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Serves other records from now on, at the same port.
    pub(crate) async fn restart_with(&mut self, records: &[&str]) {
        self.records = records.iter().copied().map(str::to_owned).collect();
        self.restart().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.records);
        self.is_ready().await;
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// It takes questions and is silent.
    pub(crate) fn hang(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// Whatever was done to it.
    pub(crate) async fn go_on_or_restart(&mut self) {
        match self.child.try_wait() {
            Ok(None) => self.go_on(),
            _ => self.restart().await,
        }
    }

    /// By the shell's own `kill`: a small system has no program of that name.
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$0" "$1""#, name, &id])
            .status();
        assert!(sent.unwrap().success());
    }

    async fn is_ready(&mut self) {
        let discovery = discovery(&DnsSettings {
            suffix: Some("shop.test".to_owned()),
            ..settings(self)
        });
        let wait = async {
            while discovery.instances("ready").await.is_err() {
                // Somebody else may have had the port for a moment.
                if let Ok(Some(_)) = self.child.try_wait() {
                    self.child = spawn(self.port, &self.records);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(outcome.is_ok(), "dnsmasq does not answer");
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, records: &[String]) -> Child {
    let mut command = Command::new(program());
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"]);
    command.args([
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
    ]);
    command.args([
        "--local=/shop.test/",
        "--host-record=ready.shop.test,127.0.0.1",
    ]);
    command.arg(format!("--port={port}")).args(records);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// It stands where a user's `PATH` often does not lead.
fn program() -> &'static str {
    match std::path::Path::new("/usr/sbin/dnsmasq").exists() {
        true => "/usr/sbin/dnsmasq",
        false => "dnsmasq",
    }
}

fn is_installed() -> bool {
    let version = Command::new(program())
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        // No test runner keeps back what is written there.
        let line = b"\n!! SKIPPED, a test with a real name server: dnsmasq is not installed\n";
        let _unheard = std::io::stderr().write_all(line);
    }
    is_there
}

/// One that is free for datagrams and for connections.
fn free_port() -> u16 {
    let both = || {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = datagrams.local_addr().unwrap().port();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        Some(port)
    };
    std::iter::repeat_with(both).flatten().next().unwrap()
}

/// Plain http below `shop.test`, asked of `server` alone.
pub(crate) fn settings(server: &NameServer) -> DnsSettings {
    DnsSettings {
        suffix: Some("shop.test".to_owned()),
        scheme: DnsScheme::Http,
        servers: vec![server.address()],
        ..DnsSettings::default()
    }
}

/// As [`settings`], by `SRV` records.
pub(crate) fn srv(server: &NameServer) -> DnsSettings {
    DnsSettings {
        records: DnsRecords::Srv,
        ..settings(server)
    }
}

pub(crate) fn discovery(settings: &DnsSettings) -> DnsDiscovery {
    DnsDiscovery::from_settings(settings).unwrap()
}

/// What is found, as text with weights.
pub(crate) async fn found(discovery: &DnsDiscovery, service: &str) -> Vec<String> {
    let instances = discovery.instances(service).await;
    shown(&instances.unwrap_or_else(|error| panic!("{service}: {error}")))
}

pub(crate) fn shown(instances: &Instances) -> Vec<String> {
    let weighted = instances.weighted();
    weighted
        .map(|(instance, weight)| format!("{instance} {weight}"))
        .collect()
}

pub(crate) async fn is_unavailable(discovery: &DnsDiscovery, service: &str) -> bool {
    let outcome = discovery.instances(service).await;
    matches!(outcome, Err(DiscoverError::Unavailable { .. }))
}

/// How often `result` was counted.
pub(crate) fn counted(discovery: &DnsDiscovery, result: &str) -> u64 {
    let mut registry = prometheus_client::registry::Registry::default();
    discovery.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let name = format!("hallpass_dns_look_ups_total{{result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(outcome.is_ok(), "{what}: not within 20 s");
}
