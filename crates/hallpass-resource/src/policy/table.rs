//! Rule tables and the lookup of the rules for one request.

mod reach;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::access::Access;
use super::entry::Entry;
use super::host::RequestHost;
use super::line::RuleLine;
use super::mode::Mode;
use super::origin::RuleOrigin;
use super::pattern::Reading;
use super::rollout::Rollout;
use super::rule::{RouteRule, Rule};
use super::version::version;
use crate::error::SetupProblem;
use crate::path::{NormalPath, PathFault, RequestPath};

/// Route label of requests that no rule is for.
const NO_RULE: &str = "none";

/// The tables, in the order in which they are listed, and whether their rules name hosts; all that have a rule for a request
/// must allow it.
const TABLES: [(RuleOrigin, bool); 6] = [
    (RuleOrigin::Code, true),
    (RuleOrigin::Code, false),
    (RuleOrigin::Configuration, true),
    (RuleOrigin::Configuration, false),
    (RuleOrigin::InternalOnlyPaths, true),
    (RuleOrigin::InternalOnlyPaths, false),
];

/// All tables of a resource server.
#[derive(Debug)]
pub(crate) struct Policy {
    tables: [Table; 6],
    rollout: Rollout,
    no_rule: Arc<str>,
    version: Arc<str>,
}

#[derive(Debug)]
struct Table {
    origin: RuleOrigin,
    /// Whether its rules name hosts.
    names_hosts: bool,
    /// The most specific first, so that the first match counts.
    entries: Vec<Entry>,
}

impl Policy {
    /// Sorts the rules into their tables; what cannot be meant is added to `problems`.
    pub(crate) fn new(
        rules: Vec<(RuleOrigin, RouteRule)>,
        rollout: impl Into<Rollout>,
        problems: &mut Vec<SetupProblem>,
    ) -> Self {
        let mut tables = TABLES.map(|(origin, names_hosts)| Table {
            origin,
            names_hosts,
            entries: Vec::new(),
        });
        for (origin, rule) in rules {
            if let Rule::Scopes { all, any } = &rule.rule
                && all.is_empty()
                && any.is_empty()
            {
                problems.push(SetupProblem::EmptyScopes {
                    pattern: rule.pattern.to_string(),
                });
            }
            if rule.rule == Rule::Anonymous && rule.conditions.ask_for_a_caller() {
                problems.push(SetupProblem::IdleConditions {
                    pattern: rule.pattern.to_string(),
                });
            }
            let names_hosts = !rule.hosts.is_empty();
            let its = |it: &&mut Table| it.origin == origin && it.names_hosts == names_hosts;
            for table in tables.iter_mut().filter(its) {
                table.add(&rule, problems);
            }
        }
        for table in &mut tables {
            table.entries.sort_by_cached_key(Entry::rank);
        }
        let mut policy = Self {
            tables,
            rollout: rollout.into(),
            no_rule: NO_RULE.into(),
            version: NO_RULE.into(),
        };
        let without_path = policy.mode_without_path();
        policy.version = version(&policy.lines(), policy.rollout, without_path);
        policy
    }

    /// A short name for all rules and modes: the same for the same ones, in every instance.
    pub(crate) fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Every rule, in the order in which they are tried.
    pub(crate) fn lines(&self) -> Vec<RuleLine> {
        self.entries().map(|(_, line)| line).collect()
    }

    /// Whether it must be known which host a request is for.
    pub(crate) fn names_hosts(&self) -> bool {
        let mut tables = self.tables.iter();
        tables.any(|table| table.names_hosts && !table.entries.is_empty())
    }

    /// The mode of the service, for requests that have no route.
    pub(crate) fn rollout(&self) -> Rollout {
        self.rollout
    }

    /// How far each route is rolled out, by its label; requests that no rule is for have the label [`NO_RULE`]. Where
    /// rules of several tables have the same label, the strictest.
    pub(crate) fn rollouts(&self) -> BTreeMap<Arc<str>, Rollout> {
        let mut rollouts = BTreeMap::from([(Arc::clone(&self.no_rule), self.rollout)]);
        for entry in self.tables.iter().flat_map(|table| &table.entries) {
            let own = entry.rollout.unwrap_or(self.rollout);
            let known = rollouts.entry(Arc::clone(&entry.label)).or_insert(own);
            *known = own.max(*known);
        }
        rollouts
    }

    /// The label of requests that have no route.
    pub(crate) fn no_rule(&self) -> &Arc<str> {
        &self.no_rule
    }

    /// The mode for a request whose path has no single meaning. It could be one of any rule, so the strictest counts,
    /// and enforced for some is enforced: the rule that sorts callers is not known.
    pub(crate) fn mode_without_path(&self) -> Mode {
        let entries = self.tables.iter().flat_map(|table| &table.entries);
        let named = entries.filter_map(|entry| entry.rollout).max();
        let strictest = named.map_or(self.rollout, |named| named.max(self.rollout));
        strictest.mode()
    }

    /// Every rule with what it is listed as.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Entry, RuleLine)> {
        self.tables.iter().flat_map(|table| {
            let line = |entry: &Entry| entry.line(table.origin, self.rollout);
            table.entries.iter().map(move |entry| (entry, line(entry)))
        })
    }

    /// Finds the rules for a request.
    ///
    /// A path that has other rules decoded than as written is refused: the router behind this layer decides
    /// by one reading, and a service behind the router may decide by the other. Without a host, no rule that names one is
    /// for the request; who calls must not leave it out where [`names_hosts`](Self::names_hosts) says so.
    pub(crate) fn resolve(
        &self,
        method: &Method,
        host: Option<&RequestHost>,
        path: &RequestPath<'_>,
    ) -> Result<Access<'_>, PathFault> {
        let mut access = Access::new(self.rollout, &self.no_rule);
        let asked = Asked { method, host };
        for table in &self.tables {
            let whole = table.find_one(asked, path.whole())?;
            if let Some(found) = whole {
                access.add(found);
            }
            // What a service behind would do that reads allowed escapes as structure must be allowed too.
            if path.whole().loosest().is_some()
                && let Some(found) = table.find(asked, path.whole(), Reading::Loosest)
            {
                access.add(found);
            }
            let Some(rest) = path.below_nest() else {
                continue;
            };
            let loosest = rest
                .loosest()
                .and_then(|_| table.find(asked, rest, Reading::Loosest));
            for found in table.find_one(asked, rest)?.into_iter().chain(loosest) {
                let is_said = whole.is_some_and(|it| it.says_below(path.prefix_segments(), found));
                if !is_said && !found.is_for_path(path.whole()) {
                    found.warn_of_nest(path);
                    access.add(found);
                }
            }
        }
        Ok(access)
    }
}

impl Table {
    fn add(&mut self, rule: &RouteRule, problems: &mut Vec<SetupProblem>) {
        for entry in Entry::all_of(rule) {
            if self.entries.iter().any(|it| it.is_for_same(&entry)) {
                problems.push(SetupProblem::TwoRules {
                    route: entry.label.to_string(),
                    origin: self.origin,
                });
            }
            self.entries.push(entry);
        }
    }

    /// The rule of a path that has the same rule as written and decoded.
    fn find_one(
        &self,
        asked: Asked<'_>,
        path: &NormalPath<'_>,
    ) -> Result<Option<&Entry>, PathFault> {
        let found = self.find(asked, path, Reading::Decoded);
        if path.has_escapes() {
            let as_written = self.find(asked, path, Reading::AsWritten);
            if found.map(std::ptr::from_ref) != as_written.map(std::ptr::from_ref) {
                return Err(PathFault::TwoRules);
            }
        }
        Ok(found)
    }

    fn find(&self, asked: Asked<'_>, path: &NormalPath<'_>, reading: Reading) -> Option<&Entry> {
        self.entries.iter().find(|entry| {
            entry.is_for(asked.method)
                && entry.is_for_host(asked.host)
                && entry.pattern.matches_reading(path, reading)
        })
    }
}

/// What rules are looked for by, beside the path.
#[derive(Clone, Copy, Debug)]
struct Asked<'r> {
    method: &'r Method,
    host: Option<&'r RequestHost>,
}

#[cfg(test)]
mod tests;
