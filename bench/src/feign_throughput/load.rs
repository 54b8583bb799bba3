//! Calls in a closed loop: each of so many callers makes the next call when its last one has ended.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::Outcome;
use crate::measure::Failure;
use crate::pinned::cpu_seconds_of;

#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) in_flight: usize,
    pub(super) length: Duration,
}

/// What one round came to.
pub(super) struct Round {
    pub(super) calls: usize,
    pub(super) per_second: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
    /// Of the whole process: the callers, the HTTP client's own tasks, and the measuring.
    pub(super) cpu_micros: f64,
}

impl Load {
    #[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
    pub(super) fn run<F, R>(self, runtime: &Runtime, call: F) -> Outcome<Round>
    where
        F: Fn() -> R + Clone + Send + 'static,
        R: Future<Output = Outcome<String>> + Send + 'static,
    {
        let cpu_before = cpu_seconds_of("self")?;
        let began = Instant::now();
        let end = began + self.length;
        let callers = (0..self.in_flight).map(|_| runtime.spawn(caller(call.clone(), end)));
        let callers: Vec<_> = callers.collect();
        let mut nanos = Vec::new();
        for caller in callers {
            nanos.extend(runtime.block_on(caller)??);
        }
        let elapsed = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds_of("self")? - cpu_before;
        nanos.sort_unstable();
        let calls = nanos.len() as f64;
        let at = |part: f64| {
            let index = (calls * part) as usize;
            nanos.get(index).map_or(f64::NAN, |it| f64::from(*it) / 1e3)
        };
        Ok(Round {
            calls: nanos.len(),
            per_second: calls / elapsed,
            p50_micros: at(0.5),
            p99_micros: at(0.99),
            cpu_micros: cpu * 1e6 / calls,
        })
    }
}

/// The times of its calls, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
async fn caller<R>(call: impl Fn() -> R, end: Instant) -> Result<Vec<u32>, Failure>
where
    R: Future<Output = Outcome<String>>,
{
    let mut nanos = Vec::with_capacity(64 * 1024);
    let mut now = Instant::now();
    while now < end {
        call().await?;
        let after = Instant::now();
        let took = after.duration_since(now).as_nanos();
        nanos.push(u32::try_from(took).unwrap_or(u32::MAX));
        now = after;
    }
    Ok(nanos)
}
