//! A whole call of `#[feign_client]` against the same call written by hand, under load: how many, how fast, for how much CPU.
//!
//! Both sides are in this process, one after the other in rounds, on the same runtime, against one server that is another process. By hand means the
//! HTTP client that the call layer has below it, with its pool settings, a header with the token from a variable, a timeout, and the response read from
//! JSON.

mod by_hand;
mod load;
mod server;

use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::feign::{Feign, FeignError, feign_client};
use hallpass::upstream::{HttpTransport, Network, StaticDiscovery};
use tokio::runtime::{Builder, Runtime};

use self::by_hand::ByHand;
use self::load::{Load, Round};
use self::server::Server;
use crate::Outcome;
use crate::bearer::token_service;
use crate::measure::allocations;

pub(crate) use server::serve;

/// Rounds per case, unless asked for others.
const ROUNDS: usize = 10;
/// Length of a round, unless asked for another.
const MILLIS: u64 = 1_000;
/// Threads of the caller's runtime.
const THREADS: [usize; 2] = [1, 2];
/// Calls that are under way at a time.
const IN_FLIGHT: [usize; 2] = [16, 64];

#[feign_client(name = "logistics-service", path = "/logistics")]
trait Logistics {
    #[get("/orders/{order_id}/status", identity = "service")]
    async fn status(&self, order_id: u64) -> Result<String, FeignError>;
}

/// The two sides.
#[derive(Clone)]
struct Sides {
    by_hand: Arc<ByHand>,
    feign: Arc<FeignLogistics>,
}

/// `feign-throughput [--rounds 10] [--millis 1000] [--alone feign|by-hand]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut millis, mut alone) = (ROUNDS, MILLIS, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("a value is missing")?;
        match argument.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--millis" => millis = value.parse()?,
            "--alone" => alone = Some(value.as_str()),
            other => return Err(format!("{other} is not known").into()),
        }
    }
    let server = Server::start()?;
    if let Some(side) = alone {
        return one_side(&server, side, millis);
    }
    let counted = allocations_of(&server)?;
    head(rounds, millis);
    for threads in THREADS {
        for in_flight in IN_FLIGHT {
            // A runtime for each case: connections of the one before are not in its way.
            let runtime = runtime(threads)?;
            let sides = sides(&server, &runtime)?;
            let load = Load {
                in_flight,
                length: Duration::from_millis(millis),
            };
            let mut table = Vec::new();
            // The first round opens the connections and is not counted.
            for round in 0..=rounds {
                let pair = pair(&runtime, &sides, load, round % 2 == 0)?;
                if round > 0 {
                    table.push(pair);
                }
            }
            line((threads, in_flight), &table, counted);
        }
    }
    Ok(())
}

/// One side on one thread, for who counts what it takes with other programs (`perf stat`, `valgrind`).
#[expect(clippy::print_stdout, reason = "the line is what the program is for")]
fn one_side(server: &Server, side: &str, millis: u64) -> Outcome<()> {
    let runtime = runtime(1)?;
    let sides = sides(server, &runtime)?;
    let load = Load {
        in_flight: IN_FLIGHT[0],
        length: Duration::from_millis(millis),
    };
    let round = match side {
        "feign" => feign(&runtime, &sides, load)?,
        "by-hand" => by_hand(&runtime, &sides, load)?,
        other => return Err(format!("{other} is no side").into()),
    };
    println!("{} calls, {:.2} us CPU each", round.calls, round.cpu_micros);
    Ok(())
}

/// A round of each side; who begins changes.
fn pair(
    runtime: &Runtime,
    sides: &Sides,
    load: Load,
    by_hand_first: bool,
) -> Outcome<(Round, Round)> {
    let by_hand = || by_hand(runtime, sides, load);
    let feign = || feign(runtime, sides, load);
    if by_hand_first {
        let by_hand = by_hand()?;
        Ok((by_hand, feign()?))
    } else {
        let feign = feign()?;
        Ok((by_hand()?, feign))
    }
}

fn by_hand(runtime: &Runtime, sides: &Sides, load: Load) -> Outcome<Round> {
    let side = Arc::clone(&sides.by_hand);
    load.run(runtime, move || {
        let side = Arc::clone(&side);
        async move { side.status(7).await }
    })
}

fn feign(runtime: &Runtime, sides: &Sides, load: Load) -> Outcome<Round> {
    let side = Arc::clone(&sides.feign);
    load.run(runtime, move || {
        let side = Arc::clone(&side);
        async move { side.status(7).await.map_err(Into::into) }
    })
}

fn runtime(threads: usize) -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?)
}

fn sides(server: &Server, runtime: &Runtime) -> Outcome<Sides> {
    let _inside = runtime.enter();
    let address = server.address();
    let tokens = token_service()?;
    let handle = tokens.handle(&"logistics-service".parse()?, &"".parse()?);
    runtime.block_on(handle.token())?;
    let discovery =
        StaticDiscovery::new().with("logistics-service", [address.to_string().parse()?]);
    let network = Network::new(
        HttpTransport::new()?,
        Arc::new(discovery),
        Arc::new(SystemClock::new()),
    );
    let feign = Feign::builder(&network).tokens(tokens).build();
    let sides = Sides {
        by_hand: Arc::new(ByHand::new(address)?),
        feign: Arc::new(FeignLogistics::new(&feign)?),
    };
    let by_hand = runtime.block_on(sides.by_hand.status(7))?;
    if by_hand != runtime.block_on(sides.feign.status(7))? {
        return Err("the two sides do not make the same call".into());
    }
    Ok(sides)
}

/// Allocations of one call by hand and of one of feign, with all that the HTTP client does for it on this thread.
fn allocations_of(server: &Server) -> Outcome<(f64, f64)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let sides = sides(server, &runtime)?;
    let by_hand = allocations(&|| runtime.block_on(sides.by_hand.status(7)).is_ok());
    let feign = allocations(&|| runtime.block_on(sides.feign.status(7)).is_ok());
    Ok((by_hand.0, feign.0))
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head(rounds: usize, millis: u64) {
    println!(
        "{rounds} rounds of {millis} ms for each side, alternating; medians, ratios of the rounds' own (feign to by hand)\n"
    );
    println!(
        "| threads | in flight | calls/s, by hand / feign | ratio | p50 µs | ratio | p99 µs | ratio | CPU µs a call | ratio | allocations a call |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn line((threads, in_flight): (usize, usize), table: &[(Round, Round)], counted: (f64, f64)) {
    let of = |value: fn(&Round) -> f64| {
        let by_hand = middle(table.iter().map(|(it, _)| value(it)));
        let feign = middle(table.iter().map(|(_, it)| value(it)));
        let ratio = middle(table.iter().map(|(one, other)| value(other) / value(one)));
        (by_hand, feign, ratio)
    };
    let (calls, p50) = (of(|it| it.per_second), of(|it| it.p50_micros));
    let (p99, cpu) = (of(|it| it.p99_micros), of(|it| it.cpu_micros));
    println!(
        "| {threads} | {in_flight} | {:.0} / {:.0} | {:.3} | {:.0} / {:.0} | {:.3} | {:.0} / {:.0} | {:.3} | {:.2} / {:.2} | {:.3} | {:.0} / {:.0} |",
        calls.0,
        calls.1,
        calls.2,
        p50.0,
        p50.1,
        p50.2,
        p99.0,
        p99.1,
        p99.2,
        cpu.0,
        cpu.1,
        cpu.2,
        counted.0,
        counted.1,
    );
}

fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
