//! `hallpass issuer` on a database, killed and started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::children::{PATIENCE, free_address, get};
use crate::measure::Failure;
use crate::postgres_server::{PASSWORD, USER};

pub(super) const CLIENT: &str = "internal-service-client";
/// Of the generated shape.
pub(super) const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// One of the issuers, killed at the end.
pub(super) struct Replica {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Replica {
    pub(super) async fn start(
        (program, configuration): (PathBuf, PathBuf),
        (port, audiences): (u16, &[String]),
    ) -> Result<Self, Failure> {
        if !program.exists() {
            let program = program.display();
            let build = "build it first (cargo build --release -p hallpass-cli)";
            return Err(format!("{program} is missing: {build}").into());
        }
        let address = free_address()?;
        let audiences = audiences.join(", ");
        let yaml = format!(
            "hallpass:\n  issuer:\n    listen: {address}\n    name: internal\n    token-life-seconds: 30\n    \
             key-encryption-key: 0123456789abcdef0123456789abcdef\n    database:\n      \
             url: postgres://127.0.0.1:{port}/postgres\n      username: {USER}\n      password: {PASSWORD}\n    \
             clients:\n      - client-id: {CLIENT}\n        client-secret: {SECRET}\n        \
             scopes: [internal-service]\n        audiences: [{audiences}]\n"
        );
        std::fs::write(&configuration, yaml)?;
        let child = spawn(&program, &configuration)?;
        let replica = Self {
            program,
            configuration,
            address,
            child,
        };
        replica.ready().await?;
        Ok(replica)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it and starts it again at once; gives after how long it was ready.
    pub(super) async fn crash(&mut self) -> Result<Duration, Failure> {
        self.child.kill()?;
        self.child.wait()?;
        let begun = Instant::now();
        self.child = spawn(&self.program, &self.configuration)?;
        self.ready().await?;
        Ok(begun.elapsed())
    }

    async fn ready(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let url = format!("http://{}/health/ready", self.address);
        while begun.elapsed() < PATIENCE {
            if get(&url).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err("a replica is not ready".into())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(program: &Path, configuration: &Path) -> Result<Child, Failure> {
    let mut command = Command::new(program);
    command.args(["issuer", "--config"]).arg(configuration);
    Ok(command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}
