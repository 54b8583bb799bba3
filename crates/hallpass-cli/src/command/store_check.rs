//! `hallpass store check`: whether a store is as an issuer wrote it.

use clap::Args;
use hallpass_issuer::{StoreReport, check_store};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Read the whole store, and hold every row against its seal
///
/// Changes nothing, beside a running issuer or without one. Exit 65 when something is wrong. Not noticed: a whole older state of the store.
#[derive(Args, Debug)]
pub(crate) struct StoreCheck {
    #[command(flatten)]
    store: IssuerStore,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    store: &'a str,
    step: i64,
    keys: usize,
    clients: usize,
    authorities: usize,
    revocations: usize,
    refresh_tokens: usize,
    verifiers: usize,
    problems: &'a [String],
}

impl StoreCheck {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let report = runtime::block_on(check_store(&settings, &clock))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        match self.json {
            true => output::print_json(&shown(&report))?,
            false => output::print_line(&text(&report))?,
        }
        Ok(match report.contents.problems.is_empty() {
            true => Exit::Ok,
            false => Exit::NotValid,
        })
    }
}

fn shown(report: &StoreReport) -> Shown<'_> {
    let contents = &report.contents;
    Shown {
        store: &report.store,
        step: report.step,
        keys: contents.keys,
        clients: contents.clients,
        authorities: contents.authorities,
        revocations: contents.revocations,
        refresh_tokens: contents.refresh_tokens,
        verifiers: contents.verifiers,
        problems: &contents.problems,
    }
}

/// What was found, one thing a line.
pub(crate) fn text(report: &StoreReport) -> String {
    let contents = &report.contents;
    let mut lines = vec![
        format!("store           {}", report.store),
        format!("step            {}", report.step),
        format!("keys            {}", contents.keys),
        format!("clients         {}", contents.clients),
        format!("authorities     {}", contents.authorities),
        format!("revocations     {}", contents.revocations),
        format!("refresh tokens  {}", contents.refresh_tokens),
        format!("verifiers       {}", contents.verifiers),
    ];
    match contents.problems.as_slice() {
        [] => lines.push("all of it is as an issuer wrote it".to_owned()),
        problems => lines.extend(problems.iter().map(|it| wrong(it))),
    }
    lines.join("\n")
}

/// One thing that is wrong.
pub(crate) fn wrong(problem: &str) -> String {
    format!("WRONG           {problem}")
}
