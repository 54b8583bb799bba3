//! Environment variables and flags, laid over the files.

use crate::canonical::{Canonical, Strangers};
use crate::key::Key;
use crate::key_path::{self, Segment};
use crate::merge::Merge;
use crate::node::{Node, Value};
use crate::override_name;
use crate::place::{Place, Source};
use crate::placeholder::{NOT_TEXT, Variables, is_text};
use crate::report::Report;
use crate::secret::Secret;

/// Lays single values over a tree.
pub(super) struct Overrides<'a> {
    pub(super) prefix: &'a str,
    /// The keys below it.
    pub(super) keys: &'a [Key],
    /// That of the variables; flags are one above.
    pub(super) rank: usize,
    pub(super) report: &'a Report,
}

impl Overrides<'_> {
    /// Lays the variables over `tree` that name one of our keys.
    pub(super) fn lay_variables(&self, tree: &mut Node, variables: &Variables) {
        let mut overrides = Vec::new();
        for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
            match override_name::path_of(name, self.prefix, self.keys, Some(tree)) {
                Some(path) => overrides.push((path, name, value)),
                None => self.look_for_slip(name),
            }
        }
        // By number, so that element 10 of a list comes after element 9.
        overrides.sort_by(|(path, ..), (other, ..)| path.cmp(other));
        let mut previous: Option<Vec<Segment>> = None;
        for (path, name, value) in overrides {
            let place = Place::whole(&Source::literal(format!("environment {name}"), self.rank));
            if !is_text(value) {
                let path = key_path::join_all(self.prefix, &path);
                self.report.problem(&place, &path, NOT_TEXT);
            }
            if previous.as_ref() == Some(&path) {
                let path = key_path::join_all(self.prefix, &path);
                self.report
                    .problem(&place, &path, "is given by two variables");
            }
            self.lay(tree, &path, value, &place);
            previous = Some(path);
        }
    }

    /// Warns of a variable that was probably meant for a key.
    fn look_for_slip(&self, name: &str) {
        if let Some(meant) = override_name::nearly(name, self.prefix, self.keys) {
            let text = format!(
                "environment {name}: names no key and has no effect; did you mean {meant}?"
            );
            self.report.warn(text);
        }
    }

    /// Lays the flags over `tree`; of two for the same key the later one wins.
    pub(super) fn lay_flags(&self, tree: &mut Node, flags: &[(String, Secret)]) {
        let place = Place::whole(&Source::literal("flag".to_owned(), self.rank + 1));
        for (key, value) in flags {
            self.lay(tree, &key_path::parse(key), value, &place);
        }
    }

    fn lay(&self, tree: &mut Node, path: &[Segment], value: &Secret, place: &Place) {
        let node = Node {
            value: Value::Scalar(value.clone()),
            place: place.clone(),
        };
        let node = Node::nest(path, place, node);
        let canonical = Canonical {
            report: self.report,
            strangers: Strangers::Refuse,
        };
        let node = canonical.section(self.prefix, node, self.keys, false);
        Merge::between_sources(self.report).merge(self.prefix, tree, node);
    }
}
