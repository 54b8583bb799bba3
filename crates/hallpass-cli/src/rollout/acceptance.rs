//! The acceptance report that the end of a phase leaves: what operators sign.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::instances::Seen;
use super::plan::PlannedService;
use super::record::Entry;
use super::step::{Phase, Step};
use crate::moment;

/// What a phase came to.
#[derive(Debug)]
pub(crate) struct Acceptance<'a> {
    pub(crate) service: &'a PlannedService,
    pub(crate) phase: Phase,
    /// All lines of the record about the service, the oldest first.
    pub(crate) entries: &'a [Entry],
    /// What the instances say at the end of the phase.
    pub(crate) seen: &'a [Seen],
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// For how long all instances have been at their step without a break, in seconds.
    pub(crate) watched_seconds: u64,
    pub(crate) by: &'a str,
    /// The command that takes it back.
    pub(crate) back: &'a str,
    /// The file of the change record.
    pub(crate) record: &'a Path,
}

/// Calls, counted over all instances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) allowed: u64,
    pub(super) denied: BTreeMap<String, u64>,
    pub(super) would_deny: BTreeMap<String, u64>,
    /// How often an instance was started anew meanwhile: what it had counted since it was asked before is in none of these numbers.
    restarts: u64,
}

impl Acceptance<'_> {
    /// Writes it into `folder`, under a name of its own.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let moment = moment::text(self.now).replace(':', "");
        let (name, phase) = (&self.service.name, self.phase.name());
        let path = folder.join(format!("{name}-{phase}-{moment}.md"));
        fs::write(&path, self.text())?;
        Ok(path)
    }

    fn text(&self) -> String {
        let (service, phase) = (&self.service.name, self.phase);
        let own = self.of_this_phase();
        let mut text = format!(
            "# Acceptance report (上线回执): {service}, {}\n\n",
            phase.name()
        );
        let begin = own.iter().find(|it| it.is_change());
        let begin = begin.map_or_else(
            || moment::text(self.now.saturating_sub(self.watched_seconds)),
            |entry| entry.at.clone(),
        );
        let rows = [
            ("service", service.clone()),
            ("configuration", self.service.place.to_string()),
            ("phase", format!("{}: {}", phase.name(), phase.meaning())),
            ("period", format!("{begin} to {}", moment::text(self.now))),
            (
                "last step watched",
                format!("{} seconds", self.watched_seconds),
            ),
            ("written for", self.by.to_owned()),
        ];
        text.push_str("| | |\n|---|---|\n");
        for (name, value) in rows {
            // Writing into a text does not fail.
            let _ = writeln!(text, "| {name} | {} |", cell(&value));
        }
        self.calls(&mut text, own);
        self.steps(&mut text, own);
        self.end(&mut text);
        text
    }

    /// The lines from the change that began the phase on.
    fn of_this_phase(&self) -> &[Entry] {
        let is_of_it = |entry: &Entry| entry.step().and_then(Step::phase) == Some(self.phase);
        let begin = self.entries.iter().rposition(|entry| !is_of_it(entry));
        let begin = begin.map_or(0, |last_other| last_other + 1);
        self.entries.get(begin..).unwrap_or_default()
    }

    fn calls(&self, text: &mut String, own: &[Entry]) {
        let snapshots = own.iter().map(|entry| entry.seen.as_slice());
        let calls = Calls::between(snapshots.chain([self.seen]));
        text.push_str(
            "\n## Calls in this period\n\n| | caller | reason | calls |\n|---|---|---|---|\n",
        );
        let _ = writeln!(text, "| allowed | | | {} |", calls.allowed);
        for (reason, times) in &calls.denied {
            let _ = writeln!(text, "| denied | | {} | {times} |", cell(reason));
        }
        for (who, times) in &calls.would_deny {
            let (caller, reason) = who.rsplit_once(' ').unwrap_or((who, ""));
            let (caller, reason) = (cell(caller), cell(reason));
            let _ = writeln!(
                text,
                "| passed, and would be denied | {caller} | {reason} | {times} |"
            );
        }
        if calls.restarts > 0 {
            let _ = writeln!(
                text,
                "\n**The numbers are incomplete**: instances were started anew {} times, and what each had counted since it was asked before is lost.",
                calls.restarts
            );
        }
        text.push_str("\nOf these instances:\n\n");
        for it in self.seen {
            let step = it.step.as_deref().unwrap_or("not asked");
            let _ = writeln!(text, "- {} ({step})", cell(&it.instance));
        }
    }

    fn steps(&self, text: &mut String, own: &[Entry]) {
        text.push_str("\n## Changes (变更记录)\n\n| when | who | from | to |\n|---|---|---|---|\n");
        for entry in own.iter().filter(|entry| entry.is_change()) {
            let from = entry.from.as_deref().unwrap_or("?");
            let (by, from, to) = (cell(&entry.by), cell(from), cell(&entry.to));
            let _ = writeln!(text, "| {} | {by} | {from} | {to} |", entry.at);
        }
        let _ = writeln!(
            text,
            "\nAll of them: {}",
            cell(&self.record.display().to_string())
        );
    }

    fn end(&self, text: &mut String) {
        text.push_str("\n## Accepted exceptions\n\n");
        match self.service.accepted.as_slice() {
            [] => text.push_str("None: no caller is to be denied.\n"),
            accepted => {
                text.push_str("Callers that are to be denied:\n\n");
                for caller in accepted {
                    let _ = writeln!(text, "- {}", cell(caller));
                }
            }
        }
        text.push_str("\n## Way back (回滚方案)\n\n");
        let _ = writeln!(
            text,
            "`{}` takes the service back to `report` within seconds, without a restart, and asks nothing.",
            self.back
        );
        text.push_str("\n## Signed\n\n| role | name | date | signature |\n|---|---|---|---|\n");
        for role in ["operations", "service", "security"] {
            let _ = writeln!(text, "| {role} | | | |");
        }
    }
}

impl Calls {
    /// What was counted from the first of these snapshots to the last; with one alone, since the instances were started. The counters of another
    /// process, or one that has fallen, began anew.
    pub(super) fn between<'s>(snapshots: impl Iterator<Item = &'s [Seen]>) -> Self {
        let snapshots: Vec<_> = snapshots.filter(|it| !it.is_empty()).collect();
        let mut calls = Self::default();
        let mut last = BTreeMap::<&str, &Seen>::new();
        for (number, snapshot) in snapshots.iter().enumerate() {
            for seen in snapshot.iter().filter(|it| it.unreachable.is_none()) {
                let before = last.insert(&seen.instance, seen);
                let begins = number == 0 && snapshots.len() > 1;
                match before {
                    Some(before) => calls.add(before, seen),
                    None if begins => {}
                    None => calls.add(&Seen::default(), seen),
                }
            }
        }
        calls
    }

    fn add(&mut self, before: &Seen, after: &Seen) {
        let has_begun_anew = after.allowed < before.allowed || after.is_of_other_process(before);
        self.restarts += u64::from(has_begun_anew);
        let none = Seen::default();
        let before = if has_begun_anew { &none } else { before };
        self.allowed += grown(before.allowed, after.allowed);
        for (sums, before, after) in [
            (&mut self.denied, &before.denied, &after.denied),
            (&mut self.would_deny, &before.would_deny, &after.would_deny),
        ] {
            for (name, times) in after {
                let more = grown(before.get(name).copied().unwrap_or(0), *times);
                if more > 0 {
                    *sums.entry(name.clone()).or_default() += more;
                }
            }
        }
    }
}

const fn grown(before: u64, after: u64) -> u64 {
    match after.checked_sub(before) {
        Some(more) => more,
        None => after,
    }
}

/// A text for one cell of a table, whatever is in it.
fn cell(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

#[cfg(test)]
mod tests;
