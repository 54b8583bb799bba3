//! A server as a child process on one core, and what it costs.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::case::Case;
use super::issuer::Issuer;
use super::load::{Load, Seen};
use crate::measure::Failure;

/// Clock ticks of /proc per second; fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// One round of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) per_second: f64,
    pub(super) cpu_micros: f64,
    /// Of the requests of the round, in milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// The comparison, in this very program.
    pub(super) fn bare(case: Case, folder: &Path) -> Result<Self, Failure> {
        let mut command = pinned(&std::env::current_exe()?);
        command
            .args(["token-endpoint-server", case.name])
            .arg(folder);
        Self::start(&mut command)
    }

    pub(super) fn issuer(issuer: &Issuer) -> Result<Self, Failure> {
        let (program, arguments, log) = issuer.command()?;
        Self::start(pinned(&program).args(arguments).stderr(log))
    }

    /// The address is in a line of its own, or the last word of one that says what it is.
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(output);
        loop {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 {
                return Err("a server did not start".into());
            }
            let listening = line.trim().trim_start_matches("listening on ");
            if let Ok(address) = listening.parse() {
                return Ok(Self {
                    child,
                    address,
                    _output: output,
                });
            }
        }
    }

    pub(super) fn round(&self, load: &Load, length: Duration) -> Result<Round, Failure> {
        let before = self.cpu_seconds()?;
        let Seen { mut micros, took } = load.run(self.address, length)?;
        let cpu = self.cpu_seconds()? - before;
        micros.sort_unstable();
        let at = |percent: usize| {
            let at = micros.get(micros.len() * percent / 100).or(micros.last());
            f64::from(at.copied().unwrap_or_default()) / 1e3
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of responses is far below 2^52"
        )]
        let responses = micros.len() as f64;
        Ok(Round {
            per_second: responses / took.as_secs_f64(),
            cpu_micros: cpu * 1e6 / responses,
            p50: at(50),
            p99: at(99),
        })
    }

    /// User and system time of the server so far; the unit of /proc is 10 ms, so rounds take seconds.
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat
            .rsplit_once(") ")
            .ok_or("/proc/PID/stat is unreadable")?;
        // utime and stime are fields 14 and 15 of the line, 12 and 13 after the name.
        let ticks: Result<Vec<u64>, _> =
            fields.split(' ').skip(11).take(2).map(str::parse).collect();
        let ticks: u32 = ticks?.iter().sum::<u64>().try_into()?;
        Ok(f64::from(ticks) / TICKS_PER_SECOND)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program on the first core.
fn pinned(program: &Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// Whether processes can be tied to a core here.
pub(super) fn can_pin() -> bool {
    Command::new("taskset").arg("--version").output().is_ok()
}

/// Puts the load on the second core; without taskset the kernel chooses the core.
pub(super) fn pin_this_process() {
    let own = std::process::id().to_string();
    let _ = Command::new("taskset")
        .args(["-cp", "1", &own])
        .stdout(Stdio::null())
        .status();
}
