//! `hallpass key schedule`: what becomes of the keys, and when.

use clap::Args;
use hallpass_issuer::{KeyStep, key_report};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::moment;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Show what becomes of the keys by itself, and when
///
/// By `issuer.key-rotation-seconds`, `issuer.key-announce-seconds` and `issuer.key-retention-seconds`; nothing is changed.
#[derive(Args, Debug)]
pub(crate) struct KeySchedule {
    #[command(flatten)]
    store: IssuerStore,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    steps: Vec<ShownStep<'a>>,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    /// Absent while it waits for verifiers, or for the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Absent for a key that is not made yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    algorithm: &'a str,
    becomes: &'a str,
}

impl KeySchedule {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let report = runtime::block_on(key_report(&settings, &clock))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        let steps: Vec<_> = report.steps.iter().map(shown).collect();
        if self.json {
            output::print_json(&Shown { steps })?;
        } else if steps.is_empty() {
            output::print_line("Nothing happens by itself: keys change by `hallpass key rotate`.")?;
        } else {
            let lines: Vec<_> = steps.iter().map(line).collect();
            output::print_line(&lines.join("\n"))?;
        }
        Ok(Exit::Ok)
    }
}

fn shown(step: &KeyStep) -> ShownStep<'_> {
    ShownStep {
        at: step.at.map(moment::text),
        kid: step.key_id.as_deref(),
        algorithm: step.algorithm.as_str(),
        becomes: step.enters.map_or("deleted", |state| state.as_str()),
    }
}

fn line(step: &ShownStep<'_>) -> String {
    let at = step.at.as_deref().unwrap_or("not known yet       ");
    let kid = step.kid.unwrap_or("a new key");
    format!("{at}  {:<9}  {:<6}  {kid}", step.becomes, step.algorithm)
}
