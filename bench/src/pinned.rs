//! Servers that have a core each, and what they use of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

use crate::children::resident;
use crate::measure::Failure;

/// Clock ticks of /proc per second; fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Longer than any start takes, of a program in a JVM too.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a process may take to end.
const FAREWELL: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);

/// Killed when dropped.
pub(crate) struct Process(Child);

impl Drop for Process {
    /// First by its own way: what it has to write at its end (`deploy/trained.sh` asks what it has counted) is written.
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about any failure here.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        while asked.is_ok()
            && matches!(self.0.try_wait(), Ok(None))
            && clock.monotonic().saturating_sub(begun) < FAREWELL
        {
            std::thread::park_timeout(LOOK);
        }
        if matches!(self.0.try_wait(), Ok(None)) {
            say_killed(self.0.id());
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::print_stderr, reason = "this program writes to its user")]
fn say_killed(id: u32) {
    eprintln!("process {id} did not end within {FAREWELL:?} and was killed");
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it has used so far, in user and kernel mode.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_seconds_of(&self.0.id().to_string())
    }

    /// What it has in memory now.
    pub(crate) fn mebibytes(&self) -> Result<f64, Failure> {
        let kibibytes = u32::try_from(resident(&self.0)?)?;
        Ok(f64::from(kibibytes) / 1024.0)
    }
}

/// What the process of this id, or `self`, has used so far, in user and kernel mode.
pub(crate) fn cpu_seconds_of(id: &str) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .ok_or("/proc/PID/stat is unreadable")?;
    // utime and stime are fields 14 and 15 of the line, 12 and 13 after the name.
    let ticks: Result<Vec<u64>, _> = fields.split(' ').skip(11).take(2).map(str::parse).collect();
    let ticks: u32 = ticks?.iter().sum::<u64>().try_into()?;
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

/// Starts it on a core, and waits until it listens.
pub(crate) fn start(
    core: &str,
    command: &mut Command,
    folder: &Path,
    port: u16,
) -> Result<Process, Failure> {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", core])
        .arg(command.get_program())
        .args(command.get_args());
    let log = std::fs::File::create(folder.join("log"))?;
    let child = pinned
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut process = Process(child);
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if process.0.try_wait()?.is_some() || clock.monotonic().saturating_sub(begun) > PATIENCE {
            let said = std::fs::read_to_string(folder.join("log"))?;
            return Err(format!("{pinned:?} does not listen: {said}").into());
        }
        // Not in a loop without a pause: what starts has one core.
        std::thread::park_timeout(LOOK);
    }
    Ok(process)
}
