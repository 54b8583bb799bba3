//! `hallpass policy list`: the rules of a configuration, in the order in which they are tried.

use clap::Args;
use hallpass::resource::{ResourceServer, RuleLine};
use serde::Serialize;

use super::policy_source::PolicySource;
use crate::output::{self, Exit, Failure};

/// List the rules of a configuration
///
/// Each table in the order in which its rules are tried; all tables that have a rule for a request must allow it. A
/// request that no rule is for is refused. The last line is a short name for these rules and their modes, by which audit
/// events and the log of a service say what was in effect (`policy`, `version`). Rules in the code of a service are known
/// to the service alone, which prints all of them at its start; with them the name is another one.
#[derive(Args, Debug)]
pub(crate) struct PolicyList {
    #[command(flatten)]
    source: PolicySource,
    /// Print a JSON object in place of lines.
    #[arg(long)]
    json: bool,
}

/// The object on standard output.
#[derive(Debug, Serialize)]
struct PolicyObject {
    /// As audit events name it, where the code of the service has no rules.
    policy: String,
    rules: Vec<RuleObject>,
}

/// A rule as JSON has it.
#[derive(Debug, Serialize)]
pub(super) struct RuleObject {
    table: String,
    method: Option<String>,
    host: Option<String>,
    path: String,
    rule: String,
    conditions: String,
    mode: &'static str,
    place: Option<String>,
}

impl From<&RuleLine> for RuleObject {
    fn from(line: &RuleLine) -> Self {
        Self {
            table: line.origin.to_string(),
            method: line.method.as_ref().map(ToString::to_string),
            host: line.host.as_ref().map(ToString::to_string),
            path: line.pattern.to_string(),
            rule: line.rule.to_string(),
            conditions: line.conditions.to_string(),
            mode: line.mode.name(),
            place: line.place.as_str().map(str::to_owned),
        }
    }
}

impl PolicyList {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let asked = async |server: ResourceServer| (server.rules(), server.policy_version());
        let (rules, policy) = self.source.with_server(asked)?;
        if self.json {
            let rules = rules.iter().map(RuleObject::from).collect();
            output::print_json(&PolicyObject { policy, rules })?;
            return Ok(Exit::Ok);
        }
        for rule in &rules {
            output::print_line(&shown(rule))?;
        }
        if rules.is_empty() {
            output::complain(
                "there is no rule, so every request is refused, unless the code of the service has some",
            );
        }
        output::print_line(&format!("policy {policy}"))?;
        Ok(Exit::Ok)
    }
}

/// The rule, and where it stands.
pub(super) fn shown(rule: &RuleLine) -> String {
    match rule.place.as_str() {
        Some(place) => format!("{rule}  {place}"),
        None => rule.to_string(),
    }
}
