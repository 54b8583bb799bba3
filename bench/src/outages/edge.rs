//! The gateway under load, while something happens to it, or to what is behind it: no request fails for that.
//!
//! Requests are made at a fixed rate over connections that are kept, whatever becomes of those before. Gateways and the instances of the service
//! behind them are processes of their own; what comes back is held against what was asked for.

mod estate;
mod events;
mod load;
mod service;

use std::time::Duration;

use tokio::time::Instant;

use super::report;
use super::times::Times;
use crate::measure::Failure;
use estate::Estate;
use load::Load;

pub(super) use service::{ROLE, serve};

/// Before the row begins, at a quarter of the rate.
const WARM_UP: Duration = Duration::from_secs(2);
/// From when to when something happens, in percent of the row.
const FROM: u32 = 10;
const TO: u32 = 90;

/// What happens, again and again, in the middle of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The file of the gateway says something else.
    Reload,
    /// One of two gateways ends in an orderly way and is started again; callers go by the readiness of each, as a load balancer does.
    Drain,
    /// One instance of the service is killed and started again.
    Restart,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    event: Event,
    gateways: usize,
    /// Of the service behind.
    instances: usize,
}

pub(super) const ROWS: [Row; 4] = [
    Row {
        name: "gateway-reload",
        event: Event::Reload,
        gateways: 1,
        instances: 2,
    },
    Row {
        name: "gateway-drain",
        event: Event::Drain,
        gateways: 2,
        instances: 2,
    },
    Row {
        name: "upstream-restarts",
        event: Event::Restart,
        gateways: 1,
        instances: 3,
    },
    Row {
        name: "only-upstream-restarts",
        event: Event::Restart,
        gateways: 1,
        instances: 1,
    },
];

/// Runs the rows, and says what they have shown that they should not.
pub(super) async fn all(rows: &[Row], length: Duration, rate: u32) -> Vec<String> {
    if !rows.is_empty() {
        head();
    }
    let mut faults = Vec::new();
    for row in rows {
        match one(row, length, rate).await {
            Ok(found) => {
                faults.extend(
                    found
                        .into_iter()
                        .map(|what| format!("{}: {what}", row.name)),
                );
            }
            Err(error) => faults.push(format!("{}: {error}", row.name)),
        }
    }
    faults
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head() {
    println!(
        "\n| row | requests / failed | requests/s | ms p50 / p99 / longest: before | during | after | connections opened beyond the first | seen |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

async fn one(row: &Row, length: Duration, rate: u32) -> Result<Vec<String>, Failure> {
    let mut estate = Estate::start(row.gateways, row.instances).await?;
    let load = Load::new(&estate.places, &estate.token);
    let warm = load.run(Instant::now(), rate / 4, WARM_UP).await?;
    if let Some(why) = warm.calls.iter().find_map(|call| call.failure.as_deref()) {
        let said = estate.said();
        return Err(format!("requests fail before anything happens: {why}; {said}").into());
    }
    let begun = Instant::now();
    let times = Times {
        begun,
        fault: length * FROM / 100,
        end: length * TO / 100,
        over: length,
    };
    let calling = tokio::spawn(async move { load.run(begun, rate, length).await });
    let seen = match row.event {
        Event::Reload => events::reload(&estate, times).await?,
        Event::Drain => events::drain(&mut estate, times).await?,
        Event::Restart => events::restart(&mut estate, times).await?,
    };
    let made = calling.await??;
    Ok(line(row, &made, &seen, (times, rate)))
}

/// Prints the line of a row; what is wrong with it.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what the program is for"
)]
fn line(row: &Row, made: &load::Made, seen: &str, (times, rate): (Times, u32)) -> Vec<String> {
    let calls = &made.calls;
    let failures = report::failures(calls);
    let failed: usize = failures.values().sum();
    let reached = report::rate(calls);
    let then = |from: Duration, to: Duration| report::times(calls, |at| at >= from && at < to);
    println!(
        "| {} | {} / {failed} | {reached:.0} | {} | {} | {} | {} | {seen} |",
        row.name,
        calls.len(),
        then(Duration::ZERO, times.fault),
        then(times.fault, times.end),
        then(times.end, Duration::MAX),
        made.opened_again,
    );
    for (why, number) in &failures {
        eprintln!("{}: {number} requests failed: {why}", row.name);
    }
    let mut faults = Vec::new();
    if failed > 0 {
        faults.push(format!("{failed} requests failed"));
    }
    if row.event == Event::Reload && made.opened_again > 0 {
        faults.push(format!("{} connections were closed", made.opened_again));
    }
    if reached < report::LEAST_RATE * f64::from(rate) {
        faults.push(format!("only {reached:.0} requests/s"));
    }
    faults
}
