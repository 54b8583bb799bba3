//! Reads one section of the tree, each value through a method for its type.

mod children;
mod complaints;
mod foreign;
mod lists;
mod property;
mod sealed;
mod values;
mod written;

use std::collections::HashSet;
use std::fmt::Display;

use crate::key::{self, Key, Kind};
use crate::key_path;
use crate::node::{Node, Value};
use crate::place::Place;
use crate::placeholder::References;
use crate::production::Production;
use crate::report::{DEFAULT_ORIGIN, INHERITED_ORIGIN, Report};
use crate::sealing::Keyring;
use crate::secret::Secret;
use crate::suggest;

pub use values::Preferred;

/// One section of the configuration, whose values are read through a method for each type.
///
/// A method that reads returns `None` when the value is absent or wrong; what is wrong, with its file, line and key, is
/// among the [`Problems`](crate::Problems) of the load by then. So code that reads a section first reads all values and
/// only then asks with `?` whether they are there: no problem hides another. A value that is read also stands in the
/// effective tree, with its origin.
///
/// Messages that a reader adds must not repeat a value: it may be a secret in the wrong place.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    report: &'a Report,
    keys: &'a [Key],
    production: Production,
    path: String,
    /// What its secrets are sealed for: its path without the prefix, with entries of lists by name.
    place_of_seals: String,
    /// What opens them.
    keyring: Option<&'a Keyring>,
    /// What placeholders may name, for [`property`](Self::property).
    references: Option<&'a References<'a>>,
    /// Where the section begins: missing keys are missing here.
    place: Place,
    /// A mapping; `None` if the section is absent.
    node: Option<&'a Node>,
    /// Where values come from that this section leaves out.
    parent: Option<Box<Self>>,
    /// Whether the absence of a required key is a problem.
    is_in_use: bool,
}

/// A value as it was found.
struct Found<'a> {
    node: &'a Node,
    /// Its own path, which is that of the parent if it is inherited.
    path: String,
    /// What it is sealed for, if it is.
    place_of_seal: String,
    is_inherited: bool,
}

/// What is wrong with a value; never holds the value.
struct Complaint {
    message: String,
    suggestion: Option<&'static str>,
}

impl<'a> Section<'a> {
    /// Opens `node` and reports the keys in it that are not among `keys`.
    pub(crate) fn open(
        report: &'a Report,
        keys: &'a [Key],
        path: String,
        place: &Place,
        node: Option<&'a Node>,
    ) -> Self {
        let mapping = node.filter(|node| is_mapping(report, &path, node));
        let section = Self {
            report,
            keys,
            production: Production::Unknown,
            path,
            place_of_seals: String::new(),
            keyring: None,
            references: None,
            place: mapping.map_or(place, |node| &node.place).clone(),
            node: mapping,
            parent: None,
            // Something that is not a mapping has no keys, so a list of missing ones would not help.
            is_in_use: node.is_none() || mapping.is_some(),
        };
        section.check_keys();
        section
    }

    /// The same section, in an environment that says this about production.
    pub(crate) fn in_production(mut self, production: Production) -> Self {
        self.production = production;
        self
    }

    /// Where the section begins: its file and line, for those who look for it.
    #[must_use]
    pub fn written_at(&self) -> String {
        self.place.to_string()
    }

    /// Where the section begins as problems say it: its file, line and column.
    #[must_use]
    pub fn position(&self) -> String {
        match self.place.position() {
            Some(position) => format!("{}:{}", self.place, position.column),
            None => self.place.to_string(),
        }
    }

    /// What the environment says about production.
    #[must_use]
    pub fn production(&self) -> Production {
        self.production
    }

    /// The same section, whose absent values come from `parent`; those of a section within it come from the same section of `parent`.
    ///
    /// A value that is inherited and wrong is one problem, where it stands.
    #[must_use]
    pub fn inheriting(mut self, parent: &Self) -> Self {
        self.is_in_use &= parent.is_in_use;
        self.parent = Some(Box::new(parent.clone()));
        self
    }

    /// The same section, switched off: what is there must be right, but nothing has to be there.
    #[must_use]
    pub fn not_in_use(mut self) -> Self {
        self.is_in_use = false;
        self
    }

    /// Whether anything of the section is given, here or where it inherits from.
    pub fn is_given(&self) -> bool {
        self.node.is_some() || self.parent.as_ref().is_some_and(|parent| parent.is_given())
    }

    /// Whether `key` has a value, its own or an inherited one. A default does not count.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Reads `key` with one of the other methods; its absence is a problem. A secret may stand in a file as well.
    pub fn required<T>(&self, key: &str, read: impl FnOnce(&Self, &str) -> Option<T>) -> Option<T> {
        if !self.has(key) && !self.has(&file_key(key)) {
            self.missing(key, "is required");
        }
        read(self, key)
    }

    /// What `read` makes of this section. If it makes nothing and does not say why, the section itself is a problem:
    /// security must never fall back to defaults in silence.
    pub fn read_all<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        let value = read(self);
        if value.is_none() && self.report.is_empty() {
            self.report
                .problem(&self.place, &self.path, "cannot be read");
        }
        value
    }

    /// Whether this section itself, not one it inherits from, has a value for `key`.
    pub fn has_own(&self, key: &str) -> bool {
        self.own(key).is_some()
    }

    /// The path of `key` in this section.
    fn path_of(&self, key: &str) -> String {
        key_path::join(&self.path, key)
    }

    fn key(&self, name: &str) -> Option<&'a Key> {
        key::find(self.keys, name)
    }

    fn default(&self, key: &str) -> Option<&'static str> {
        let own = self.key(key).and_then(Key::default);
        own.or_else(|| self.parent.as_ref()?.default(key))
    }

    fn own(&self, key: &str) -> Option<&'a Node> {
        self.node.and_then(|node| node.get(key))
    }

    fn find(&self, key: &str) -> Option<Found<'a>> {
        if let Some(node) = self.own(key) {
            let written_as = node.place.foreign_path();
            return Some(Found {
                node,
                path: written_as.map_or_else(|| self.path_of(key), str::to_owned),
                place_of_seal: self.place_of_seal(key),
                is_inherited: false,
            });
        }
        let found = self.parent.as_ref()?.find(key)?;
        Some(Found {
            is_inherited: true,
            ..found
        })
    }

    /// Reads the text of `key`, or its default.
    fn read<T>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, Complaint>) -> Option<T> {
        let Some(found) = self.find(key) else {
            let text = self.default(key)?;
            let value = parse(text).ok()?;
            self.report
                .value(self.path_of(key), self.shown(key, text), DEFAULT_ORIGIN);
            return Some(value);
        };
        let text = self.clear_text(key, &found)?;
        match parse(text.expose()) {
            Ok(value) => {
                self.record(key, &found, text.expose());
                Some(value)
            }
            Err(Complaint {
                message,
                suggestion,
            }) => {
                self.report
                    .suggest(&found.node.place, &found.path, message, suggestion);
                None
            }
        }
    }

    /// Notes for the effective tree that an absent value of `key` comes from somewhere else, the key `from`. It shows
    /// `value` unless `key` is a [`Kind::Secret`].
    pub fn record_derived(&self, key: &str, value: &str, from: &str) {
        let origin = format!("{INHERITED_ORIGIN}{from}");
        self.report
            .value(self.path_of(key), self.shown(key, value), origin);
    }

    /// What the effective tree shows of a value: nothing of a secret, whatever method has read it.
    fn shown<'t>(&self, key: &str, value: &'t str) -> &'t str {
        match self.key(key).map(Key::kind) {
            Some(Kind::Secret) => "***",
            _ => value,
        }
    }

    /// Notes a value in effect, where this section has it and not where it was found.
    fn record(&self, key: &str, found: &Found<'_>, value: &str) {
        self.record_at(self.path_of(key), found, self.shown(key, value));
    }

    /// As [`record`](Self::record), for a path below a key.
    fn record_at(&self, path: String, found: &Found<'_>, shown: &str) {
        let place = &found.node.place;
        let origin = match found.is_inherited {
            true => format!("inherited from {} ({place})", found.path),
            false => place.to_string(),
        };
        self.report.value(path, shown, origin);
    }

    fn scalar(&self, node: &'a Node, path: &str) -> Option<&'a Secret> {
        match &node.value {
            Value::Scalar(text) => Some(text),
            _ => {
                self.wrong_type(node, path, "a single value");
                None
            }
        }
    }

    fn wrong_type(&self, node: &Node, path: &str, expected: &str) {
        wrong_type(self.report, node, path, expected);
    }

    fn check_keys(&self) {
        let entries = self.node.into_iter().flat_map(Node::entries);
        for entry in entries.filter(|entry| self.key(&entry.key).is_none()) {
            let suggestion = suggest::nearest(&entry.key, key::names(self.keys));
            let path = self.path_of(&entry.key);
            self.report
                .suggest(&entry.place, &path, "is not a known key", suggestion);
        }
    }
}

/// Reports sections of a list that have the same value for `key`, by which they are told apart. An inherited value counts too.
pub fn report_doubles(sections: &[Section<'_>], key: &str) {
    let mut seen = HashSet::new();
    for section in sections {
        let text = section.find(key).and_then(|found| match &found.node.value {
            Value::Scalar(text) => Some(text.expose()),
            _ => None,
        });
        if text.is_some_and(|text| !seen.insert(text)) {
            // At the entry where it is inherited: the value itself is right where it stands.
            let place = section.own(key).map_or(&section.place, |node| &node.place);
            let message = "is the same as in an entry before";
            section
                .report
                .problem(place, &section.path_of(key), message);
        }
    }
}

impl Complaint {
    fn new(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            suggestion: None,
        }
    }
}

/// The key that names the file in which the value of `key` may stand.
fn file_key(key: &str) -> String {
    format!("{key}-file")
}

fn is_mapping(report: &Report, path: &str, node: &Node) -> bool {
    let is_mapping = matches!(node.value, Value::Map(_));
    if !is_mapping {
        wrong_type(report, node, path, "a mapping");
    }
    is_mapping
}

fn wrong_type(report: &Report, node: &Node, path: &str, expected: &str) {
    let actual = match node.value {
        Value::Scalar(_) => "a single value",
        Value::List(_) | Value::Element(..) => "a list",
        Value::Map(_) => "a mapping",
        Value::Null | Value::Tagged => "empty",
        Value::Broken => return,
    };
    report.problem(
        &node.place,
        path,
        format!("must be {expected}, but is {actual}"),
    );
}
