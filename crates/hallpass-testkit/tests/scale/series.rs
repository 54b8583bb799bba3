//! What happened in each second of the simulated time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often something happened, by the second.
#[derive(Debug)]
pub(crate) struct Series {
    start: Instant,
    seconds: Mutex<Vec<u64>>,
}

impl Series {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            seconds: Mutex::default(),
        }
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, times: u64) {
        let second = usize::try_from(self.start.elapsed().as_secs()).unwrap();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += times;
    }

    /// What happened from one moment to another.
    pub(crate) fn window(&self, from: Duration, to: Duration) -> Window {
        let [from, to] = [from, to].map(|at| usize::try_from(at.as_secs()).unwrap());
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |second: usize| seconds.get(second).copied().unwrap_or(0);
        let all: Vec<u64> = (from..to).map(of).collect();
        let sums = all.windows(60).map(|minute| minute.iter().sum::<u64>());
        let minute = sums.max().unwrap_or_else(|| all.iter().sum());
        Window {
            sum: all.iter().sum(),
            mean: all.iter().sum::<u64>() as f64 / all.len() as f64,
            peak_second: all.iter().copied().max().unwrap_or(0),
            peak_minute: minute as f64 / 60.0,
        }
    }
}

/// Rates are per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) sum: u64,
    pub(crate) mean: f64,
    pub(crate) peak_second: u64,
    pub(crate) peak_minute: f64,
}
