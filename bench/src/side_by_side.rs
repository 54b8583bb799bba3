//! A service that calls another one with a token of its own, built in three ways: with Hallpass; with what a Rust team would use without it
//! (`reqwest`, `reqwest-middleware`, and a token by `oauth2` behind a mutex); and with Spring Cloud OpenFeign, Resilience4j and an
//! interceptor on the JVM.
//!
//! Each caller is a process on core 0, with the issuer; the callee and the load, `wrk` over 200 connections, have core 1. A row is longer than a token
//! lives, so that it holds what happens when 200 callers find it expired.

mod by_hand;
mod callee;
mod ours;
mod stand;

use tokio::runtime::{Builder, Runtime};

use self::stand::{CALLERS, Caller, Cost, Stand};
use crate::measure::Outcome;

/// Length of a turn: one token's life and a quarter.
const SECONDS: u64 = 40;
const ROUNDS: usize = 3;

const ALL: [(&str, Caller); 3] = [
    ("Hallpass", Caller::Hallpass),
    ("reqwest, reqwest-middleware, oauth2", Caller::ByHand),
    (
        "OpenFeign, Resilience4j, interceptor (JVM)",
        Caller::OpenFeign,
    ),
];

/// `side-by-side [--rounds 3] [--seconds 40]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut seconds) = (ROUNDS, SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            other => return Err(format!("{other} is no option").into()),
        }
    }
    let runtime = runtime(2)?;
    let stand = runtime.block_on(Stand::start())?;
    let mut costs: [Vec<Cost>; 3] = Default::default();
    for _ in 0..rounds {
        for ((_, caller), costs) in ALL.into_iter().zip(&mut costs) {
            costs.push(runtime.block_on(stand.turn(caller, seconds))?);
        }
    }
    print(&costs, seconds);
    Ok(())
}

/// `side-by-side-service callee ADDRESS | hallpass ADDRESS CALLEE ISSUER | by-hand ADDRESS CALLEE ISSUER`.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = runtime(1)?;
    match arguments[..] {
        ["callee", listen] => runtime.block_on(callee::serve(listen)),
        ["hallpass", listen, callee, issuer] => {
            runtime.block_on(ours::serve(listen, callee, issuer))
        }
        ["by-hand", listen, callee, issuer] => {
            runtime.block_on(by_hand::serve(listen, callee, issuer))
        }
        _ => Err("side-by-side-service needs a role and addresses".into()),
    }
}

/// As many workers as there are cores for it.
fn runtime(workers: usize) -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(costs: &[Vec<Cost>; 3], seconds: u64) {
    println!(
        "medians of {} rounds of {seconds} s, {CALLERS} callers at once; tokens live for {} s\n",
        costs[0].len(),
        stand::TOKEN_LIFE_SECONDS
    );
    println!(
        "| caller | calls/s | CPU us a call | ms p50 / p99 | token requests at the first call | and in the {seconds} s |"
    );
    println!("|---|---|---|---|---|---|");
    for ((name, _), costs) in ALL.into_iter().zip(costs) {
        let median = |value: fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        println!(
            "| {name} | {:.0} | {:.1} | {:.1} / {:.1} | {:.0} | {:.0} |",
            median(|cost| cost.per_second),
            median(|cost| cost.micros),
            median(|cost| cost.p50),
            median(|cost| cost.p99),
            median(|cost| cost.first_token_requests),
            median(|cost| cost.token_requests),
        );
    }
}
