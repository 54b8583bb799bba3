//! Rule tables and the lookup of the rules for one request.

use std::fmt;
use std::sync::Arc;

use http::Method;

use super::access::Access;
use super::entry::Entry;
use super::mode::Mode;
use super::pattern::PathPattern;
use super::pattern::Reading;
use super::rule::{RouteRule, Rule, RuleOrigin};
use crate::error::SetupProblem;
use crate::path::{NormalPath, PathFault, RequestPath};

/// Route label of requests that no rule is for.
const NO_RULE: &str = "none";

/// One line of the list that a service prints at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The method, or none when the rule is for all.
    pub method: Option<Method>,
    /// The path pattern.
    pub pattern: PathPattern,
    /// What is asked.
    pub rule: Rule,
    /// In which mode: its own, or that of the service. Where rules of several tables meet, the strictest mode that one
    /// of them names holds for all of them.
    pub mode: Mode,
    /// Whether the rule names its mode itself.
    pub names_its_mode: bool,
    /// Where it was written.
    pub origin: RuleOrigin,
}

impl fmt::Display for RuleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("*", Method::as_str);
        write!(
            f,
            "{method} {} {} [{}, {}]",
            self.pattern,
            self.rule,
            self.mode.name(),
            self.origin
        )
    }
}

/// The tables, in the order in which they are listed; all that have a rule for a request must allow it.
const ORIGINS: [RuleOrigin; 3] = [
    RuleOrigin::Code,
    RuleOrigin::Configuration,
    RuleOrigin::InternalOnlyPaths,
];

/// All tables of a resource server.
#[derive(Debug)]
pub(crate) struct Policy {
    tables: [Table; 3],
    mode: Mode,
    no_rule: Arc<str>,
}

#[derive(Debug)]
struct Table {
    origin: RuleOrigin,
    /// The most specific first, so that the first match counts.
    entries: Vec<Entry>,
}

impl Policy {
    /// Sorts the rules into their tables; what cannot be meant is added to `problems`.
    pub(crate) fn new(
        rules: Vec<(RuleOrigin, RouteRule)>,
        mode: Mode,
        problems: &mut Vec<SetupProblem>,
    ) -> Self {
        let mut tables = ORIGINS.map(|origin| Table {
            origin,
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
            for table in tables.iter_mut().filter(|table| table.origin == origin) {
                table.add(&rule, problems);
            }
        }
        for table in &mut tables {
            table
                .entries
                .sort_by_cached_key(|entry| (entry.pattern.specificity(), entry.method_rank()));
        }
        Self {
            tables,
            mode,
            no_rule: NO_RULE.into(),
        }
    }

    /// Every rule, in the order in which they are tried.
    pub(crate) fn lines(&self) -> Vec<RuleLine> {
        let of_table = |table: &Table| {
            let origin = table.origin;
            let line = |entry: &Entry| RuleLine {
                method: entry.method.clone(),
                pattern: entry.pattern.clone(),
                rule: entry.rule.clone(),
                mode: entry.mode.unwrap_or(self.mode),
                names_its_mode: entry.mode.is_some(),
                origin,
            };
            table.entries.iter().map(line).collect::<Vec<_>>()
        };
        self.tables.iter().flat_map(of_table).collect()
    }

    /// The mode of the service, for requests that have no route.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The label of requests that have no route.
    pub(crate) fn no_rule(&self) -> &Arc<str> {
        &self.no_rule
    }

    /// The mode for a request whose path has no single meaning. It could be one of any rule, so the strictest counts.
    pub(crate) fn mode_without_path(&self) -> Mode {
        let entries = self.tables.iter().flat_map(|table| &table.entries);
        let named = entries.filter_map(|entry| entry.mode).max();
        named.map_or(self.mode, |named| named.max(self.mode))
    }

    /// Finds the rules for a request.
    ///
    /// A path that has other rules decoded than as written is refused: the router behind this layer decides
    /// by one reading, and a service behind the router may decide by the other.
    pub(crate) fn resolve(
        &self,
        method: &Method,
        path: &RequestPath<'_>,
    ) -> Result<Access<'_>, PathFault> {
        let mut access = Access::new(self.mode, &self.no_rule);
        for table in &self.tables {
            let whole = table.find_one(method, path.whole())?;
            if let Some(found) = whole {
                access.add(found);
            }
            // What a service behind would do that reads allowed escapes as structure must be allowed too.
            if path.whole().loosest().is_some()
                && let Some(found) = table.find(method, path.whole(), Reading::Loosest)
            {
                access.add(found);
            }
            let Some(rest) = path.below_nest() else {
                continue;
            };
            let loosest = rest
                .loosest()
                .and_then(|_| table.find(method, rest, Reading::Loosest));
            for found in table.find_one(method, rest)?.into_iter().chain(loosest) {
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
        let mut methods: Vec<_> = rule.methods.iter().cloned().map(Some).collect();
        if methods.is_empty() {
            methods.push(None);
        }
        for method in methods {
            let entry = Entry::new(rule, method);
            let twice = self
                .entries
                .iter()
                .any(|it| it.method == entry.method && it.pattern.same_paths(&entry.pattern));
            if twice {
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
        method: &Method,
        path: &NormalPath<'_>,
    ) -> Result<Option<&Entry>, PathFault> {
        let found = self.find(method, path, Reading::Decoded);
        if path.has_escapes() {
            let as_written = self.find(method, path, Reading::AsWritten);
            if found.map(std::ptr::from_ref) != as_written.map(std::ptr::from_ref) {
                return Err(PathFault::TwoRules);
            }
        }
        Ok(found)
    }

    fn find(&self, method: &Method, path: &NormalPath<'_>, reading: Reading) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.is_for(method) && entry.pattern.matches_reading(path, reading))
    }
}

#[cfg(test)]
mod tests;
