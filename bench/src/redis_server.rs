//! A real server of Redis on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::children::{PATIENCE, signal};
use crate::measure::Failure;

/// Where the bus of a cluster listens, from the port on.
const BUS: u16 = 10_000;
/// Ports are looked for from here on: with that of the bus they stay below 65,536.
const FIRST_PORT: u16 = 11_000;

/// One process of `redis-server`, killed at the end. It keeps nothing on disk.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    /// A server with these further arguments, which responds.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let port = free_port()?;
        let port_text = port.to_string();
        let plain = ["--port", &port_text, "--bind", "127.0.0.1", "--save", ""];
        let all = plain.iter().chain(arguments);
        let arguments = all.map(|&argument| argument.to_owned()).collect();
        Self::run(tempfile::tempdir()?, port, arguments).await
    }

    /// A sentinel for the primary at that port, which it calls `mymaster`; two of them must agree.
    pub(crate) async fn start_sentinel(primary: u16) -> Result<Self, Failure> {
        let port = free_port()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 6000\n"
        );
        std::fs::write(&file, text)?;
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::run(folder, port, arguments).await
    }

    async fn run(folder: TempDir, port: u16, arguments: Vec<String>) -> Result<Self, Failure> {
        let child = spawn(folder.path(), &arguments)?;
        let server = Self {
            child,
            port,
            folder,
            arguments,
        };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&self) -> Result<(), Failure> {
        until("redis-server listens", || responds(self.port)).await
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Starts it again at the same port, empty.
    pub(crate) async fn start_again(&mut self) -> Result<(), Failure> {
        self.kill();
        self.child = spawn(self.folder.path(), &self.arguments)?;
        self.ready().await
    }

    /// From now on it accepts connections and does nothing any more.
    pub(crate) fn hang(&self) -> Result<(), Failure> {
        signal(&self.child, "STOP")
    }

    pub(crate) fn go_on(&self) -> Result<(), Failure> {
        signal(&self.child, "CONT")
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments);
        Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not within {} s: {what}", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn spawn(folder: &Path, arguments: &[String]) -> Result<Child, Failure> {
    let mut command = Command::new("redis-server");
    // A configuration file stands before what changes it.
    command.args(arguments).arg("--dir").arg(folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    child.map_err(|error| format!("redis-server, which must be installed: {error}").into())
}

fn responds(port: u16) -> bool {
    let limit = Some(Duration::from_secs(1));
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(limit)?;
        stream.write_all(b"PING\r\n")?;
        stream.read(&mut [0; 16])
    };
    ask().is_ok_and(|read| read > 0)
}

/// A port that is free at this moment, and so is that of a cluster's bus.
fn free_port() -> Result<u16, Failure> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _try in 0..1_000 {
        let port = FIRST_PORT + u16::try_from(hallpass::upstream::random_below(10_000))?;
        if is_free(port) && is_free(port + BUS) {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}
