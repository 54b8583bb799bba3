//! The load, and what it says.

use std::path::Path;
use std::process::Command;

use crate::measure::Failure;

/// What a run of `wrk` came to.
pub(crate) struct Seen {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What is asked for over and over.
pub(crate) struct Load<'a> {
    pub(crate) host: &'a str,
    pub(crate) url: &'a str,
    /// Goes with each request.
    pub(crate) token: Option<&'a str>,
}

impl Load<'_> {
    /// Over so many connections, on core 1.
    pub(crate) fn run(&self, connections: usize, seconds: u64) -> Result<Seen, Failure> {
        self.run_by(None, connections, seconds)
    }

    /// The same by a script in Lua.
    pub(crate) fn run_by(
        &self,
        script: Option<&Path>,
        connections: usize,
        seconds: u64,
    ) -> Result<Seen, Failure> {
        let mut command = Command::new("taskset");
        command
            .args(["-c", "1", "wrk", "-t1", "--latency", "--timeout", "10s"])
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .arg("-H")
            .arg(format!("Host: {}", self.host));
        if let Some(token) = self.token {
            let header = format!("Authorization: Bearer {token}");
            command.args(["-H", &header]);
        }
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        command.arg(self.url);
        let run = command.output()?;
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        read(&said).ok_or_else(|| {
            format!("wrk says: {said}{}", String::from_utf8_lossy(&run.stderr)).into()
        })
    }
}

/// `None` when it says something else, or that a request failed.
fn read(said: &str) -> Option<Seen> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return None;
    }
    let line = |begin: &str| {
        said.lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(begin))
    };
    let requests = said
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))?;
    Some(Seen {
        requests: requests.0.parse().ok()?,
        per_second: line("Requests/sec:")?.trim().parse().ok()?,
        p50: millis(line("50%")?.trim())?,
        p99: millis(line("99%")?.trim())?,
    })
}

fn millis(text: &str) -> Option<f64> {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.strip_suffix("us")?, 1e-3),
        text if text.ends_with("ms") => (text.strip_suffix("ms")?, 1.0),
        text => (text.strip_suffix('s')?, 1e3),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}
