//! What stands at the root of the documents for another program, and is read here under its own names.

use std::time::Duration;

use crate::duration;
use crate::key_path;
use crate::node::{Entry, Node, Value};
use crate::place::{Place, Source};
use crate::placeholder::{self, NOT_TEXT, References, is_text};
use crate::relaxed::letters;
use crate::report::Report;
use crate::secret::Secret;
use crate::trial::{Findings, How, Trial};

/// A key of another program, with what stands below it: `resilience4j.circuitbreaker`, say.
///
/// It is found by [`Section::foreign`](crate::Section::foreign) at the root of the documents, in all that count by their
/// profiles, a later one over an earlier one. As in Spring the spelling of a name does not matter (`slidingWindowSize`,
/// `sliding-window-size`), placeholders are filled in, and an environment variable of that name goes over the files. Nobody is told
/// of keys that are not asked for: they are not ours.
///
/// Its values are never shown by `Debug`, and messages must not repeat them: anything that stands there may be a secret in the
/// wrong place.
#[derive(Clone, Debug)]
pub struct Foreign<'a> {
    report: &'a Report,
    references: &'a References<'a>,
    held: Held<'a>,
    path: String,
    /// The path as the environment has it: without brackets around names with dots.
    property: String,
}

/// Where the value is.
#[derive(Clone, Debug)]
enum Held<'a> {
    File(&'a Node),
    Variable(&'a Secret, Place),
}

impl<'a> Foreign<'a> {
    /// The whole of the documents.
    pub(crate) fn root(report: &'a Report, references: &'a References<'a>) -> Option<Self> {
        let held = Held::File(references.whole_documents()?);
        Some(Self {
            report,
            references,
            held,
            path: String::new(),
            property: String::new(),
        })
    }

    /// What stands at `name` below this key; `None` if nothing does. One value in two spellings in the same source is a problem,
    /// as is a mapping in two spellings anywhere: one of them would be without effect.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Self> {
        let property = match self.property.as_str() {
            "" => name.to_owned(),
            property => format!("{property}.{name}"),
        };
        if let Some(value) = self.references.variable(&property) {
            let path = key_path::join(&self.path, name);
            return Some(self.set_by(value, path, property));
        }
        let wanted = letters(name);
        let mut found: Option<&Entry> = None;
        for entry in self.map().iter().filter(|it| letters(&it.key) == wanted) {
            found = Some(match found {
                Some(known) => self.one_of(known, entry),
                None => entry,
            });
        }
        found
            .filter(|entry| !entry.node.is_null())
            .map(|entry| self.child(entry))
    }

    /// What the environment says of the path `names` below the root, which is this.
    pub(crate) fn variable(&self, names: &[&str]) -> Option<Self> {
        let property = names.join(".");
        let value = self.references.variable(&property)?;
        let path = names
            .iter()
            .fold(String::new(), |path, name| key_path::join(&path, name));
        Some(self.set_by(value, path, property))
    }

    /// What a variable says.
    fn set_by(&self, value: &'a Secret, path: String, property: String) -> Self {
        let origin = format!("environment, for {property}");
        // Above all files.
        let place = Place::whole(&Source::literal(origin, usize::MAX));
        Self {
            held: Held::Variable(value, place),
            path,
            property,
            ..self.clone()
        }
    }

    /// What stands at the path `names`, one after the other.
    #[must_use]
    pub fn at(&self, names: &[&str]) -> Option<Self> {
        let (first, rest) = names.split_first()?;
        rest.iter()
            .try_fold(self.get(first)?, |found, name| found.get(name))
    }

    /// All keys of the mapping that stands here, as they are written, with what stands there; none where no mapping does.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let given = self.map().iter().filter(|entry| !entry.node.is_null());
        given.map(|entry| (entry.key.as_str(), self.child(entry)))
    }

    /// The elements of the list that stands here. Anything else is a problem, and `None`.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let Held::File(node) = &self.held else {
            self.problem("must be a list");
            return None;
        };
        let Value::List(items) = &node.value else {
            if !matches!(node.value, Value::Broken) {
                self.problem("must be a list");
            }
            return None;
        };
        let items = items.iter().enumerate().map(|(index, node)| Self {
            held: Held::File(node),
            path: key_path::join_index(&self.path, index),
            property: key_path::join_index(&self.property, index),
            ..self.clone()
        });
        Some(items.collect())
    }

    /// Whether more keys stand below this one.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        matches!(&self.held, Held::File(node) if matches!(node.value, Value::Map(_)))
    }

    /// The single value that stands here, without spaces around it; `None` if it is empty. A mapping, a list, a placeholder that nothing
    /// fills, and something sealed are problems, and `None`.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let text = self.filled_in()?;
        if hallpass_token::SealedValue::is_marked(text.expose()) {
            self.problem("is sealed, which only secrets of Hallpass can be");
            return None;
        }
        let text = text.expose().trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The span of time that stands here, as Spring reads it: `5s`, `PT5S`, or a number of milliseconds. Anything else is a problem, and
    /// `None`.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let span = duration::span(&self.text()?);
        if span.is_none() {
            self.problem("must be a duration, such as 250ms, 3s or PT3S");
        }
        span
    }

    /// The texts that stand here: a list of them, or one text with commas, as Spring has it.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        if matches!(&self.held, Held::File(node) if matches!(node.value, Value::List(_))) {
            let items = self.items()?;
            // All are read before the first that is no text makes the result `None`.
            let texts: Vec<_> = items.iter().map(Self::text).collect();
            return texts.into_iter().collect();
        }
        let text = self.text()?;
        let texts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        Some(texts.map(str::to_owned).collect())
    }

    /// Its full path, for messages.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// File and line, for messages.
    #[must_use]
    pub fn written_at(&self) -> String {
        self.place().to_string()
    }

    /// Says what is wrong with it. `message` goes on after the path and never repeats a value.
    pub fn problem(&self, message: impl Into<String>) {
        self.report.problem(self.place(), &self.path, message);
    }

    /// Says what probably does not do what it was written for; the configuration can be used all the same. `message` never repeats a
    /// value.
    pub fn warn(&self, message: &str) {
        let (place, path) = (self.place(), &self.path);
        self.report.warn(format!("{place}: {path}: {message}"));
    }

    /// Notes that it is not read, and why: for `hallpass config check --explain`.
    pub fn left_alone(&self, why: &str) {
        self.report.left_alone(self.place(), &self.path, why);
    }

    /// The same key, read within `trial`: what is wrong with it is said there alone.
    #[must_use]
    pub fn within<'b>(&self, trial: &'b Trial) -> Foreign<'b>
    where
        'a: 'b,
    {
        self.reporting_to(trial.report())
    }

    /// Says what was found within a [`Trial`].
    pub fn say(&self, findings: Findings, how: How<'_>) {
        findings.say(self.report, how);
    }

    /// A key of ours whose value stands as another program writes it.
    pub(crate) fn of_ours(
        report: &'a Report,
        references: &'a References<'a>,
        node: &'a Node,
        path: String,
    ) -> Self {
        let property = path.clone();
        Self {
            report,
            references,
            held: Held::File(node),
            path,
            property,
        }
    }

    /// The same key, whose value is this one.
    pub(crate) fn holding(&self, node: &'a Node) -> Self {
        Self {
            held: Held::File(node),
            ..self.clone()
        }
    }

    pub(crate) fn reporting_to<'b>(&self, report: &'b Report) -> Foreign<'b>
    where
        'a: 'b,
    {
        let mut found: Foreign<'b> = self.clone();
        found.report = report;
        found
    }

    pub(crate) const fn report(&self) -> &'a Report {
        self.report
    }

    pub(crate) fn place(&self) -> &Place {
        match &self.held {
            Held::File(node) => &node.place,
            Held::Variable(_, place) => place,
        }
    }

    fn map(&self) -> &'a [Entry] {
        match &self.held {
            Held::File(node) => node.entries(),
            Held::Variable(..) => &[],
        }
    }

    fn child(&self, entry: &'a Entry) -> Self {
        let property = match self.property.as_str() {
            "" => entry.key.clone(),
            property => format!("{property}.{}", entry.key),
        };
        Self {
            held: Held::File(&entry.node),
            path: key_path::join(&self.path, &entry.key),
            property,
            ..self.clone()
        }
    }

    /// Which of two spellings counts.
    fn one_of(&self, one: &'a Entry, other: &'a Entry) -> &'a Entry {
        let are_values = [one, other].map(|it| matches!(it.node.value, Value::Scalar(_)));
        let (one_rank, other_rank) = (one.place.rank(), other.place.rank());
        if are_values == [true, true] && one_rank != other_rank {
            return if one_rank > other_rank { one } else { other };
        }
        let at = &one.place;
        let message =
            format!("is given twice, in two spellings, the other one at {at}: write it once");
        let path = key_path::join(&self.path, &other.key);
        self.report.problem(&other.place, &path, message);
        one
    }

    fn filled_in(&self) -> Option<Secret> {
        let node = match &self.held {
            Held::Variable(value, _) if is_text(value) => return Some((*value).clone()),
            Held::Variable(..) => {
                self.problem(NOT_TEXT);
                return None;
            }
            Held::File(node) => node,
        };
        let text = match &node.value {
            Value::Scalar(text) => text,
            Value::Null => return None,
            Value::Broken => return None,
            Value::Tagged => {
                self.problem("has a YAML tag, which means nothing here");
                return None;
            }
            Value::List(_) | Value::Map(_) | Value::Element(..) => {
                self.problem("must be a single value");
                return None;
            }
        };
        if !node.place.has_placeholders() {
            return Some(text.clone());
        }
        match placeholder::expand(text.expose(), self.references) {
            Ok(text) => Some(text),
            Err(faults) => {
                for fault in faults {
                    self.problem(fault.message());
                }
                None
            }
        }
    }
}
