//! One rule in its table.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::Method;
use prometheus_client::metrics::counter::Counter;

use super::conditions::Conditions;
use super::host::{HostPattern, RequestHost};
use super::line::RuleLine;
use super::origin::RuleOrigin;
use super::pattern::PathPattern;
use super::pattern::Reading;
use super::place::RulePlace;
use super::rollout::Rollout;
use super::rule::{RouteRule, Rule};
use crate::path::{NormalPath, RequestPath};

/// One rule for one method and one host, or for all of them.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) method: Option<Method>,
    pub(super) pattern: PathPattern,
    pub(super) host: Option<HostPattern>,
    pub(super) rule: Rule,
    pub(super) conditions: Conditions,
    /// The mode that its author named.
    pub(super) rollout: Option<Rollout>,
    pub(super) label: Arc<str>,
    /// What callers are sorted by in a roll-out: the label without its host, which whoever sends a request chooses.
    pub(super) sorting: Arc<str>,
    /// Counts the calls that it allowed and that nothing was wrong with: nearly all of them.
    pub(super) allowed: OnceLock<Counter>,
    place: RulePlace,
    /// Whether the log has said that it was written without the prefix of a nest.
    pub(super) named_as_relative: AtomicBool,
}

impl Entry {
    /// One for each method and host that the rule names.
    pub(super) fn all_of(rule: &RouteRule) -> Vec<Self> {
        let mut methods: Vec<_> = rule.methods.iter().cloned().map(Some).collect();
        if methods.is_empty() {
            methods.push(None);
        }
        let mut hosts: Vec<_> = rule.hosts.iter().cloned().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        let pairs = methods
            .iter()
            .flat_map(|method| hosts.iter().map(move |host| (method, host)));
        let entry = |(method, host): (&Option<Method>, &Option<HostPattern>)| {
            Self::new(rule, method.clone(), host.clone())
        };
        pairs.map(entry).collect()
    }

    fn new(rule: &RouteRule, method: Option<Method>, host: Option<HostPattern>) -> Self {
        let verb = method.as_ref().map(|method| format!("{method} "));
        let verb = verb.unwrap_or_default();
        let sorting: Arc<str> = format!("{verb}{}", rule.pattern).into();
        let label = match &host {
            Some(host) => format!("{verb}{host}{}", rule.pattern).into(),
            None => Arc::clone(&sorting),
        };
        Self {
            method,
            host,
            pattern: rule.pattern.clone(),
            rule: rule.rule.clone(),
            conditions: rule.conditions.clone(),
            place: rule.place.clone(),
            rollout: rule.rollout(),
            label,
            sorting,
            allowed: OnceLock::new(),
            named_as_relative: AtomicBool::new(false),
        }
    }

    pub(super) fn is_for(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(mine) => mine == method || (mine == Method::GET && method == Method::HEAD),
        }
    }

    /// A rule that names a host is for no request whose host is not known.
    pub(super) fn is_for_host(&self, host: Option<&RequestHost>) -> bool {
        match &self.host {
            None => true,
            Some(mine) => host.is_some_and(|host| mine.matches(host)),
        }
    }

    /// Whether both are for just the same requests.
    pub(super) fn is_for_same(&self, other: &Self) -> bool {
        self.method == other.method
            && self.host == other.host
            && self.pattern.same_paths(&other.pattern)
    }

    /// Whether there may be a request that both are for. Hosts are not compared: that two differ does not say that their patterns do.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let methods = match (&self.method, &other.method) {
            (Some(one), Some(another)) => self.is_for(another) || other.is_for(one),
            _ => true,
        };
        methods && self.pattern.may_meet(&other.pattern)
    }

    /// As it is listed. `service` is the mode of rules that name none.
    pub(super) fn line(&self, origin: RuleOrigin, service: Rollout) -> RuleLine {
        let rollout = self.rollout.unwrap_or(service);
        RuleLine {
            method: self.method.clone(),
            host: self.host.clone(),
            pattern: self.pattern.clone(),
            rule: self.rule.clone(),
            conditions: self.conditions.clone(),
            mode: rollout.mode(),
            enforced: rollout.percent(),
            names_its_mode: self.rollout.is_some(),
            origin,
            place: self.place.clone(),
        }
    }

    pub(super) fn is_for_path(&self, path: &NormalPath<'_>) -> bool {
        self.pattern.matches_reading(path, Reading::Decoded)
    }

    /// Whether this rule, which names the `prefix` of a nest, says as much about the rest of a path as `relative`, which
    /// does not: then its author tells both apart, and `relative` is about other paths.
    pub(super) fn says_below(&self, prefix: usize, relative: &Self) -> bool {
        self.pattern
            .specificity_below(prefix)
            .is_some_and(|own| own <= relative.pattern.specificity())
    }

    /// Says once that the rule is for the path without the prefix that a nest has taken away: its author cannot have
    /// meant it so, as paths are judged with that prefix. It closes nevertheless.
    pub(super) fn warn_of_nest(&self, path: &RequestPath<'_>) {
        if !self.named_as_relative.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                rule = &*self.label,
                segments = path.prefix_segments(),
                "a request fits this rule only without the prefix of the nest that the layer stands below: rules are for \
                 whole paths, so this one opens nothing there"
            );
        }
    }

    /// Sorts those first that are for fewer requests.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let host = self.host.as_ref().map(HostPattern::rank);
        (host, self.pattern.specificity(), self.method_rank())
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
