//! Some hundred calls: what they cost the issuer.

use std::sync::Arc;
use std::time::Duration;

use hallpass::BoxError;
use hallpass::client::TokenSource;
use hallpass::feign::{FeignError, FinishedCall};
use tokio::task::JoinSet;

use crate::estate::Estate;
use crate::scene::Scene;
use crate::table::{Column, Table, Tone};

const COLUMNS: &[Column] = &[
    Column::right("calls"),
    Column::right("at once"),
    Column::right("token from cache"),
    Column::right("token from issuer"),
    Column::right("hit rate"),
    Column::right("median µs"),
    Column::right("p99 µs"),
];

const CALLS: usize = 400;
const AT_ONCE: usize = 8;
/// What the issuer has issued in the end, whoever has called how often.
const TOKENS: u64 = 2;
/// The goal of the estate's plan, in percent.
const WANTED_PERCENT: f64 = 90.0;

pub(crate) async fn play(estate: &Estate) -> Result<Scene, BoxError> {
    let mut scene = Scene::new(
        "Steady state",
        "order-service reports again and again, each time with a service token.",
        Table::new(COLUMNS),
    );
    let mut workers = JoinSet::new();
    for _worker in 0..AT_ONCE {
        let orders = Arc::clone(&estate.shop.orders);
        workers.spawn(async move {
            for _call in 0..CALLS / AT_ONCE {
                orders.report_the_day().await?;
            }
            Ok::<_, FeignError>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        if let Err(error) = worker? {
            scene
                .unmet
                .push(format!("a call of the steady state failed: {error}"));
        }
    }
    // One token of its own and one for alice in the story, and every later call of the whole demo used them.
    let issued = estate.issuer.tokens_issued();
    if issued != TOKENS {
        scene.unmet.push(format!(
            "the issuer saw {issued} token requests in place of {TOKENS}"
        ));
    }
    summarise(&mut scene, &estate.calls());
    scene.remark = Some(format!(
        "Token requests that the issuer saw during the whole demo: {issued} (order-service's own token, and the one for alice)"
    ));
    Ok(scene)
}

fn summarise(scene: &mut Scene, calls: &[FinishedCall]) {
    let from = |wanted: TokenSource| {
        calls
            .iter()
            .filter(|call| source(call) == Some(wanted))
            .count()
    };
    let (cache, issuer) = (from(TokenSource::Cache), from(TokenSource::Issuer));
    let percent = percentage(cache, calls.len());
    let fine = calls.len() == CALLS && percent >= WANTED_PERCENT;
    if !fine {
        scene
            .unmet
            .push(format!("{} calls, hit rate {percent:.1} %", calls.len()));
    }
    let (median, p99) = quantiles(calls);
    scene.table.row(
        Tone::of(fine),
        [
            calls.len().to_string(),
            AT_ONCE.to_string(),
            cache.to_string(),
            issuer.to_string(),
            format!("{percent:.1} %"),
            median.as_micros().to_string(),
            p99.as_micros().to_string(),
        ],
    );
}

fn source(call: &FinishedCall) -> Option<TokenSource> {
    call.identity.as_ref().and_then(|report| report.source)
}

fn percentage(part: usize, whole: usize) -> f64 {
    // A demo's numbers are far below 2^32.
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 {
        0.0
    } else {
        number(part) * 100.0 / number(whole)
    }
}

fn quantiles(calls: &[FinishedCall]) -> (Duration, Duration) {
    let mut durations: Vec<Duration> = calls.iter().map(|call| call.elapsed).collect();
    durations.sort_unstable();
    let at = |index: usize| durations.get(index).copied().unwrap_or_default();
    (at(durations.len() / 2), at(durations.len() * 99 / 100))
}
