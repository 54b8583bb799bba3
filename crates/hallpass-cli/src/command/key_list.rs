//! `hallpass key list`: the keys, and which verifiers have them.

use clap::Args;
use hallpass_issuer::{KeyInfo, KeyReport, key_report};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::moment;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Show the issuer's keys, and which verifiers have fetched them
///
/// A verifier is known by the name that it gives itself when it asks for the key set: ours do, others by
/// `?verifier=NAME` in the key URL. Those without a name are not seen, so a list without gaps proves nothing about them.
#[derive(Args, Debug)]
pub(crate) struct KeyList {
    #[command(flatten)]
    store: IssuerStore,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    keys: Vec<ShownKey<'a>>,
    verifiers: Vec<ShownVerifier<'a>>,
}

#[derive(Serialize)]
struct ShownKey<'a> {
    kid: &'a str,
    algorithm: &'a str,
    state: &'a str,
    imported: bool,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    awaits_adoption: bool,
    /// Verifiers that do not have it.
    missing_at: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShownVerifier<'a> {
    name: &'a str,
    seen: String,
    kids: &'a [String],
}

impl KeyList {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let report = runtime::block_on(key_report(&settings, &clock))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        if self.json {
            output::print_json(&shown(&report))?;
        } else {
            output::print_line(&text(&report))?;
        }
        Ok(Exit::Ok)
    }
}

fn shown(report: &KeyReport) -> Shown<'_> {
    let key = |key: &KeyInfo| {
        let missing_at = report.missing_at(&key.key_id).collect();
        (key.since.map(moment::text), missing_at)
    };
    Shown {
        keys: report
            .keys
            .iter()
            .map(|info| {
                let (since, missing_at) = key(info);
                ShownKey {
                    kid: &info.key_id,
                    algorithm: info.algorithm.as_str(),
                    state: info.state.as_str(),
                    imported: info.is_imported,
                    created: moment::text(info.created_at),
                    since,
                    awaits_adoption: info.awaits_adoption,
                    missing_at,
                }
            })
            .collect(),
        verifiers: report
            .verifiers
            .iter()
            .map(|verifier| ShownVerifier {
                name: &verifier.name,
                seen: moment::text(verifier.seen_at),
                kids: &verifier.key_ids,
            })
            .collect(),
    }
}

fn text(report: &KeyReport) -> String {
    let mut lines = Vec::new();
    for key in &report.keys {
        let since = key.since.map(moment::text);
        let since = since.map_or_else(String::new, |since| format!("  since {since}"));
        lines.push(format!(
            "{:<9}  {:<6}  {}{since}",
            key.state, key.algorithm, key.key_id
        ));
        if key.awaits_adoption {
            lines.push("           signs when every verifier below has it".to_owned());
        }
    }
    if report.keys.is_empty() {
        lines.push("There is no key yet: the issuer makes one when it starts.".to_owned());
    }
    if report.verifiers.is_empty() {
        lines.push("No verifier has asked for the keys by a name.".to_owned());
    }
    for verifier in &report.verifiers {
        let missing = report.keys.iter().filter(|key| {
            let is_served = key.state.is_published();
            is_served && !verifier.key_ids.contains(&key.key_id)
        });
        let missing: Vec<&str> = missing.map(|key| key.key_id.as_str()).collect();
        let has = match missing.as_slice() {
            [] => "has all published keys".to_owned(),
            kids => format!("does not have {}", kids.join(", ")),
        };
        let seen = moment::text(verifier.seen_at);
        lines.push(format!("verifier   {}  {has}, asked {seen}", verifier.name));
    }
    lines.join("\n")
}
