//! What is measured, how, and against whom: see `bench/README.md`.
//!
//! `cargo run --release -p hallpass-bench -- NAME` runs one measurement and prints a Markdown table.

mod measure;
mod verify;

use std::error::Error;
use std::process::ExitCode;

/// The result of anything that a measurement needs; it is shown to whoever started it.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

type Measurement = fn() -> Outcome<()>;

/// Every measurement by its name.
const MEASUREMENTS: [(&str, Measurement); 1] = [("verify", verify::run)];

#[expect(
    clippy::print_stderr,
    reason = "this program talks to whoever started it"
)]
fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, run)) = MEASUREMENTS.iter().find(|(own, _)| *own == name) else {
        let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: hallpass-bench {}", names.join(" | "));
        return ExitCode::from(64);
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
