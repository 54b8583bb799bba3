//! One rule in its table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;

use super::mode::Mode;
use super::pattern::PathPattern;
use super::pattern::Reading;
use super::rule::{RouteRule, Rule};
use crate::path::{NormalPath, RequestPath};

/// One rule for one method, or for all.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) method: Option<Method>,
    pub(super) pattern: PathPattern,
    pub(super) rule: Rule,
    /// The mode that its author named.
    pub(super) mode: Option<Mode>,
    pub(super) label: Arc<str>,
    /// Whether the log has said that it was written without the prefix of a nest.
    pub(super) named_as_relative: AtomicBool,
}

impl Entry {
    pub(super) fn new(rule: &RouteRule, method: Option<Method>) -> Self {
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
            named_as_relative: AtomicBool::new(false),
        }
    }

    pub(super) fn is_for(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(mine) => mine == method || (mine == Method::GET && method == Method::HEAD),
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

    /// With the same paths, HEAD stands before GET (which covers it), and both before "any method".
    pub(super) fn method_rank(&self) -> u8 {
        match &self.method {
            Some(method) if *method == Method::HEAD => 0,
            Some(_) => 1,
            None => 2,
        }
    }
}
