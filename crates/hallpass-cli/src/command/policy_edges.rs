//! `hallpass policy edges`: who may call whom, and who does.

use std::time::Duration;

use clap::Args;
use hallpass_issuer::{Edge, EdgeAdvice, EdgeReport, edge_report};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::{moment, runtime};

const SECONDS_PER_DAY: u64 = 86_400;

/// Show who may call whom at the issuer, and which of that is used
///
/// Of each client, in the configuration and in the store, every service and scope that it may have tokens for, with the day of its last use. Running
/// issuers note uses in memory and write them down each minute, so the last minute may be missing; a use counts for the day. What was not used for
/// `--unused-for-days` is advised to be taken away, once uses are noted for as long and the client is registered for as long. The rules of a service, which
/// `hallpass policy list` shows, are another matter.
#[derive(Args, Debug)]
pub(crate) struct PolicyEdges {
    /// Show those alone that were not used for so many days, or never.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=400))]
    unused_for_days: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

/// What counts as unused where nothing is said.
const USUAL_DAYS: u64 = 30;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    noted_since: Option<String>,
    edges: Vec<ShownEdge<'a>>,
    advice: Vec<ShownAdvice<'a>>,
}

#[derive(Serialize)]
struct ShownEdge<'a> {
    client_id: &'a str,
    audience: &'a str,
    scope: &'a str,
    by_exchange: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

#[derive(Serialize)]
struct ShownAdvice<'a> {
    client_id: &'a str,
    written_at: &'a str,
    taken_away: &'a [String],
    audiences: &'a [String],
    scopes: &'a [String],
    calls: Vec<ShownCall<'a>>,
}

#[derive(Serialize)]
struct ShownCall<'a> {
    audience: &'a str,
    scopes: &'a [String],
}

impl PolicyEdges {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let days = self.unused_for_days.unwrap_or(USUAL_DAYS);
        let unused_for = Duration::from_secs(days * SECONDS_PER_DAY);
        let report = runtime::block_on(edge_report(&settings, &clock, unused_for))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        let now = clock.now().duration_since(std::time::UNIX_EPOCH);
        let limit = now.unwrap_or_default().saturating_sub(unused_for).as_secs();
        let is_shown = |edge: &&Edge| {
            self.unused_for_days.is_none() || edge.last_used.is_none_or(|last| last < limit)
        };
        let edges: Vec<_> = report.edges.iter().filter(is_shown).collect();
        match self.json {
            true => output::print_json(&shown(&report, &edges))?,
            false => output::print_line(&text(&report, &edges))?,
        }
        Ok(Exit::Ok)
    }
}

fn shown<'a>(report: &'a EdgeReport, edges: &[&'a Edge]) -> Shown<'a> {
    let edge = |edge: &&'a Edge| ShownEdge {
        client_id: &edge.client_id,
        audience: &edge.audience,
        scope: &edge.scope,
        by_exchange: edge.by_exchange,
        first_used: edge.first_used.map(day),
        last_used: edge.last_used.map(day),
    };
    let advice = |advice: &'a EdgeAdvice| ShownAdvice {
        client_id: &advice.client_id,
        written_at: &advice.written_at,
        taken_away: &advice.taken_away,
        audiences: &advice.audiences,
        scopes: &advice.scopes,
        calls: advice
            .calls
            .iter()
            .map(|(audience, scopes)| ShownCall { audience, scopes })
            .collect(),
    };
    Shown {
        noted_since: report.noted_since.map(day),
        edges: edges.iter().map(edge).collect(),
        advice: report.advice.iter().map(advice).collect(),
    }
}

fn text(report: &EdgeReport, edges: &[&Edge]) -> String {
    let mut lines: Vec<_> = edges.iter().map(|edge| line(edge)).collect();
    lines.push(match report.noted_since {
        Some(since) => format!("Uses are noted since {}.", day(since)),
        None => "No issuer has noted a use yet: nothing follows from `never`.".to_owned(),
    });
    for advice in &report.advice {
        let place = match advice.written_at.as_str() {
            "" => "hallpass client set",
            place => place,
        };
        lines.push(format!(
            "advice     {} ({place}): take away {}\n  - client-id: {}\n    audiences: [{}]\n    scopes: [{}]",
            advice.client_id,
            advice.taken_away.join(", "),
            quoted(&advice.client_id),
            list(&advice.audiences),
            list(&advice.scopes),
        ));
        if !advice.calls.is_empty() {
            lines.push("    calls:".to_owned());
        }
        lines.extend(advice.calls.iter().map(|(audience, scopes)| {
            format!(
                "      - {{ audience: {}, scopes: [{}] }}",
                quoted(audience),
                list(scopes)
            )
        }));
    }
    lines.join("\n")
}

fn line(edge: &Edge) -> String {
    let scope = match edge.scope.as_str() {
        "" => "-",
        scope => scope,
    };
    let by = if edge.by_exchange {
        "  by exchange"
    } else {
        ""
    };
    let used = edge.last_used.map_or_else(|| "never".to_owned(), day);
    format!(
        "{used:<10} {} -> {}  {scope}{by}",
        edge.client_id, edge.audience
    )
}

/// As elements of a list in YAML.
fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    texts.join(", ")
}

/// JSON is YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn day(seconds: u64) -> String {
    let moment = moment::text(seconds);
    moment
        .split_once('T')
        .map_or(moment.clone(), |(day, _)| day.to_owned())
}
