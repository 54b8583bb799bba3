//! The figures of `docs/scale.md`: tests that are asked for by name, each of which prints a table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::counts::Counts;
use crate::estate::simulate;
use crate::plan::{Plan, STREAMS_OF_A_REPLICA, TOKENS_A_CORE, minutes};
use crate::series::Series;

const CALLS_EVERY: Duration = Duration::from_secs(5);
const SHORT_OUTAGE: Duration = Duration::from_secs(100);

/// 10,000 instances of 500 services, or a share of the services and of all that the issuer has, in the minutes around what happens to them.
fn events(share: usize, replicas: usize, has_shared_cache: bool) -> Plan {
    let services = 500 / share;
    Plan {
        services,
        instances_of_each: 20,
        audiences: 50,
        issued_per_second: TOKENS_A_CORE * replicas as f64 / share as f64,
        streams: STREAMS_OF_A_REPLICA * replicas / share,
        has_shared_cache,
        calls_every: CALLS_EVERY,
        length: minutes(52),
        start_within: minutes(8),
        deployments: (minutes(10), minutes(10 + 8 * 60)),
        rotation: minutes(22),
        outages: vec![(minutes(28), minutes(28) + SHORT_OUTAGE)],
        taint: minutes(42),
    }
}

/// A day of such an estate.
fn day_of(estate: &Plan) -> Plan {
    let hours = |hours: u64| minutes(hours * 60);
    Plan {
        length: hours(24),
        deployments: (hours(8), hours(16)),
        rotation: hours(6),
        outages: vec![
            (hours(10), hours(10) + SHORT_OUTAGE),
            (hours(18), hours(18) + minutes(10)),
        ],
        taint: hours(21),
        ..estate.clone()
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes in a release build; see docs/scale.md"]
async fn whole_alone() {
    of_events(&events(1, 5, false)).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes in a release build; see docs/scale.md"]
async fn whole_with_shared_cache() {
    of_events(&events(1, 5, true)).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes a minute in a release build; see docs/scale.md"]
async fn tenth_with_replicas() {
    for replicas in [1, 2, 5, 10] {
        println!("\nissuers: {replicas}");
        of_events(&events(10, replicas, false)).await;
    }
}

/// 500 instances of 100 services.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes in a release build; see docs/scale.md"]
async fn day_of_a_twentieth() {
    of_a_day(&day_of(&Plan {
        services: 100,
        instances_of_each: 5,
        ..events(20, 5, false)
    }))
    .await;
}

/// Calls are fewer: they take most of the time, and tell of the issuer little.
#[tokio::test(start_paused = true)]
#[ignore = "takes two hours in a release build; see docs/scale.md"]
async fn day_of_the_whole() {
    of_a_day(&day_of(&Plan {
        calls_every: 6 * CALLS_EVERY,
        ..events(1, 5, false)
    }))
    .await;
}

async fn of_a_day(plan: &Plan) {
    tokio::spawn(async {
        for hour in 1.. {
            tokio::time::sleep(minutes(60)).await;
            eprintln!("{hour} of 24 hours");
        }
    });
    let counts = simulate(plan).await;
    let hours = |hours: u64| minutes(hours * 60);
    table(
        plan,
        &counts,
        &[
            ("the day", minutes(10), hours(24)),
            ("before anything", hours(1), hours(5)),
            ("rotation", hours(6), hours(7)),
            ("deployments", hours(11), hours(16)),
            ("outage of 100 s", hours(10), hours(10) + SHORT_OUTAGE),
            (
                "the 15 minutes after",
                hours(10) + SHORT_OUTAGE,
                hours(10) + minutes(17),
            ),
            ("outage of 10 min", hours(18), hours(18) + minutes(10)),
            (
                "the hour after",
                hours(18) + minutes(10),
                hours(19) + minutes(10),
            ),
            ("taint, a minute", hours(21), hours(21) + minutes(1)),
            ("the hour after it", hours(21) + minutes(1), hours(22)),
        ],
    );
}

async fn of_events(plan: &Plan) {
    let counts = simulate(plan).await;
    let outage = minutes(28) + SHORT_OUTAGE;
    table(
        plan,
        &counts,
        &[
            ("start, 8 minutes", Duration::ZERO, minutes(8)),
            ("nothing but deployments", minutes(10), minutes(17)),
            ("rotation", minutes(22), minutes(27)),
            ("outage of 100 s", minutes(28), outage),
            ("the minute after", outage, outage + minutes(1)),
            ("the ten after", outage + minutes(1), outage + minutes(11)),
            ("taint, a minute", minutes(42), minutes(43)),
            ("the nine after", minutes(43), minutes(52)),
        ],
    );
}

fn table(plan: &Plan, counts: &Counts, spans: &[(&str, Duration, Duration)]) {
    println!("{} instances, {} tokens", plan.instances(), plan.tokens());
    println!(
        "| | token requests/s: mean / peak minute / peak second | issued, peak second | key fetches/s | deny-list requests/s | pushed | cache commands/s | notices | calls | without a token | shown, refused |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (name, from, to) in spans {
        let of = |series: &Series| series.window(*from, *to);
        let asked = of(&counts.token_requests);
        let mut row = format!(
            "| {name} | {:.1} / {:.0} / {}",
            asked.mean, asked.peak_minute, asked.peak_second
        );
        let _ = write!(row, " | {}", of(&counts.issued).peak_second);
        for rate in [&counts.key_fetches, &counts.list_requests] {
            let _ = write!(row, " | {:.1} / {}", of(rate).mean, of(rate).peak_second);
        }
        let _ = write!(row, " | {}", of(&counts.pushes).sum);
        let commands = of(&counts.cache_commands);
        let _ = write!(row, " | {:.1} / {}", commands.mean, commands.peak_second);
        for sum in [&counts.notices, &counts.calls, &counts.failed] {
            let _ = write!(row, " | {}", of(sum).sum);
        }
        println!(
            "{row} | {}, {} |",
            of(&counts.shown).sum,
            of(&counts.refused).sum
        );
    }
    let (last, instances) = counts.taint_everywhere();
    let longest = counts.longest_wait.lock().unwrap();
    println!(
        "the taint: known to {instances} after {last:?}; a call waited for {longest:?} at most"
    );
}
