//! Rules that others write, and that are not taken.

use hallpass_config::{Findings, Foreign, How};

/// How many of one document are named in the log.
const MOST_NAMED: usize = 20;

/// Rules of Sentinel that were left out: in documents and files that others write while the process runs, such as the dashboard's in Nacos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedRules {
    /// Such as can bound nothing here: what they ask for cannot be had, or they cannot be read. Lists that are none count as one.
    pub bad: usize,
    /// Such as bound something that no declared client calls, requests that arrive above all.
    pub others: usize,
}

/// What was left out of one list.
#[derive(Debug)]
pub(super) struct Skipping<'l, 'a> {
    list: &'l Foreign<'a>,
    count: SkippedRules,
}

impl<'l, 'a> Skipping<'l, 'a> {
    pub(super) fn of(list: &'l Foreign<'a>) -> Self {
        Self {
            list,
            count: SkippedRules::default(),
        }
    }

    /// Leaves out a rule that cannot be had.
    pub(super) fn bad(&mut self, findings: Findings) {
        self.count.bad = self.count.bad.saturating_add(1);
        let why = "the rule is left out";
        self.list.say(
            findings,
            match self.count.bad <= MOST_NAMED {
                true => How::Warned(why),
                false => How::LeftAlone(why),
            },
        );
    }

    /// Leaves out a rule about something else.
    pub(super) fn other(&mut self, rule: &Foreign<'_>) {
        self.count.others = self.count.others.saturating_add(1);
        rule.left_alone(
            "bounds something that no declared client calls, such as requests that arrive",
        );
    }

    /// Says how much was left out that was not named, and counts it.
    pub(super) fn finish(self, into: &mut SkippedRules) {
        let SkippedRules { bad, others } = self.count;
        if bad > MOST_NAMED {
            self.list.warn(
                "has more rules that are left out: `hallpass config check --explain` names them",
            );
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
