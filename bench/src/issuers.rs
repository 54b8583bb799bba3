//! `hallpass issuer` beside the issuers that people run: tokens a second, what one costs, times, memory, and the start.
//!
//! Each is a process on core 0 that gives the same client a JWT access token for its secret (`client_credentials`, `client_secret_post`); the load,
//! `wrk`, has core 1. All are started first, one after the other, and warmed; then rounds alternate.

mod product;
mod running;

use self::product::{PRODUCTS, Product};
use self::running::{Cost, Running};
use crate::measure::{Failure, Outcome};
use crate::proxy_tools::middle;

/// Rounds of each, unless asked for others.
const ROUNDS: usize = 3;
/// Length of a round.
const SECONDS: u64 = 10;
/// What goes first, so that code is compiled; it is not counted.
const WARM_UP_SECONDS: u64 = 20;

/// `issuers [--rounds 3] [--seconds 10] [--warm-up 20] [PRODUCT ...]`; a product by a part of its name.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut seconds, mut warm_up) = (ROUNDS, SECONDS, WARM_UP_SECONDS);
    let mut names = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--warm-up" => warm_up = value()?.parse()?,
            name => names.push(name),
        }
    }
    let folder = tempfile::tempdir()?;
    let is_asked = |product: &&Product| {
        names.is_empty() || names.iter().any(|name| product.name.contains(name))
    };
    let mut started = Vec::new();
    for product in PRODUCTS.iter().filter(is_asked) {
        match Running::start(product, folder.path(), warm_up) {
            Ok(running) => started.push((running, Vec::new())),
            Err(failure) => complain(product, &failure),
        }
    }
    for _ in 0..rounds {
        for (running, costs) in &mut started {
            costs.push(running.round(seconds)?);
        }
    }
    print(&started, seconds)
}

#[expect(clippy::print_stderr, reason = "this program writes to its user")]
fn complain(product: &Product, failure: &Failure) {
    eprintln!("{}: {failure}", product.name);
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(started: &[(Running, Vec<Cost>)], seconds: u64) -> Outcome<()> {
    println!("medians of rounds of {seconds} s over 16 connections\n");
    println!(
        "| issuer | tokens/s | CPU us a token | tokens a CPU-second, of the first row | ms p50 / p99 | start, s | MiB: before the load / after it |"
    );
    println!("|---|---|---|---|---|---|---|");
    let micros = |costs: &[Cost]| middle(costs.iter().map(|cost| cost.micros));
    let first = started.first().map_or(f64::NAN, |(_, costs)| micros(costs));
    for (running, costs) in started {
        let of = |of: fn(&Cost) -> f64| middle(costs.iter().map(of));
        println!(
            "| {} | {:.0} | {:.0} | {:.1} % | {:.2} / {:.2} | {:.2} | {:.0} / {:.0} |",
            running.name(),
            of(|cost| cost.per_second),
            micros(costs),
            first / micros(costs) * 100.0,
            of(|cost| cost.p50),
            of(|cost| cost.p99),
            running.start_seconds(),
            running.mebibytes_before(),
            running.mebibytes()?,
        );
    }
    Ok(())
}
