//! What a run says at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::arguments::LoadArguments;
use super::measured::{Measured, Times};

/// The counts and times of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    target: &'a str,
    rate: u32,
    duration_seconds: u64,
    warm_up_seconds: u64,
    concurrency: u32,
    timeout_seconds: u64,
    interrupted: bool,
    planned: u64,
    started: u64,
    answered: u64,
    well: u64,
    statuses: &'a BTreeMap<u16, u64>,
    failed: u64,
    failures: &'a BTreeMap<&'static str, u64>,
    not_started: u64,
    given_up: u64,
    achieved_rate: f64,
    latency_ms: Latency,
    not_well_percent: f64,
    sound: bool,
    #[serde(skip)]
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Latency {
    /// From the planned moment on.
    corrected: Quantiles,
    /// From the sending on.
    uncorrected: Quantiles,
}

/// In milliseconds; `null` where no call has a time.
#[derive(Debug, Serialize)]
struct Quantiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p99_9: Option<f64>,
    max: Option<f64>,
}

impl Quantiles {
    fn of(times: &Times) -> Self {
        Self {
            p50: times.at(0.5),
            p90: times.at(0.9),
            p99: times.at(0.99),
            p99_9: times.at(0.999),
            max: times.at(1.0),
        }
    }

    fn row(&self, name: &str) -> String {
        let numbers = [self.p50, self.p90, self.p99, self.p99_9, self.max];
        let shown = numbers.map(|number| match number {
            Some(number) => format!("{number:>10.2}"),
            None => format!("{:>10}", "-"),
        });
        format!("{name:<25}{}\n", shown.concat())
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(target: &'a str, load: &LoadArguments, measured: &'a Measured) -> Self {
        let took = measured.took.as_secs_f64();
        let answered = measured.all_answered();
        let corrected = Quantiles::of(&measured.corrected);
        let problems = problems(load, measured, corrected.p99);
        Self {
            target,
            rate: load.rate,
            duration_seconds: load.duration.as_secs(),
            warm_up_seconds: load.warm_up.as_secs(),
            concurrency: load.concurrency,
            timeout_seconds: load.timeout.as_secs(),
            interrupted: measured.is_interrupted,
            planned: measured.planned,
            started: measured.started,
            answered,
            well: measured.well(),
            statuses: &measured.answered,
            failed: measured.all_failed(),
            failures: &measured.failed,
            not_started: measured.not_started,
            given_up: measured.given_up(),
            achieved_rate: if took > 0.0 {
                answered as f64 / took
            } else {
                0.0
            },
            latency_ms: Latency {
                corrected,
                uncorrected: Quantiles::of(&measured.uncorrected),
            },
            not_well_percent: measured.share_not_well(),
            sound: problems.is_empty(),
            problems,
        }
    }

    /// Whether it is as the options demand.
    pub(super) const fn is_sound(&self) -> bool {
        self.sound
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, number: u64, more: &str| {
            // Writing into a text does not fail.
            let _written = writeln!(text, "{name:<14}{number:>11}{more}");
        };
        let planned = format!("  at {}/s for {} s", self.rate, self.duration_seconds);
        let planned = match self.interrupted {
            true => format!("{planned}, ended early"),
            false => planned,
        };
        line("planned", self.planned, &planned);
        line("started", self.started, "");
        let rate = format!("  {:.1}/s", self.achieved_rate);
        line("answered", self.answered, &rate);
        for (status, calls) in self.statuses {
            line(&format!("  {status}"), *calls, "");
        }
        line("failed", self.failed, "");
        for (why, calls) in self.failures {
            line(&format!("  {why}"), *calls, "");
        }
        let no_place = format!(
            "  all {} places were taken for {} s",
            self.concurrency, self.timeout_seconds
        );
        let no_place = if self.not_started > 0 { &no_place } else { "" };
        line("not started", self.not_started, no_place);
        if self.given_up > 0 {
            line("given up", self.given_up, "  under way when it was ended");
        }
        let names = ["p50", "p90", "p99", "p99.9", "max"];
        let names = names.map(|name| format!("{name:>10}"));
        let _written = writeln!(text, "\n{:<25}{}", "ms", names.concat());
        text.push_str(&self.latency_ms.corrected.row("from the planned moment"));
        text.push_str(&self.latency_ms.uncorrected.row("from the sending"));
        text.push('\n');
        match self.problems.as_slice() {
            [] => text.push_str("as it should be"),
            problems => text.push_str(&format!("not as it should be: {}", problems.join("; "))),
        }
        text
    }
}

fn problems(load: &LoadArguments, measured: &Measured, p99: Option<f64>) -> Vec<String> {
    let mut problems = Vec::new();
    let share = measured.share_not_well();
    if share > load.fail_over {
        problems.push(format!(
            "{share:.3} % of the calls did not go well (allowed: {} %)",
            load.fail_over
        ));
    }
    if let Some(limit) = load.p99_below
        && p99.is_none_or(|p99| p99 >= limit as f64)
    {
        problems.push(format!("p99 is not below {limit} ms"));
    }
    problems
}
