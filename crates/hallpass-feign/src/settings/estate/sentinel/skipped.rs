//! Rules that others write, and that are not taken.

use hallpass_config::{Findings, Foreign, How};

/// How many lines of the log are about the rules of one document.
const MOST_LINES: usize = 20;
/// The most names that rules of others may be about which no client of `feign.clients` has: each is a client with all its settings.
pub(super) const MOST_NAMES: usize = 1_000;

/// Rules of Sentinel that were left out: in documents and files that others write while the process runs, such as the dashboard's in Nacos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedRules {
    /// Such as can bound nothing here: what they ask for cannot be had, or they cannot be read, or they are about more names than are kept.
    /// Lists that are none count as one.
    pub bad: usize,
    /// Such as bound something that no declared client calls, requests that arrive above all.
    pub others: usize,
}

/// What was left out of one list, and what there is to say of it. Whoever writes rules decides how many there are, and not how long the log is.
#[derive(Debug)]
pub(super) struct Skipping<'l, 'a> {
    list: &'l Foreign<'a>,
    count: SkippedRules,
    /// What was said so far.
    lines: usize,
    /// Whether something is not said of rules that are left out.
    hides_bad: bool,
    /// Whether something is not said of rules that are taken.
    hides_taken: bool,
    has_too_many_names: bool,
}

impl<'l, 'a> Skipping<'l, 'a> {
    pub(super) fn of(list: &'l Foreign<'a>) -> Self {
        Self {
            list,
            count: SkippedRules::default(),
            lines: 0,
            hides_bad: false,
            hides_taken: false,
            has_too_many_names: false,
        }
    }

    /// Leaves out a rule that cannot be had.
    pub(super) fn bad(&mut self, findings: Findings) {
        self.count.bad = self.count.bad.saturating_add(1);
        let is_hidden = !self.has_room_for(&findings);
        self.hides_bad |= is_hidden;
        let why = "the rule is left out";
        self.list.say(
            findings,
            match is_hidden {
                false => How::Warned(why),
                true => How::LeftAlone(why),
            },
        );
    }

    /// Says what there is to say of a rule that is taken: a dashboard of tomorrow may write one more key into each of thousands.
    pub(super) fn taken(&mut self, findings: Findings) {
        let is_hidden = !findings.warnings().is_empty() && !self.has_room_for(&findings);
        self.hides_taken |= is_hidden;
        let findings = match is_hidden {
            true => findings.without_warnings(),
            false => findings,
        };
        self.list.say(findings, How::Said);
    }

    /// Leaves out a rule about one name more than are kept.
    pub(super) fn crowded(&mut self) {
        self.count.bad = self.count.bad.saturating_add(1);
        self.has_too_many_names = true;
    }

    /// Leaves out a rule about something else.
    pub(super) fn other(&mut self, rule: &Foreign<'_>) {
        self.count.others = self.count.others.saturating_add(1);
        rule.left_alone(
            "bounds something that no declared client calls, such as requests that arrive",
        );
    }

    /// Whether there are lines left for what was found.
    fn has_room_for(&mut self, findings: &Findings) -> bool {
        let wanted = findings
            .problems()
            .count()
            .saturating_add(findings.warnings().len());
        self.lines = self.lines.saturating_add(wanted);
        self.lines <= MOST_LINES
    }

    /// Says how much was left out that was not named, and counts it.
    pub(super) fn finish(self, into: &mut SkippedRules) {
        let SkippedRules { bad, others } = self.count;
        if self.hides_bad {
            self.list.warn(
                "has more rules that are left out: `hallpass config check --explain` names them",
            );
        }
        if self.hides_taken {
            self.list.warn(
                "has more rules of which there is something to say: `hallpass config check --explain` says it",
            );
        }
        if self.has_too_many_names {
            self.list.warn(&format!(
                "is about more than {MOST_NAMES} names that are no clients in `feign.clients`: rules of further ones are left out"
            ));
        }
        if others > 0 {
            self.list.warn(
                "has rules that bound something that no declared client calls, such as requests that arrive: they have no effect here",
            );
        }
        into.bad = into.bad.saturating_add(bad);
        into.others = into.others.saturating_add(others);
    }
}
