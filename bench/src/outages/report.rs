//! The table, and what it must show.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::{Call, GAVE_UP};
use super::row::{Fault, Row};
use super::watch::{Look, longest_pause};
use crate::children::sum;

/// Less of the planned rate than this is no such load.
pub(super) const LEAST_RATE: f64 = 0.95;
/// The seed's share of hits.
const LEAST_HITS: f64 = 90.0;
/// A new primary is followed within this.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);
/// What came back is used again within this.
const USED_WITHIN: Duration = Duration::from_secs(4);

/// All that was measured in a row.
pub(super) struct Measured {
    pub(super) calls: Vec<Call>,
    pub(super) looks: Vec<Look>,
    /// What the caller and `service-order` count in the end.
    pub(super) caller: String,
    pub(super) order: String,
    pub(super) seen: Vec<String>,
    pub(super) rate: u32,
    pub(super) fault: Duration,
    pub(super) end: Duration,
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(super) fn head() {
    println!(
        "| row | calls / failed | calls/s | ms p50 / p99 / longest: before | during | after | token requests / failed | hits: memory of the caller | Redis | seen |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
}

/// Prints the line of a row; what is wrong with it.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what the program is for"
)]
pub(super) fn line(row: &Row, measured: &Measured) -> Vec<String> {
    let failures = failures(&measured.calls);
    let failed: usize = failures.values().sum();
    let rate = rate(&measured.calls);
    let (fault, end) = (measured.fault, measured.end);
    let before = times(&measured.calls, |at| at < fault);
    let during = times(&measured.calls, |at| at >= fault && at < end);
    let after = times(&measured.calls, |at| at >= end);
    let (asked, refused) = token_requests(measured);
    let memory = hits(&measured.caller, "memory");
    let redis = hits(&measured.order, "redis");
    let mut seen = measured.seen.clone();
    let retries = sum(&measured.caller, "hallpass_feign_retries_total", "")
        + sum(&measured.order, "hallpass_feign_retries_total", "");
    if retries > 0 {
        seen.push(format!("{retries} retries"));
    }
    if row.nacos {
        let connections = nacos_connections(measured);
        seen.push(format!(
            "{connections} connections of service-order to Nacos's names"
        ));
    }
    let pause = longest_pause(&measured.looks, fault).filter(|_| row.redis.is_some());
    if let Some((from, end)) = pause {
        let [from, end] = [from, end].map(|at| at.as_secs_f64() - fault.as_secs_f64());
        seen.push(format!(
            "no token from Redis from {from:.1} to {end:.1} s after the fault"
        ));
    }
    println!(
        "| {} | {} / {failed} | {rate:.0} | {before} | {during} | {after} | {asked} / {refused} | {memory:.2} % | {} | {} |",
        row.name,
        measured.calls.len(),
        redis_share(row, redis),
        seen.join("; ")
    );
    for (why, number) in &failures {
        eprintln!("{}: {number} calls failed: {why}", row.name);
    }
    for line in measured.order.lines() {
        let is_failure = line.starts_with("hallpass_feign_calls_total") && !line.contains("\"ok\"");
        if is_failure {
            eprintln!("{}: {line}", row.name);
        }
    }
    let mut faults = Vec::new();
    let given_up = failures.get(GAVE_UP).copied().unwrap_or(0);
    if given_up > row.most_given_up() {
        faults.push(format!("{given_up} callers gave up"));
    }
    let failed = failed - given_up;
    if failed > 0 {
        faults.push(format!("{failed} calls failed"));
    }
    if rate < LEAST_RATE * f64::from(measured.rate) {
        faults.push(format!("only {rate:.0} calls/s"));
    }
    faults.extend(shows(row, measured, pause));
    faults
}

/// What a row must show besides.
fn shows(row: &Row, measured: &Measured, pause: Option<(Duration, Duration)>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let until = pause.map_or(Duration::ZERO, |(_, end)| end);
    let failed_requests = token_requests(measured).1;
    match row.fault {
        Fault::Calm => {
            must(
                hits(&measured.caller, "memory") >= LEAST_HITS,
                "memory is hit too seldom",
            );
            must(
                hits(&measured.order, "redis") >= LEAST_HITS,
                "Redis is hit too seldom",
            );
            must(pause.is_none(), "Redis was not used for a while");
        }
        Fault::RedisKilled if row.name != "redis-killed" => {
            must(pause.is_some(), "the fault was not felt by Redis's users");
            must(
                until <= measured.fault + FOLLOWED_WITHIN,
                "the new primary was followed too late",
            );
        }
        Fault::RedisKilled | Fault::RedisHangs | Fault::RedisSilent => {
            must(pause.is_some(), "the fault was not felt by Redis's users");
            must(
                until <= measured.end + USED_WITHIN,
                "Redis was used again too late",
            );
        }
        Fault::RedisEmpty => {
            must(
                until <= measured.fault + USED_WITHIN,
                "Redis was used again too late",
            );
        }
        Fault::IssuerDown | Fault::IssuerHangs | Fault::IssuerAnswers(_) => {
            must(failed_requests > 0, "the issuer was not missed")
        }
        Fault::SecretRotated => must(failed_requests == 0, "a secret was refused"),
        Fault::NacosKilled => must(
            nacos_connections(measured) > 1,
            "the fault was not felt by Nacos's users",
        ),
        // The rotations see to it themselves that each key takes over.
        Fault::KeysRotated => {}
        Fault::NacosHalfAnswers | Fault::InstanceWithdrawn | Fault::KeysRotatedNow => {}
        // No call fails, which is asked of each row.
        Fault::IssuerSlow | Fault::ClockJumps(_) | Fault::InstanceRestarts => {}
        Fault::InstanceHangs | Fault::InstanceSlow | Fault::ZoneGone => {}
    }
    faults
}

pub(super) fn failures(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut failures = BTreeMap::new();
    for why in calls.iter().filter_map(|call| call.failure.as_deref()) {
        *failures.entry(why).or_default() += 1;
    }
    failures
}

/// Calls that ended, a second, until the last of them had ended.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn rate(calls: &[Call]) -> f64 {
    let ended = calls.iter().map(|call| call.planned + call.took).max();
    calls.len() as f64 / ended.unwrap_or_default().as_secs_f64()
}

/// Middle, 99th of a hundred and longest of the calls that were planned then, in milliseconds.
pub(super) fn times(calls: &[Call], is_then: impl Fn(Duration) -> bool) -> String {
    let calls = calls.iter().filter(|call| is_then(call.planned));
    let mut times: Vec<Duration> = calls.map(|call| call.took).collect();
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last());
    let shown = [at(50), at(99), times.last()].map(|time| {
        format!(
            "{:.1}",
            time.copied().unwrap_or_default().as_secs_f64() * 1e3
        )
    });
    shown.join(" / ")
}

/// Those of the caller and of `service-order` together, and those that failed.
fn token_requests(measured: &Measured) -> (u64, u64) {
    let count = |label: &str| {
        [&measured.caller, &measured.order]
            .map(|text| sum(text, "hallpass_token_request_total", label))
            .iter()
            .sum::<u64>()
    };
    let (all, good) = (count(""), count("result=\"ok\""));
    (all, all - good)
}

fn nacos_connections(measured: &Measured) -> u64 {
    let label = "module=\"naming\"";
    sum(&measured.order, "hallpass_nacos_connections_total", label)
}

/// The share of look-ups that the tier served, in percent.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn hits(metrics: &str, tier: &str) -> f64 {
    let label = format!("tier=\"{tier}\"");
    let hits = sum(metrics, "hallpass_token_cache_hits_total", &label);
    let requests = sum(metrics, "hallpass_token_cache_requests_total", &label);
    hits as f64 / requests as f64 * 100.0
}

fn redis_share(row: &Row, hits: f64) -> String {
    match row.redis {
        Some(_) => format!("{hits:.2} %"),
        None => "none".to_owned(),
    }
}
