//! `hallpass issuer` on core 0.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::estate::Estate;
use super::load;
use crate::children::free_address;
use crate::measure::Failure;

/// A start with a million clients takes seconds, in a debug build minutes.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Clock ticks of /proc per second; fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: u64 = 100;

/// Killed when dropped.
pub(super) struct Issuer {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
}

impl Issuer {
    pub(super) async fn start(estate: &Estate) -> Result<Self, Failure> {
        let program = std::env::current_exe()?.with_file_name("hallpass");
        if !program.exists() {
            let program = program.display();
            return Err(format!(
                "{program} is missing: build it first (cargo build --release -p hallpass-cli)"
            )
            .into());
        }
        let address = free_address()?;
        let configuration = estate.configure(address)?;
        let log = File::create(configuration.with_extension("log"))?;
        let begun = Instant::now();
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(program)
            .args(["issuer", "--config"])
            .arg(configuration)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut issuer = Self {
            child,
            address,
            ready_after: Duration::ZERO,
        };
        while begun.elapsed() < PATIENCE {
            if let Some(status) = issuer.child.try_wait()? {
                return Err(format!("the issuer has ended: {status}").into());
            }
            if load::is_ready(address).await {
                issuer.ready_after = begun.elapsed();
                return Ok(issuer);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err("the issuer is not ready".into())
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn ready_after(&self) -> Duration {
        self.ready_after
    }

    pub(super) fn resident_mib(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        let kib: u64 = kib.ok_or("/proc/PID/status is unreadable")?.parse()?;
        Ok(kib / 1_024)
    }

    /// User and system time so far.
    pub(super) fn cpu(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat
            .rsplit_once(") ")
            .ok_or("/proc/PID/stat is unreadable")?;
        // utime and stime are fields 14 and 15 of the line, 12 and 13 after the name.
        let ticks: Result<Vec<u64>, _> =
            fields.split(' ').skip(11).take(2).map(str::parse).collect();
        let ticks: u64 = ticks?.iter().sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
