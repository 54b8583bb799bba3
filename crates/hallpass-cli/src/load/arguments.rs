//! How much load, for how long, and what counts as well.

use std::time::Duration;

use clap::Args;

use crate::output::Failure;
use crate::span;

/// Most calls of one run.
const MOST_CALLS: u64 = 100_000_000;
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_WARM_UP: Duration = Duration::from_secs(10 * 60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The options of every command that makes load.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArguments {
    /// Calls that begin each second, from 1 to 100000.
    #[arg(long, value_name = "PER-SECOND", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// For how long, such as `30s` or `5m`; at most a day.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Calls at the same rate before that, which do not count: connections are opened meanwhile; at most `10m`.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = warm_up)]
    pub(crate) warm_up: Duration,
    /// Calls under way at once, and so connections, at most; a call that finds no place waits for one, and that counts as its time.
    #[arg(long, value_name = "CALLS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: u32,
    /// Longest time of a call, and longest wait for a place; from `1s` to `60s`.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    pub(crate) timeout: Duration,
    /// Exit with 1 when more than this share of the calls did not go well; 0 allows none.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub(crate) fail_over: f64,
    /// Exit with 1 when 99 % of the calls, from the planned moment on, did not end sooner.
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) p99_below: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

impl LoadArguments {
    /// The whole time in which calls begin.
    pub(crate) fn whole(&self) -> Duration {
        self.warm_up.saturating_add(self.duration)
    }

    /// How many calls begin in it.
    pub(crate) fn calls(&self) -> u64 {
        self.whole().as_secs().saturating_mul(u64::from(self.rate))
    }

    /// When a call begins, by its number, from the beginning on.
    pub(crate) fn moment(&self, number: u64) -> Duration {
        let rate = u64::from(self.rate);
        // Exactly, since a rounded distance would add up.
        let (whole, rest) = (number / rate, number % rate);
        Duration::from_secs(whole) + Duration::from_nanos(rest * 1_000_000_000 / rate)
    }

    /// # Errors
    /// A usage failure where it would be more calls than anybody means.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.calls() <= MOST_CALLS {
            true => Ok(()),
            false => Err(Failure::usage(format_args!(
                "--rate and --duration make {} calls; {MOST_CALLS} at most are made at once",
                self.calls()
            ))),
        }
    }

    /// What is about to happen to `target`.
    pub(crate) fn warning(&self, target: &str) -> String {
        format!(
            "this loads {target} with {} calls/s for {} s, {} in all; Ctrl-C ends it and shows what was measured",
            self.rate,
            self.whole().as_secs(),
            self.calls()
        )
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    within(
        text,
        Duration::from_secs(1)..=LONGEST,
        "must be from 1s to 24h",
    )
}

fn warm_up(text: &str) -> Result<Duration, &'static str> {
    within(
        text,
        Duration::ZERO..=LONGEST_WARM_UP,
        "must be from 0s to 10m",
    )
}

fn timeout(text: &str) -> Result<Duration, &'static str> {
    within(
        text,
        Duration::from_secs(1)..=LONGEST_TIMEOUT,
        "must be from 1s to 60s",
    )
}

fn within(
    text: &str,
    range: std::ops::RangeInclusive<Duration>,
    say: &'static str,
) -> Result<Duration, &'static str> {
    let span = span::parse(text)?;
    if range.contains(&span) {
        Ok(span)
    } else {
        Err(say)
    }
}

fn percent(text: &str) -> Result<f64, &'static str> {
    const SAY: &str = "must be a number from 0 to 100";
    let number: f64 = text.parse().map_err(|_| SAY)?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err(SAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArguments,
    }

    fn load(arguments: &[&str]) -> Option<LoadArguments> {
        let line = Line::try_parse_from(std::iter::once(&"bench").chain(arguments));
        line.ok().map(|it| it.load)
    }

    #[test]
    fn calls_are_planned_without_a_drift() {
        let load = load(&["--rate", "3", "--duration", "1h", "--warm-up", "0s"]).unwrap();
        assert_eq!(load.calls(), 10_800);
        assert_eq!(load.moment(0), Duration::ZERO);
        assert_eq!(load.moment(1), Duration::from_nanos(333_333_333));
        assert_eq!(load.moment(10_799).as_secs(), 3_599);
    }

    #[test]
    fn what_nobody_means_is_refused() {
        for bad in [
            ["--rate", "0"],
            ["--rate", "1000000"],
            ["--duration", "0s"],
            ["--duration", "2d"],
            ["--warm-up", "1h"],
            ["--timeout", "0s"],
            ["--concurrency", "0"],
            ["--concurrency", "100000"],
            ["--fail-over", "101"],
            ["--fail-over", "NaN"],
            ["--p99-below", "0"],
        ] {
            assert!(load(&bad).is_none(), "{bad:?}");
        }
        let load = load(&["--rate", "100000", "--duration", "24h"]).unwrap();
        assert!(load.check().is_err());
    }
}
