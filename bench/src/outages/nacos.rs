//! A real Nacos server.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::nacos::{NacosDocuments, NacosParts, NacosSettings};
use hallpass::upstream::random_below;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::measure::Failure;

/// Longer than the slowest start on a busy machine.
const START: Duration = Duration::from_secs(180);
/// What is added to the port for gRPC.
const GRPC: u16 = 1_000;

/// One server for all rows that want one; each row has a group of its own there.
pub(super) struct Nacos {
    program: PathBuf,
    home: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Nacos {
    pub(super) async fn start() -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let target = own.parent().and_then(|profile| profile.parent());
        let program = target
            .ok_or("no target folder")?
            .join("tmp/spring/nacos/nacos.jar");
        if !program.exists() {
            return Err(format!(
                "{} is missing: ./test.sh builds it, or: mvn -q -f tests/spring/nacos/pom.xml -Dhallpass.target={} package",
                program.display(),
                program.with_file_name("").display()
            )
            .into());
        }
        let mut nacos = Self {
            program,
            home: tempfile::tempdir()?,
            port: free_ports()?,
            child: None,
        };
        nacos.start_again().await?;
        Ok(nacos)
    }

    /// What a crash is like.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }

    pub(super) async fn start_again(&mut self) -> Result<(), Failure> {
        self.kill();
        let home = self.home.path().display();
        let mut child = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-Xmx512m"])
            .arg(format!("-Dnacos.home={home}"))
            .arg(format!("-Dderby.stream.error.file={home}/derby.log"))
            .arg("-jar")
            .arg(&self.program)
            .arg(format!("--nacos.server.main.port={}", self.port))
            // Closed when this process ends, however it does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("java, which must be installed: {error}"))?;
        let output = child.stdout.take().ok_or("Nacos has no output")?;
        self.child = Some(child);
        let (sender, started) = oneshot::channel();
        // It reads to the end, so that the server never waits for its reader.
        std::thread::spawn(move || {
            let mut sender = Some(sender);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains("Tomcat started on port ")
                    && let Some(sender) = sender.take()
                {
                    let _nobody_waits_any_more = sender.send(());
                }
            }
        });
        let started = tokio::time::timeout(START, started).await;
        started
            .map_err(|_| "Nacos did not start in time")?
            .map_err(|_| "Nacos has ended while it started")?;
        Ok(())
    }

    /// Where clients connect by gRPC, which is all that ours do without a login.
    pub(super) fn grpc_port(&self) -> u16 {
        self.port + GRPC
    }

    /// Writes a document and waits until it is read back.
    pub(super) async fn publish(
        &self,
        group: &str,
        data_id: &str,
        text: &str,
    ) -> Result<(), Failure> {
        let address = format!("127.0.0.1:{}", self.port).parse()?;
        let settings = NacosSettings::new([address]);
        let parts = NacosParts::new(settings, None, Arc::new(SystemClock::new()));
        let documents = NacosDocuments::connect(&parts)?;
        let begun = Instant::now();
        // A server that has just started says no for a moment.
        while let Err(error) = documents.publish(data_id, group, text).await {
            if begun.elapsed() > START {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        while begun.elapsed() < START {
            let read = documents.get(data_id, group).await?;
            if read.is_some_and(|read| read.expose() == text) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("Nacos does not show what was written".into())
    }
}

impl Drop for Nacos {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free, together with those that Nacos derives from it.
fn free_ports() -> Result<u16, Failure> {
    let is_free = |port: u16| std::net::TcpListener::bind(("0.0.0.0", port)).is_ok();
    for _try in 0..1_000 {
        let port = 22_000 + u16::try_from(random_below(8_000))?;
        let all = [port, port + GRPC, port + GRPC + 1, port - GRPC];
        if all.into_iter().all(is_free) {
            return Ok(port);
        }
    }
    Err("no ports are free".into())
}
