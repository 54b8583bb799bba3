//! `hallpass revocations`: what is revoked, and until when.

use clap::Args;
use hallpass_issuer::{RevocationInfo, revocation_report};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::{moment, runtime};

/// Show what is revoked, and until when
///
/// An entry names nobody: it holds a digest. Clients, subjects and keys that the configuration or the store know are shown by name, all else,
/// tokens among it, by digest (the first 16 bytes of SHA-256 over kind, a zero byte and name). Tainted keys are on the list by themselves. Two
/// revocations of the same are one entry, which denies what either would, until the later end.
#[derive(Args, Debug)]
pub(crate) struct Revocations {
    #[command(flatten)]
    store: IssuerStore,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    revocations: Vec<ShownRevocation<'a>>,
}

#[derive(Serialize)]
struct ShownRevocation<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    digest: String,
    /// Absent: also what is issued later.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<String>,
    until: String,
    tainted: bool,
}

impl Revocations {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let report = runtime::block_on(revocation_report(&settings, &clock()))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        if self.json {
            let revocations = report.iter().map(shown).collect();
            output::print_json(&Shown { revocations })?;
        } else if report.is_empty() {
            output::print_line("nothing is revoked")?;
        } else {
            let lines: Vec<_> = report.iter().map(line).collect();
            output::print_line(&lines.join("\n"))?;
        }
        Ok(Exit::Ok)
    }
}

fn shown(info: &RevocationInfo) -> ShownRevocation<'_> {
    let revocation = &info.revocation;
    ShownRevocation {
        kind: revocation.kind.as_str(),
        name: info.name.as_deref(),
        digest: revocation.digest.to_string(),
        issued_before: revocation
            .issued_before
            .map(|moment| moment::text(moment.as_secs())),
        until: moment::text(revocation.ends_at.as_secs()),
        tainted: info.is_tainted_key,
    }
}

fn line(info: &RevocationInfo) -> String {
    let shown = shown(info);
    let name = shown.name.unwrap_or(&shown.digest);
    let mut line = format!("{:<7}  {name:<24}  until {}", shown.kind, shown.until);
    if let Some(moment) = &shown.issued_before {
        line.push_str(&format!("  issued before {moment}"));
    }
    if shown.tainted {
        line.push_str("  tainted");
    }
    line
}
