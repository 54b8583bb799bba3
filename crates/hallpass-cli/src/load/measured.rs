//! What is kept of calls: counts and two histograms, whose size does not depend on how many calls there were.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ended::{Ended, TIMEOUT};
use crate::output::Failure;

/// Longest time that is told from longer ones: a wait for a place and a call, each at its limit, and room beyond.
const LONGEST_MICROS: u64 = 10 * 60 * 1_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;

/// Times in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    fn new() -> Result<Self, Failure> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS);
        Ok(Self(histogram.map_err(Failure::failed)?))
    }

    fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// The time within which this part of the calls ended, in milliseconds; `None` when there was none.
    pub(super) fn at(&self, part: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(part) as f64 / 1_000.0)
    }
}

/// The calls that count.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Whose moment has come.
    pub(super) planned: u64,
    pub(super) started: u64,
    /// By status.
    pub(super) answered: BTreeMap<u16, u64>,
    /// By reason.
    pub(super) failed: BTreeMap<&'static str, u64>,
    /// That found no place within the limit.
    pub(super) not_started: u64,
    /// From the planned moment on. Of those that were answered, that took too long, and that were not started: no stall is hidden by what
    /// it made fail.
    pub(super) corrected: Times,
    /// From the sending on. Of those that were answered or took too long.
    pub(super) uncorrected: Times,
    /// From the first planned moment to the last end.
    pub(super) took: Duration,
    /// Whether somebody ended it early.
    pub(super) is_interrupted: bool,
}

impl Measured {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            planned: 0,
            started: 0,
            answered: BTreeMap::new(),
            failed: BTreeMap::new(),
            not_started: 0,
            corrected: Times::new()?,
            uncorrected: Times::new()?,
            took: Duration::ZERO,
            is_interrupted: false,
        })
    }

    pub(super) fn started(&mut self) {
        self.planned += 1;
        self.started += 1;
    }

    /// It waited for so long.
    pub(super) fn not_started(&mut self, waited: Duration) {
        self.planned += 1;
        self.not_started += 1;
        self.corrected.record(waited);
    }

    /// So long after its planned moment, and after it was sent.
    pub(super) fn ended(&mut self, ended: Ended, (planned, sent): (Duration, Duration)) {
        let has_a_time = match ended {
            Ended::Answered(status) => {
                *self.answered.entry(status).or_default() += 1;
                true
            }
            Ended::Failed(why) => {
                *self.failed.entry(why).or_default() += 1;
                why == TIMEOUT
            }
        };
        if has_a_time {
            self.corrected.record(planned);
            self.uncorrected.record(sent);
        }
    }

    pub(super) fn all_answered(&self) -> u64 {
        self.answered.values().sum()
    }

    pub(super) fn all_failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Answered with a success.
    pub(super) fn well(&self) -> u64 {
        let well = self.answered.range(200..300);
        well.map(|(_, calls)| calls).sum()
    }

    /// Started, and without an end when the run was ended early.
    pub(super) fn given_up(&self) -> u64 {
        let ended = self.all_answered() + self.all_failed();
        self.started.saturating_sub(ended)
    }

    /// The share of calls that did not go well, in percent of those with an end.
    pub(super) fn share_not_well(&self) -> f64 {
        let whole = self.planned.saturating_sub(self.given_up());
        match whole {
            0 => 0.0,
            whole => whole.saturating_sub(self.well()) as f64 * 100.0 / whole as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_stands_in_one_place_and_the_sums_are_right() {
        let mut measured = Measured::new().unwrap();
        for _ in 0..6 {
            measured.started();
        }
        let times = (Duration::from_millis(20), Duration::from_millis(10));
        measured.ended(Ended::Answered(200), times);
        measured.ended(Ended::Answered(204), times);
        measured.ended(Ended::Answered(401), times);
        measured.ended(Ended::Failed("connect"), times);
        measured.ended(
            Ended::Failed(TIMEOUT),
            (Duration::from_secs(9), Duration::from_secs(5)),
        );
        measured.not_started(Duration::from_secs(5));
        assert_eq!((measured.planned, measured.started), (7, 6));
        assert_eq!((measured.all_answered(), measured.all_failed()), (3, 2));
        assert_eq!((measured.well(), measured.given_up()), (2, 1));
        // Four of six with an end.
        assert!((measured.share_not_well() - 400.0 / 6.0).abs() < 1e-9);
        // What was refused at once says nothing of how long calls take.
        let nearly = |time: Option<f64>, wanted: f64| (time.unwrap() / wanted - 1.0).abs() < 0.01;
        assert!(nearly(measured.corrected.at(0.5), 20.0));
        assert!(nearly(measured.corrected.at(1.0), 9_000.0));
        assert!(nearly(measured.uncorrected.at(1.0), 5_000.0));
    }

    #[test]
    fn nothing_measured_has_no_times() {
        let measured = Measured::new().unwrap();
        assert_eq!(measured.corrected.at(0.99), None);
        assert!(measured.share_not_well().abs() < f64::EPSILON);
    }
}
