//! A server on one core, asked by `wrk` from another, and what that costs it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::measure::Failure;

/// Clock ticks of /proc per second; fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;
/// Connections that are kept and asked over.
const CONNECTIONS: &str = "32";

/// One round of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) per_second: f64,
    pub(super) cpu_micros: f64,
    /// In milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Killed when dropped.
pub(super) struct Server {
    child: Child,
    address: String,
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// The comparison, in this very program.
    pub(super) fn bare() -> Result<Self, Failure> {
        Self::start(pinned(&std::env::current_exe()?, "0").arg("authz-bare"))
    }

    pub(super) fn authz(folder: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe()?.with_file_name("hallpass");
        let log = File::create(folder.join("authz.log"))?;
        Self::start(
            pinned(&program, "0")
                .args([
                    "authz",
                    "--listen",
                    "127.0.0.1:0",
                    "--management-listen",
                    "127.0.0.1:0",
                    "--config",
                ])
                .arg(folder.join("authz.yaml"))
                .env("TOKIO_WORKER_THREADS", "1")
                .stderr(log),
        )
    }

    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        loop {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 {
                return Err("a server did not start; build hallpass first (cargo build --release -p hallpass-cli)".into());
            }
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                return Ok(Self {
                    address: address.to_owned(),
                    child,
                    _output: output,
                });
            }
        }
    }

    /// Asks for `length`, with these headers.
    pub(super) fn round(
        &self,
        headers: &[String],
        length: Duration,
        refuses: bool,
    ) -> Result<Round, Failure> {
        let before = self.cpu_seconds()?;
        let mut wrk = pinned(Path::new("wrk"), "1");
        wrk.args(["-t1", "-c", CONNECTIONS, "--latency", "-d"])
            .arg(format!("{}s", length.as_secs()));
        for header in headers {
            wrk.args(["-H", header]);
        }
        let output = wrk
            .arg(format!("http://{}/authz/nginx", self.address))
            .output()?;
        let cpu = self.cpu_seconds()? - before;
        let text = String::from_utf8(output.stdout)?;
        if text.contains("Non-2xx") != refuses || text.contains("Socket errors") {
            return Err(format!("not what was asked for: {text}").into());
        }
        let after = |begin: &str| {
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix(begin));
            line.map(str::trim)
                .ok_or_else(|| format!("wrk did not say {begin}"))
        };
        let per_second: f64 = after("Requests/sec:")?.parse()?;
        Ok(Round {
            per_second,
            cpu_micros: cpu * 1e6 / (per_second * length.as_secs_f64()),
            p50: millis(after("50%")?)?,
            p99: millis(after("99%")?)?,
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

/// `1.23ms`, `450.00us` or `1.02s`.
fn millis(text: &str) -> Result<f64, Failure> {
    let number = |unit: &str| text.strip_suffix(unit);
    Ok(match (number("us"), number("ms"), number("s")) {
        (Some(micros), _, _) => micros.parse::<f64>()? / 1e3,
        (_, Some(millis), _) => millis.parse()?,
        (_, _, Some(seconds)) => seconds.parse::<f64>()? * 1e3,
        _ => return Err(format!("{text} is no time").into()),
    })
}

/// The program on one core; where the system cannot do that, on any.
fn pinned(program: &Path, core: &str) -> Command {
    let can_pin = Command::new("taskset").arg("--version").output().is_ok();
    if !can_pin {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
