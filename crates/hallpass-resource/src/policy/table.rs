//! Rule tables and the lookup of the rules for one request.

use std::fmt;
use std::sync::Arc;

use http::Method;

use super::mode::Mode;
use super::pattern::PathPattern;
use super::pattern::Reading;
use super::rule::{RouteRule, Rule, RuleOrigin};
use crate::error::{Denial, SetupProblem};
use crate::path::{NormalPath, PathFault};
use crate::verifier::Verified;

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
    /// In which mode.
    pub mode: Mode,
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

#[derive(Debug)]
struct Entry {
    method: Option<Method>,
    pattern: PathPattern,
    rule: Rule,
    mode: Option<Mode>,
    label: Arc<str>,
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

    /// Finds the rules for a request.
    ///
    /// A path that has other rules decoded than as written is refused: the router behind this layer decides
    /// by one reading, and a service behind the router may decide by the other.
    pub(crate) fn resolve(
        &self,
        method: &Method,
        path: &NormalPath<'_>,
    ) -> Result<Access<'_>, PathFault> {
        let mut access = Access {
            entries: [None; 3],
            policy: self,
        };
        for (slot, table) in access.entries.iter_mut().zip(&self.tables) {
            let found = table.find(method, path, Reading::Decoded);
            if path.has_escapes() {
                let as_written = table.find(method, path, Reading::AsWritten);
                if !same_entry(found, as_written) {
                    return Err(PathFault::TwoRules);
                }
            }
            *slot = found;
        }
        Ok(access)
    }
}

fn same_entry(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
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

    fn find(&self, method: &Method, path: &NormalPath<'_>, reading: Reading) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.is_for(method) && entry.pattern.matches_reading(path, reading))
    }
}

impl Entry {
    fn new(rule: &RouteRule, method: Option<Method>) -> Self {
        let label = match &method {
            Some(method) => format!("{method} {}", rule.pattern),
            None => rule.pattern.to_string(),
        };
        Self {
            method,
            pattern: rule.pattern.clone(),
            rule: rule.rule.clone(),
            mode: rule.mode,
            label: label.into(),
        }
    }

    fn is_for(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(mine) => mine == method || (mine == Method::GET && method == Method::HEAD),
        }
    }

    /// With the same paths, HEAD stands before GET (which covers it), and both before "any method".
    fn method_rank(&self) -> u8 {
        match &self.method {
            Some(method) if *method == Method::HEAD => 0,
            Some(_) => 1,
            None => 2,
        }
    }
}

/// What is asked of one request: the rules that it must all satisfy.
#[derive(Debug)]
pub(crate) struct Access<'p> {
    entries: [Option<&'p Entry>; 3],
    policy: &'p Policy,
}

impl Access<'_> {
    /// The mode: the configured one of the route, else the one that code gave it, else the service's.
    pub(crate) fn mode(&self) -> Mode {
        let chosen = self
            .entries
            .iter()
            .rev()
            .flatten()
            .find_map(|entry| entry.mode);
        chosen.unwrap_or(self.policy.mode)
    }

    /// The route for metrics and the audit event: the pattern as its author wrote it, never the path.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.entries
            .iter()
            .flatten()
            .next()
            .map_or(&self.policy.no_rule, |entry| &entry.label)
    }

    /// Decides for a verified identity, or for none.
    pub(crate) fn decide(&self, caller: Option<&Verified>) -> Result<(), Denial> {
        if self.entries.iter().all(Option::is_none) {
            return Err(if caller.is_some() {
                Denial::NoRule
            } else {
                Denial::MissingToken
            });
        }
        self.entries
            .iter()
            .flatten()
            .try_for_each(|entry| entry.rule.decide(caller))
    }
}

impl Rule {
    fn decide(&self, caller: Option<&Verified>) -> Result<(), Denial> {
        if *self == Self::Anonymous {
            return Ok(());
        }
        let caller = caller.ok_or(Denial::MissingToken)?;
        let scope = caller.context().scope();
        match self {
            Self::Anonymous | Self::Authenticated => Ok(()),
            Self::InternalOnly(required) => {
                if !caller.is_internal_service() {
                    return Err(Denial::NotInternal {
                        required: required.clone(),
                    });
                }
                if scope.contains_all(required) {
                    Ok(())
                } else {
                    Err(insufficient(required))
                }
            }
            Self::Scopes { all, .. } if !scope.contains_all(all) => Err(insufficient(all)),
            Self::Scopes { any, .. } if !any.is_empty() && !scope.contains_any(any) => {
                Err(insufficient(any))
            }
            // A rule with two empty lists is refused when it is set up; it would let no caller in.
            Self::Scopes { all, any } if all.is_empty() && any.is_empty() => Err(insufficient(all)),
            Self::Scopes { .. } => Ok(()),
        }
    }
}

fn insufficient(required: &hallpass_token::Scope) -> Denial {
    Denial::InsufficientScope {
        required: required.clone(),
    }
}

#[cfg(test)]
mod tests;
