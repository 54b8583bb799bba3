//! The load, and what it says.

use std::process::Command;

use crate::measure::Failure;

/// What a run of `wrk` came to.
pub(super) struct Seen {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// In milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Asks for the order over and over, with this token, over so many connections.
pub(super) fn run(
    port: u16,
    token: &str,
    connections: usize,
    seconds: u64,
) -> Result<Seen, Failure> {
    let run = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "--latency"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .args(["-H", "Host: shop.example", "-H"])
        .arg(format!("Authorization: Bearer {token}"))
        .arg(format!("http://127.0.0.1:{port}/orders/7"))
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    read(&said)
        .ok_or_else(|| format!("wrk says: {said}{}", String::from_utf8_lossy(&run.stderr)).into())
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
