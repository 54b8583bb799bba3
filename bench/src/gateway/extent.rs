//! How much is measured.

use super::row::Row;
use crate::measure::Failure;

/// Rounds of each row, unless asked for others. Each row has its turn in each round.
const ROUNDS: usize = 5;
/// Length of a turn, unless asked for another.
const SECONDS: u64 = 3;
/// Before the first turn of a gateway in a JVM, at full load.
const JVM_SECONDS: u64 = 30;
/// Of the row about memory.
const REQUESTS: f64 = 1_000_000.0;

/// How long, how often, and what.
pub(super) struct Extent {
    pub(super) rounds: usize,
    pub(super) seconds: u64,
    pub(super) jvm_seconds: u64,
    pub(super) requests: f64,
    /// Parts of names of rows; none: all rows.
    rows: Vec<String>,
}

impl Extent {
    pub(super) fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut extent = Self {
            rounds: ROUNDS,
            seconds: SECONDS,
            jvm_seconds: JVM_SECONDS,
            requests: REQUESTS,
            rows: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
            match argument.as_str() {
                "--rounds" => extent.rounds = value()?.parse()?,
                "--seconds" => extent.seconds = value()?.parse()?,
                "--jvm-seconds" => extent.jvm_seconds = value()?.parse()?,
                "--requests" => extent.requests = value()?.parse()?,
                option if option.starts_with("--") => {
                    return Err(format!("{option} is no option").into());
                }
                row => extent.rows.push(row.to_owned()),
            }
        }
        Ok(extent)
    }

    pub(super) fn has(&self, row: &Row) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.name.contains(part))
    }
}
