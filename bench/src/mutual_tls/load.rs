//! What is counted of a side in a round, and the middle one of its rounds.

use crate::measure::Outcome;
use crate::pinned::cpu_seconds_of;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Of one side in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) per_second: f64,
    /// Microseconds of the CPU for each, both ends.
    pub(super) cpu_micros: f64,
}

impl Count {
    /// Counts how often `work` says that something was done, for this long.
    pub(super) async fn of<F: Future<Output = Outcome<u64>>>(
        length: Duration,
        work: impl FnOnce(Instant) -> F,
    ) -> Outcome<Self> {
        let (began, cpu) = (Instant::now(), cpu_seconds_of("self")?);
        let done = work(began + length).await? as f64;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds_of("self")? - cpu;
        Ok(Self {
            per_second: done / seconds,
            cpu_micros: cpu * 1e6 / done.max(1.0),
        })
    }
}

/// The middle one.
pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
