//! Which routes a change of the service's step reaches, and what the rules ask whatever their modes are.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Policy;
use crate::policy::entry::Entry;
use crate::policy::line::RuleLine;
use crate::policy::mode::Mode;

impl Policy {
    /// The labels of the routes whose calls the step of the service can deny: those of rules that name no mode, and those of rules
    /// that name one and may be met by a rule of another table that names none. Of such two the strictest step holds, so a rule's own step
    /// alone does not say what becomes of its calls.
    pub(crate) fn routes_of_service(&self) -> BTreeSet<Arc<str>> {
        let all = || {
            let tables = self.tables.iter().enumerate();
            tables.flat_map(|(table, it)| it.entries.iter().map(move |entry| (table, entry)))
        };
        let inheriting: Vec<_> = all().filter(|(_, it)| it.rollout.is_none()).collect();
        let is_reached = |(table, entry): &(usize, &Entry)| {
            let is_met = |(other, it): &(usize, &Entry)| other != table && entry.may_meet(it);
            entry.rollout.is_none() || inheriting.iter().any(is_met)
        };
        let reached = all().filter(is_reached);
        let mut labels: BTreeSet<_> = reached.map(|(_, it)| Arc::clone(&it.label)).collect();
        labels.insert(Arc::clone(&self.no_rule));
        labels
    }

    /// What each rule asks of whom, in no order that says anything; not in which mode, nor where it is written.
    pub(crate) fn demands(&self) -> Vec<String> {
        let without_mode = |line| RuleLine {
            mode: Mode::Off,
            ..line
        };
        let lines = self.lines().into_iter().map(without_mode);
        let mut demands: Vec<_> = lines.map(|it| it.to_string()).collect();
        demands.sort_unstable();
        demands
    }
}
