//! What a decision of `hallpass authz` costs behind Envoy and nginx, beside Envoy's own `jwt_authn` and the proxies alone.
//!
//! Each row is a proxy with its files of `deploy/proxies`, in front of an nginx that responds by itself; the load is `wrk`, with one
//! good token. What a process costs is its CPU time, which moves little when the machine has other work.

mod row;
mod stand;

use self::row::{ROWS, Row};
use self::stand::{Cost, Stand};
use crate::measure::{Failure, Outcome};
use crate::proxy_tools::middle;

/// Rounds of each row, unless asked for others. Each row has its turn in each round.
const ROUNDS: usize = 5;
/// Length of a turn, unless asked for another.
const SECONDS: u64 = 3;

/// `authz-proxies [--rounds 5] [--seconds 3]`.
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
    let stand = Stand::start()?;
    let mut table = vec![Vec::new(); ROWS.len()];
    for _ in 0..rounds {
        for (row, costs) in ROWS.iter().zip(&mut table) {
            costs.push(stand.turn(row, seconds)?);
        }
    }
    head(rounds, seconds);
    for (row, costs) in ROWS.iter().zip(&table) {
        let alone = ROWS.iter().position(|other| other.name == row.alone);
        let alone = alone
            .and_then(|at| table.get(at))
            .ok_or("a row is missing")?;
        print_line(row, costs, alone)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head(rounds: usize, seconds: u64) {
    println!(
        "medians of {rounds} rounds; each row {seconds} s over 32 connections for CPU, and {seconds} s over 2 for times\n"
    );
    println!(
        "| row | req/s | CPU us a request: proxy | hallpass authz | added to the proxy alone | decisions per CPU-second | ms p50 / p99 | p99 added |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print_line(row: &Row, costs: &[Cost], alone: &[Cost]) -> Result<(), Failure> {
    let of = |of: fn(&Cost) -> f64| middle(costs.iter().map(of));
    let base = |of: fn(&Cost) -> f64| middle(alone.iter().map(of));
    let all = |cost: &Cost| cost.proxy_micros + cost.authz_micros;
    let added = of(all) - base(all);
    let p99 = of(|cost| cost.p99) - base(|cost| cost.p99);
    let is_alone = row.name == row.alone;
    let dash = |text: String| if is_alone { "-".to_owned() } else { text };
    println!(
        "| {} | {:.0} | {:.1} | {} | {} | {} | {:.2} / {:.2} | {} |",
        row.name,
        of(|cost| cost.per_second),
        of(|cost| cost.proxy_micros),
        if row.asks {
            format!("{:.1}", of(|cost| cost.authz_micros))
        } else {
            "-".to_owned()
        },
        dash(format!("{added:.1}")),
        dash(format!("{:.0}", 1e6 / added)),
        of(|cost| cost.p50),
        of(|cost| cost.p99),
        dash(format!("{p99:+.2}")),
    );
    Ok(())
}
