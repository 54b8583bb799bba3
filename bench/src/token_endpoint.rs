//! The token endpoint against a bare hyper server that does nothing but the same cryptography.
//!
//! Both are processes on one core: `hallpass issuer` with its audit log in a file, and this program; the load comes from
//! this process, on another core, the same request for both. Rounds alternate. Two ratios are printed: requests per
//! second, which needs a machine that is otherwise idle, and CPU time of the server per request, which moves little
//! when it is not.

mod bare;
mod case;
mod issuer;
mod load;
mod server;

use std::time::Duration;

use self::case::{CASES, Case};
use self::issuer::Issuer;
use self::load::{CONNECTIONS, Load};
use self::server::{Round, Server, can_pin, pin_this_process};
use crate::measure::{Failure, Outcome};

/// Rounds per server, unless asked for others.
const ROUNDS: usize = 7;
/// Length of a round, unless asked for another.
const SECONDS: u64 = 2;
/// What goes first is warm-up and not counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// `token-endpoint [--rounds 7] [--seconds 2] [CASE ...]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut seconds, mut cases) = (ROUNDS, SECONDS, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            name => cases.push(named(name)?),
        }
    }
    if cases.is_empty() {
        cases = CASES.to_vec();
    }
    head(rounds, seconds);
    for case in cases {
        measure(case, rounds, Duration::from_secs(seconds))?;
    }
    Ok(())
}

/// `token-endpoint-server CASE FOLDER`: the comparison; prints its address and serves until it is killed.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [name, folder] = arguments else {
        return Err("token-endpoint-server needs a case and a folder".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(bare::serve(named(name)?, folder.as_ref()))
}

fn named(name: &str) -> Outcome<Case> {
    let known = || CASES.map(|case| case.name).join(", ");
    Case::named(name).ok_or_else(|| format!("cases are: {}", known()).into())
}

fn measure(case: Case, rounds: usize, length: Duration) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let issuer = Issuer::prepare(case, folder.path())?;
    let (bare, ours) = (Server::bare(case, folder.path())?, Server::issuer(&issuer)?);
    pin_this_process();
    let load = Load::new(case, issuer.request(), folder.path())?;
    let mut table: Vec<(Round, Round)> = Vec::new();
    for server in [&bare, &ours] {
        load.run(server.address, WARM_UP)?;
    }
    for number in 0..rounds {
        // Who goes first changes from round to round, so that a drift of the machine favours neither.
        table.push(if number % 2 == 0 {
            let first = bare.round(&load, length)?;
            (first, ours.round(&load, length)?)
        } else {
            let first = ours.round(&load, length)?;
            (bare.round(&load, length)?, first)
        });
    }
    print_line(case, &table);
    if issuer.logged()? == 0 {
        return Err("the issuer wrote no audit log".into());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head(rounds: usize, seconds: u64) {
    let pinned = match can_pin() {
        true => "each on a core of its own",
        false => "taskset is missing: on cores as it comes",
    };
    println!(
        "{CONNECTIONS} connections, {rounds} rounds of {seconds} s each, alternating; server and load {pinned}\n"
    );
    println!(
        "| case | bare req/s | issuer req/s | ratio of requests, median (rounds) | ratio of CPU per request, median (rounds) | CPU us, bare / issuer | ms p50 / p99, bare | issuer | budget |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_line(case: Case, table: &[(Round, Round)]) {
    let bare = |of: fn(&Round) -> f64| middle(table.iter().map(|(bare, _)| of(bare)));
    let ours = |of: fn(&Round) -> f64| middle(table.iter().map(|(_, ours)| of(ours)));
    let requests = table
        .iter()
        .map(|(bare, ours)| ours.per_second / bare.per_second);
    let cpu = table
        .iter()
        .map(|(bare, ours)| bare.cpu_micros / ours.cpu_micros);
    println!(
        "| {} | {:.0} | {:.0} | {} | {} | {:.1} / {:.1} | {:.2} / {:.2} | {:.2} / {:.2} | {} |",
        case.name,
        bare(|round| round.per_second),
        ours(|round| round.per_second),
        spread(requests),
        spread(cpu),
        bare(|round| round.cpu_micros),
        ours(|round| round.cpu_micros),
        bare(|round| round.p50),
        bare(|round| round.p99),
        ours(|round| round.p50),
        ours(|round| round.p99),
        case.budget
            .map_or("none".to_owned(), |least| format!("{least:.2}")),
    );
}

/// The middle of some ratios, and from where to where they reach.
fn spread(ratios: impl Iterator<Item = f64> + Clone) -> String {
    let least = ratios.clone().fold(f64::INFINITY, f64::min);
    let most = ratios.clone().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.2} ({least:.2} to {most:.2})", middle(ratios))
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
