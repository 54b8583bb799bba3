//! From `revoke` and `taint` to the refusal at many verifiers and in every client's cache, with a long deny-list; what an
//! entry costs to keep and to look up.
//!
//! `hallpass issuer` is a process of its own; the verifiers and callers are in this one, each with a connection of its own to the
//! issuer. Time counts from before the request that revokes until the last verifier refuses.

mod estate;
mod list;

use std::time::Duration;

use hallpass::resource::{Denial, ResourceServer};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use self::estate::Estate;
use crate::measure::{Failure, Outcome};

const ENTRIES: usize = 100_000;
const VERIFIERS: usize = 20;
const SAMPLES: usize = 100;
/// Keys that are tainted, one after the other.
const TAINTS: usize = 10;
/// What the issue of revocation is judged by.
const BUDGET: Duration = Duration::from_secs(1);
/// How often a verifier is asked.
const LOOK: Duration = Duration::from_millis(1);
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `revocation [--entries 100000] [--verifiers 20] [--samples 100]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut entries, mut verifiers, mut samples) = (ENTRIES, VERIFIERS, SAMPLES);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--entries" => entries = value.parse()?,
            "--verifiers" => verifiers = value.parse()?,
            "--samples" => samples = value.parse()?,
            _ => return Err("--entries, --verifiers and --samples are known".into()),
        }
    }
    list::measure(ENTRIES)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(entries, verifiers, samples))
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
async fn measure(entries: usize, verifiers: usize, samples: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let estate = Estate::start(folder.path(), verifiers).await?;
    println!(
        "\n| {verifiers} verifiers, {verifiers} callers | entries | times | ms p50 / p99 / longest |"
    );
    println!("|---|---|---|---|");
    let mut slow = false;
    for (number, fill) in [(0, 0), (entries, entries)] {
        let before = estate.issuer_resident()?;
        let took = estate.fill(fill).await?;
        if number > 0 {
            let after = estate.issuer_resident()?;
            println!(
                "| the list is filled, {:.0} a second; the issuer grows from {before} to {after} KiB | {number} | | |",
                fill as f64 / took.as_secs_f64()
            );
        }
        let mut one = Vec::new();
        for _ in 0..samples {
            one.push(revoke_one(&estate).await?);
        }
        slow |= print(
            "a token is revoked: every verifier refuses it",
            number,
            &mut one,
        );
        let mut taint = Vec::new();
        let mut caches = Vec::new();
        for _ in 0..TAINTS {
            let (verifiers, callers) = taint_key(&estate).await?;
            taint.push(verifiers);
            caches.push(callers);
        }
        slow |= print(
            "a key is tainted: every verifier refuses its tokens",
            number,
            &mut taint,
        );
        slow |= print(
            "a key is tainted: every caller has a new token",
            number,
            &mut caches,
        );
    }
    match slow {
        true => Err("slower than a second".into()),
        false => Ok(()),
    }
}

/// From before the request to the refusal of the last verifier.
async fn revoke_one(estate: &Estate) -> Result<Duration, Failure> {
    let token = estate.token(0).await?;
    all_take(estate, &token).await?;
    let begun = Instant::now();
    estate.revoke(0, &token).await?;
    until_refused(&estate.verifiers, &token).await?;
    Ok(begun.elapsed())
}

/// The same for the tokens of a key, and until no caller hands out a token of it any more.
async fn taint_key(estate: &Estate) -> Result<(Duration, Duration), Failure> {
    let old = estate.cached_tokens().await?;
    let token = old.first().ok_or("no caller")?;
    all_take(estate, token).await?;
    let begun = Instant::now();
    estate.taint_signing_key()?;
    let verifiers = async {
        until_refused(&estate.verifiers, token).await?;
        Ok::<_, Failure>(begun.elapsed())
    };
    let callers = async {
        loop {
            let new = estate.cached_tokens().await?;
            if new.iter().zip(&old).all(|(new, old)| new != old) {
                return Ok::<_, Failure>(begun.elapsed());
            }
            sleep(LOOK).await;
        }
    };
    let both = async { tokio::try_join!(verifiers, callers) };
    timeout(PATIENCE, both).await?
}

async fn all_take(estate: &Estate, token: &str) -> Result<(), Failure> {
    for verifier in &estate.verifiers {
        let begun = Instant::now();
        // A verifier learns of a key that has just begun to sign when it meets it.
        while let Err(denial) = verifier.verify(token).await {
            if begun.elapsed() > PATIENCE {
                return Err(format!("a good token is refused: {denial}").into());
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn until_refused(verifiers: &[ResourceServer], token: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    for verifier in verifiers {
        while verifier.verify(token).await.err() != Some(Denial::Revoked) {
            if begun.elapsed() > PATIENCE {
                return Err("a revoked token is not refused".into());
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}

/// One line; whether it is over the budget.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(what: &str, entries: usize, times: &mut [Duration]) -> bool {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last());
    let shown = [at(50), at(99), times.last()].map(|time| {
        format!(
            "{:.0}",
            time.copied().unwrap_or_default().as_secs_f64() * 1e3
        )
    });
    println!(
        "| {what} | {entries} | {} | {} |",
        times.len(),
        shown.join(" / ")
    );
    at(99).is_some_and(|time| *time > BUDGET)
}
