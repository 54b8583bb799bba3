//! A real Redis.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::estate::LIMIT;

/// The system gives none of these to those who ask for any port, so what is free stays so.
const PORTS: u16 = 21_000;

/// The running server, killed at the end.
pub(crate) struct Redis {
    process: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Redis {
    /// `None`, which is said loudly, where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        for port in ports() {
            let folder = tempfile::tempdir().unwrap();
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            command.args(["--save", "", "--appendonly", "no"]);
            command.current_dir(folder.path()).stdout(Stdio::null());
            let Ok(process) = command.spawn() else {
                eprintln!("\n!! SKIPPED, a test with a real Redis: redis-server is not installed");
                return None;
            };
            let mut redis = Self {
                process,
                port,
                _folder: folder,
            };
            if redis.is_up().await {
                return Some(redis);
            }
        }
        panic!("no port for Redis");
    }

    /// Whether this one answers; `false` when it has ended, since somebody else has the port.
    async fn is_up(&mut self) -> bool {
        let (begun, own) = (Instant::now(), format!("process_id:{}", self.process.id()));
        while self.process.try_wait().unwrap().is_none() {
            if self.cli(&["INFO", "server"]).contains(&own) {
                return true;
            }
            assert!(begun.elapsed() < LIMIT, "Redis does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments);
        let said = command.output().unwrap().stdout;
        String::from_utf8_lossy(&said).into_owned()
    }

    /// By SIGKILL. Nobody else gets its port while what this returns is kept.
    pub(crate) fn kill(&mut self) -> TcpSocket {
        self.end();
        nobody_at(self.port)
    }

    fn end(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that refuses connections, and that nobody else gets; 0 takes any.
pub(crate) fn nobody_at(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).unwrap();
    socket
}

fn ports() -> impl Iterator<Item = u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 400).unwrap() * 25;
    let numbers = (0..1_000).map(move |_| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        PORTS + first.wrapping_add(number) % 10_000
    });
    numbers.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}
