//! Tokens of an issuer with ten clients in its store and of one with a million, in turns; and what a million clients cost otherwise: memory, a
//! start, a change.
//!
//! The issuers are the executable, on core 0; the load comes from this process, on core 1. Each asks for tokens of clients that it draws, and in other rounds
//! of one client alone.

mod client;
mod estate;
mod issuer;
mod load;

use std::time::Duration;

use self::estate::Estate;
use self::issuer::Issuer;
use self::load::{Drawn, Seen};
use crate::measure::{Failure, Outcome};

const FEW: u32 = 10;
/// Unless asked for another number.
const MANY: u32 = 1_000_000;
const ROUNDS: usize = 5;
const SECONDS: u64 = 2;
/// Clients that are registered in one transaction: a text may hold 10,000 values.
const BATCH: u32 = 500;

/// What was asked for.
#[derive(Clone, Copy)]
struct Options {
    clients: u32,
    rounds: usize,
    length: Duration,
    batch: u32,
}

/// What is known of one of the two issuers.
struct Measured {
    clients: u32,
    registered: Duration,
    ready: Duration,
    resident_mib: [u64; 2],
    added: Duration,
    random: Vec<Seen>,
    one: Vec<Seen>,
}

/// `many-clients [--clients 1000000] [--rounds 5] [--seconds 2] [--batch 500]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let mut options = Options {
        clients: MANY,
        rounds: ROUNDS,
        length: Duration::from_secs(SECONDS),
        batch: BATCH,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        let value = value.ok_or(format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--clients" => options.clients = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--seconds" => options.length = Duration::from_secs(value.parse()?),
            "--batch" => options.batch = value.parse()?,
            other => return Err(format!("{other} is no option").into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    print(&runtime.block_on(measure(options))?);
    Ok(())
}

async fn measure(options: Options) -> Result<[Measured; 2], Failure> {
    let folder = tempfile::tempdir()?;
    let mut sides = Vec::new();
    for clients in [FEW, options.clients] {
        let estate = Estate::register(folder.path(), clients, options.batch).await?;
        let issuer = Issuer::start(&estate).await?;
        let measured = Measured {
            clients,
            registered: estate.registered(),
            ready: issuer.ready_after(),
            resident_mib: [issuer.resident_mib()?, 0],
            added: Duration::ZERO,
            random: Vec::new(),
            one: Vec::new(),
        };
        sides.push((estate, issuer, measured));
    }
    for round in 0..options.rounds {
        // Who goes first changes from round to round, so that a drift of the machine favours neither.
        if round % 2 == 1 {
            sides.reverse();
        }
        for (_, issuer, measured) in &mut sides {
            let clients = measured.clients;
            for (drawn, seen) in [
                (Drawn::Any(clients), &mut measured.random),
                (Drawn::One, &mut measured.one),
            ] {
                let before = issuer.cpu()?;
                let mut of_round = load::run(issuer.address(), drawn, options.length).await?;
                of_round.cpu = issuer.cpu()?.saturating_sub(before);
                seen.push(of_round);
            }
        }
        if round % 2 == 1 {
            sides.reverse();
        }
    }
    let mut all = Vec::new();
    for (estate, issuer, mut measured) in sides {
        measured.added = estate.until_one_more_counts(issuer.address()).await?;
        measured.resident_mib[1] = issuer.resident_mib()?;
        all.push(measured);
    }
    all.try_into()
        .map_err(|_| "two issuers were measured".into())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(sides: &[Measured; 2]) {
    let median = |rounds: &[Seen], value: fn(&Seen) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    println!(
        "| clients | registered in | ready after | MiB in memory, ready / after the rounds | a further client counts after | tokens/s, any client / one | CPU us a token | ms p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for side in sides {
        let both = |value| (median(&side.random, value), median(&side.one, value));
        let (rate, cpu, p99) = (
            both(Seen::per_second),
            both(Seen::cpu_micros),
            both(|seen| seen.p99_ms),
        );
        println!(
            "| {} | {:.1} s | {:.2} s | {} / {} | {} ms | {:.0} / {:.0} | {:.1} / {:.1} | {:.2} / {:.2} |",
            side.clients,
            side.registered.as_secs_f64(),
            side.ready.as_secs_f64(),
            side.resident_mib[0],
            side.resident_mib[1],
            side.added.as_millis(),
            rate.0,
            rate.1,
            cpu.0,
            cpu.1,
            p99.0,
            p99.1,
        );
    }
    let [few, many] = sides;
    let ratios: Vec<_> = few
        .random
        .iter()
        .zip(&many.random)
        .map(|(few, many)| many.per_second() / few.per_second())
        .collect();
    let mut sorted = ratios;
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied();
    println!(
        "\nRate with {} clients, of that with {}: {:.3} (the middle one of the rounds' own)",
        many.clients,
        few.clients,
        middle.unwrap_or(f64::NAN)
    );
}
