//! What `hallpass gateway` costs a request, beside Envoy's `jwt_authn` with its cache, Spring Cloud Gateway, and an nginx that checks nothing.
//!
//! Each row is a gateway on one core, with load and service on the other: one process that never sleeps, or, where bodies are large or HTTP/2 is spoken,
//! `wrk` (or `h2load`) and an nginx that responds by itself. Tokens are good ones. What a process costs is its CPU time, which moves little when the machine
//! has other work.

pub(crate) mod awake;
mod extent;
mod load;
pub(crate) mod parts;
mod product;
mod row;
mod stand;

use self::extent::Extent;
use self::row::{ROWS, Row, Work};
use self::stand::{Cost, Stand};
use crate::measure::{Failure, Outcome};
use crate::proxy_tools::middle;

/// A round counts in which nginx alone took this much more or less than usual.
const ODD: f64 = 0.15;

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
        "| row | req/s | CPU us a request | requests per CPU-second, of nginx / of Envoy | ms p50 / p99 | p99, of nginx | MiB in memory | rounds |"
    );
    println!("|---|---|---|---|---|---|---|---|");
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
        println!("| {} | - | - | - | - | - | - | 0 |", row.name);
        return;
    }
    let of = |of: fn(&Cost) -> f64| middle(kept.iter().map(|(_, cost)| of(cost)));
    let ratio = |others: Option<&Turns>, of: fn(&Cost, &Cost) -> f64| {
        let others = others.filter(|_| row.work != Work::Memory);
        let ratios = kept.iter().filter_map(|(round, cost)| {
            let other = others?.get(*round)?.as_ref()?;
            Some(of(other, cost)).filter(|ratio| ratio.is_finite())
        });
        match middle(ratios) {
            ratio if ratio.is_nan() => "-".to_owned(),
            ratio => format!("{:.0} %", ratio * 100.0),
        }
    };
    let cheaper: fn(&Cost, &Cost) -> f64 = |other, cost| other.micros / cost.micros;
    let times = match of(|cost| cost.p99) {
        0.0 => "- | -".to_owned(),
        p99 => {
            let later = ratio(nginx, |other, cost| cost.p99 / other.p99);
            format!("{:.2} / {p99:.2} | {later}", of(|cost| cost.p50))
        }
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
        ratio(nginx, cheaper),
        ratio(envoy, cheaper),
        kept.len(),
    );
}
