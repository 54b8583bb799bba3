//! Everything that was found, for people and for machines.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::check::Check;
use super::finding::{Finding, Outcome};

/// Collects what checks find, in whatever order they end. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Report(Arc<Mutex<Vec<Finding>>>);

/// The report as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// Whether no check failed.
    sound: bool,
    /// What counts and was not looked at.
    untried: Vec<Check>,
    checks: Vec<ShownCheck>,
}

#[derive(Debug, Serialize)]
struct ShownCheck {
    name: Check,
    /// The worst of what was found.
    outcome: Outcome,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&self, findings: impl IntoIterator<Item = Finding>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(findings);
    }

    /// Whether all that was found is of the configuration itself.
    pub(super) fn has_looked_at_nothing(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_itself =
            |it: &Finding| [Check::Configuration, Check::PermitAll].contains(&it.check);
        let mut others = all.iter().filter(|it| !is_of_itself(it));
        others.all(|it| it.outcome == Outcome::Skipped)
    }

    /// Each check with what was found so far; `why` some of them have found nothing.
    pub(super) fn show(&self, why: &Finding) -> Shown {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |check: Check| {
            let of_this = all.iter().filter(|it| it.check == check);
            let mut findings: Vec<_> = of_this.cloned().collect();
            if findings.is_empty() {
                let check = Finding {
                    check,
                    ..why.clone()
                };
                findings.push(check);
            }
            let worst = findings.iter().map(|it| it.outcome).max();
            ShownCheck {
                name: check,
                outcome: worst.unwrap_or(Outcome::Skipped),
                findings,
            }
        };
        let checks: Vec<_> = Check::ALL.into_iter().map(shown).collect();
        let is_untried = |it: &&ShownCheck| it.findings.iter().any(|it| it.is_untried);
        let untried = checks.iter().filter(is_untried).map(|it| it.name);
        Shown {
            sound: checks.iter().all(|it| it.outcome != Outcome::Failure),
            untried: untried.collect(),
            checks,
        }
    }
}

impl Shown {
    pub(super) const fn is_sound(&self) -> bool {
        self.sound
    }

    /// Whether the configuration itself cannot be used.
    pub(super) fn is_unusable(&self) -> bool {
        let of_configuration = |it: &&ShownCheck| it.name == Check::Configuration;
        let found = self.checks.iter().find(of_configuration);
        found.is_some_and(|it| it.outcome == Outcome::Failure)
    }

    /// A line for each finding, and one below it that says what to do.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for finding in self.checks.iter().flat_map(|it| &it.findings) {
            let (outcome, check) = (finding.outcome.name(), finding.check.name());
            lines.push(format!("{outcome:8} {check:16} {}", finding.says));
            if let Some(advice) = &finding.advice {
                lines.push(format!("{:25} do: {advice}", ""));
            }
        }
        let number = |outcome| {
            self.checks
                .iter()
                .filter(|it| it.outcome == outcome)
                .count()
        };
        let (failures, warnings) = (number(Outcome::Failure), number(Outcome::Warning));
        let untried: Vec<_> = self.untried.iter().map(|it| it.name()).collect();
        lines.push(match (failures, warnings) {
            (0, _) if !untried.is_empty() => {
                format!(
                    "nothing failed, but it was NOT tried: {}",
                    untried.join(", ")
                )
            }
            (0, 0) => "sound".to_owned(),
            (0, warnings) => format!("sound, with a warning in {}", checks(warnings)),
            (failures, 0) => format!("not sound: {} failed", checks(failures)),
            (failures, warnings) => {
                format!(
                    "not sound: {} failed, and a warning in {}",
                    checks(failures),
                    checks(warnings)
                )
            }
        });
        lines.join("\n")
    }
}

fn checks(number: usize) -> String {
    match number {
        1 => "1 check".to_owned(),
        number => format!("{number} checks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_counts_and_what_found_nothing_says_why() {
        let report = Report::default();
        report.add([
            Finding::failure(Check::Clock, "wrong", "set it"),
            Finding::ok(Check::Clock, "right"),
            Finding::warning(Check::Redis, "slow", "move it"),
        ]);
        let shown = report.show(&Finding::skipped(Check::Nacos, "no time"));
        assert!(!shown.is_sound() && !shown.is_unusable());
        let text = shown.text();
        assert!(text.contains("failure  clock            wrong\n"), "{text}");
        assert!(
            text.contains("                          do: set it\nok       clock            right"),
            "{text}"
        );
        assert!(text.contains("skipped  listen           no time"), "{text}");
        assert!(
            text.ends_with("not sound: 1 check failed, and a warning in 1 check"),
            "{text}"
        );
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["sound"], false);
        let checks = json["checks"].as_array().unwrap();
        assert_eq!(checks.len(), Check::ALL.len());
        let clock = checks.iter().find(|it| it["name"] == "clock").unwrap();
        assert_eq!(clock["outcome"], "failure");
        let first = serde_json::json!({ "outcome": "failure", "says": "wrong", "do": "set it" });
        assert_eq!(clock["findings"][0], first);
    }
}
