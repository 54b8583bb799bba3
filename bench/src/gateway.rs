//! What `hallpass gateway` costs a request, beside Envoy's `jwt_authn` with its cache, Spring Cloud Gateway, and an nginx that checks nothing.
//!
//! Each row is a gateway on one core, in front of an nginx on the other that responds by itself; the load is `wrk` (or `h2load`), with
//! good tokens. What a process costs is its CPU time, which moves little when the machine has other work.

mod idle;
mod load;
mod product;
mod row;
mod stand;

use self::row::{ROWS, Row, Work};
use self::stand::{Cost, Stand};
use crate::measure::{Failure, Outcome};
use crate::proxy_tools::middle;

/// Rounds of each row, unless asked for others. Each row has its turn in each round.
const ROUNDS: usize = 5;
/// Length of a turn, unless asked for another.
const SECONDS: u64 = 3;
/// Before the first turn of a gateway in a JVM, at full load.
const JVM_SECONDS: u64 = 30;
/// Of the row about memory.
const REQUESTS: f64 = 1_000_000.0;
/// A round counts in which nginx alone took this much more or less than usual.
const ODD: f64 = 0.15;

/// How long, how often, and what.
pub(crate) struct Extent {
    rounds: usize,
    seconds: u64,
    jvm_seconds: u64,
    requests: f64,
    /// Parts of names of rows; none: all rows.
    rows: Vec<String>,
}

impl Extent {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut extent = Self {
            rounds: ROUNDS,
            seconds: SECONDS,
            jvm_seconds: JVM_SECONDS,
            requests: REQUESTS,
            rows: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
            match argument.as_str() {
                "--rounds" => extent.rounds = value()?.parse()?,
                "--seconds" => extent.seconds = value()?.parse()?,
                "--jvm-seconds" => extent.jvm_seconds = value()?.parse()?,
                "--requests" => extent.requests = value()?.parse()?,
                option if option.starts_with("--") => {
                    return Err(format!("{option} is no option").into());
                }
                row => extent.rows.push(row.to_owned()),
            }
        }
        Ok(extent)
    }

    fn has(&self, row: &Row) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.name.contains(part))
    }
}

/// `gateway [--rounds 5] [--seconds 3] [--jvm-seconds 30] [--requests 1000000] [ROW ...]`; a row by a part of its name.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let extent = Extent::read(arguments)?;
    let rows: Vec<&Row> = ROWS.iter().filter(|row| extent.has(row)).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let stand = runtime.block_on(Stand::start())?;
    let mut table = vec![Vec::new(); rows.len()];
    for round in 0..extent.rounds {
        for (row, turns) in rows.iter().zip(&mut table) {
            // What takes long and is no comparison has one turn.
            if round > 0 && row.work.is_long() {
                continue;
            }
            turns.push(match stand.turn(row, &extent) {
                Ok(cost) => Some(cost),
                Err(failure) => {
                    complain(row, &failure);
                    None
                }
            });
        }
    }
    head(&extent);
    for (row, turns) in rows.iter().zip(&table) {
        let same = |name: &str| {
            let found = rows
                .iter()
                .position(|other| other.work == row.work && other.name.starts_with(name));
            found.and_then(|at| table.get(at))
        };
        print_line(row, turns, (same("nginx"), same("Envoy")));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this program writes to its user")]
fn complain(row: &Row, failure: &Failure) {
    eprintln!("{}: {failure}", row.name);
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head(extent: &Extent) {
    println!(
        "medians of {} rounds; each row {} s over 32 connections for CPU, and {} s over 2 for times\n",
        extent.rounds, extent.seconds, extent.seconds
    );
    println!(
        "| row | req/s | CPU us a request | requests per CPU-second, of nginx / of Envoy | ms p50 / p99 | MiB in memory | rounds |"
    );
    println!("|---|---|---|---|---|---|---|");
}

type Turns = Vec<Option<Cost>>;

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_line(row: &Row, turns: &Turns, (nginx, envoy): (Option<&Turns>, Option<&Turns>)) {
    let usual = nginx.map(|turns| middle(turns.iter().flatten().map(|cost| cost.micros)));
    // While the machine was busy with something else, nginx cost more too.
    let is_odd = |round: usize| {
        let alone = nginx.and_then(|turns| turns.get(round)?.as_ref());
        alone
            .zip(usual)
            .is_some_and(|(alone, usual)| (alone.micros / usual - 1.0).abs() > ODD)
    };
    let kept: Vec<(usize, &Cost)> = turns
        .iter()
        .enumerate()
        .filter(|(round, _)| !is_odd(*round))
        .filter_map(|(round, cost)| Some((round, cost.as_ref()?)))
        .collect();
    if kept.is_empty() {
        println!("| {} | - | - | - | - | - | 0 |", row.name);
        return;
    }
    let of = |of: fn(&Cost) -> f64| middle(kept.iter().map(|(_, cost)| of(cost)));
    let ratio = |others: Option<&Turns>| {
        let others = others.filter(|_| row.work != Work::Memory);
        let ratios = kept.iter().filter_map(|(round, cost)| {
            let other = others?.get(*round)?.as_ref()?;
            Some(other.micros / cost.micros)
        });
        let ratio = middle(ratios);
        match ratio.is_nan() {
            true => "-".to_owned(),
            false => format!("{:.0} %", ratio * 100.0),
        }
    };
    let times = match of(|cost| cost.p99) {
        0.0 => "-".to_owned(),
        p99 => format!("{:.2} / {p99:.2}", of(|cost| cost.p50)),
    };
    let memory = match of(|cost| cost.mebibytes_before) {
        0.0 => format!("{:.1}", of(|cost| cost.mebibytes)),
        before => format!("{before:.1}, then {:.1}", of(|cost| cost.mebibytes)),
    };
    println!(
        "| {} | {:.0} | {:.1} | {} / {} | {times} | {memory} | {} |",
        row.name,
        of(|cost| cost.per_second),
        of(|cost| cost.micros),
        ratio(nginx),
        ratio(envoy),
        kept.len(),
    );
}
