//! `${NAME}` and `${NAME:default}` in values, as Spring has them: `NAME` is an environment variable, or else a key of the
//! configuration, also of a section that nobody here reads.

use std::collections::BTreeMap;

use crate::key_path::{self, Segment};
use crate::node::{Node, Value};
use crate::relaxed;
use crate::report::Report;
use crate::secret::Secret;

/// Defaults within defaults, and keys that refer to keys.
const MAX_DEPTH: usize = 8;
/// Placeholders in one value, those of the keys that it refers to included.
const MAX_PLACEHOLDERS: usize = 1_000;
/// Longest value after all placeholders are filled in, in bytes.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Names of environment variables and their values.
pub(crate) type Variables = BTreeMap<String, Secret>;

/// What is said of a variable that is no text.
pub(crate) const NOT_TEXT: &str = "is not UTF-8 text";

/// Whether the value of a variable was UTF-8.
pub(crate) fn is_text(value: &Secret) -> bool {
    !value.expose().contains(char::REPLACEMENT_CHARACTER)
}

/// What is wrong with a placeholder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// No such variable, and no default.
    Unset(String),
    /// The variable is not UTF-8.
    NotText(String),
    /// What stands where a name belongs does not look like one, and may be a secret.
    Name,
    /// `${` without `}`.
    Open,
    /// `${random.uuid}` and its like, which Spring makes up.
    Random,
    /// More than [`MAX_DEPTH`] defaults within each other, or keys that refer to each other.
    Deep,
    /// More than [`MAX_VALUE_BYTES`], or than [`MAX_PLACEHOLDERS`].
    Long,
}

impl Fault {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Unset(name) => {
                format!("needs the environment variable {name}, which is not set and has no default")
            }
            Self::NotText(name) => {
                format!("needs the environment variable {name}, which {NOT_TEXT}")
            }
            Self::Name => "has a placeholder that names neither an environment variable nor a key of the configuration; \
                write ${NAME}, ${some.key} or ${NAME:default}, and \\${ for the characters themselves"
                .to_owned(),
            Self::Random => "has a placeholder for a random value, which is not made here; write the value".to_owned(),
            Self::Open => "has a placeholder without its closing brace; write \\${ for the characters \
                themselves"
                .to_owned(),
            Self::Deep => format!("has placeholders more than {MAX_DEPTH} levels deep, or in a circle"),
            Self::Long => format!("is longer than {MAX_VALUE_BYTES} bytes, or has more than {MAX_PLACEHOLDERS} placeholders"),
        }
    }
}

/// Where the values of placeholders come from: the environment, then the trees in this order.
#[derive(Debug)]
pub(crate) struct References<'a> {
    variables: &'a Variables,
    /// Each with the path of its root.
    trees: Vec<(Vec<Segment>, &'a Node)>,
}

impl<'a> References<'a> {
    /// To the environment alone.
    pub(crate) fn to_variables(variables: &'a Variables) -> Self {
        Self {
            variables,
            trees: Vec::new(),
        }
    }

    /// Also to the keys of `tree`, whose root stands at `path`.
    pub(crate) fn and(mut self, path: &str, tree: &'a Node) -> Self {
        let path = match path {
            "" => Vec::new(),
            path => key_path::parse(path),
        };
        self.trees.push((path, tree));
        self
    }

    /// Everything that the documents hold, from their root on.
    pub(crate) fn whole_documents(&self) -> Option<&'a Node> {
        let whole = self.trees.iter().find(|(root, _)| root.is_empty());
        whole.map(|(_, tree)| *tree)
    }

    /// The environment variable that stands for a key, as Spring looks for it.
    pub(crate) fn variable(&self, key: &str) -> Option<&'a Secret> {
        find(self.variables, key).filter(|value| !value.is_empty())
    }

    /// The value of a key, and whether it may have placeholders itself. A key that stands there without a value is empty
    /// text, as in Spring, and not absent: the default of a placeholder is for keys that nobody wrote.
    fn key(&self, name: &str) -> Option<(&'a str, bool)> {
        let path = key_path::parse(name);
        self.trees.iter().find_map(|(root, tree)| {
            let path = path.strip_prefix(root.as_slice())?;
            let node = relaxed::find(tree, path)?;
            match &node.value {
                Value::Scalar(text) => Some((text.expose(), node.place.has_placeholders())),
                Value::Null => Some(("", false)),
                _ => None,
            }
        })
    }
}

/// Fills in the placeholders of all values that come from YAML. A value that is then empty counts as absent.
pub(crate) fn fill_in(node: &mut Node, path: &str, references: &References<'_>, report: &Report) {
    match &mut node.value {
        Value::Scalar(text) if node.place.has_placeholders() && text.expose().contains("${") => {
            node.value = match expand(text.expose(), references) {
                Ok(text) if text.expose().is_empty() => Value::Null,
                Ok(text) => Value::Scalar(text),
                Err(faults) => {
                    for fault in faults {
                        report.problem(&node.place, path, fault.message());
                    }
                    Value::Broken
                }
            };
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill_in(item, &key_path::join_index(path, index), references, report);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                fill_in(
                    &mut entry.node,
                    &key_path::join(path, &entry.key),
                    references,
                    report,
                );
            }
        }
        Value::Tagged => {
            report.problem(
                &node.place,
                path,
                "has a YAML tag, which means nothing here",
            );
            node.value = Value::Broken;
        }
        Value::Null | Value::Scalar(_) | Value::Element(..) | Value::Broken => {}
    }
}

/// Fills in one text. What comes out of the environment is taken literally, so that a value never refers to itself.
pub(crate) fn expand(text: &str, references: &References<'_>) -> Result<Secret, Vec<Fault>> {
    let mut expansion = Expansion {
        references,
        placeholders: 0,
        filled: Secret::new(String::with_capacity(text.len())),
        faults: Vec::new(),
    };
    expansion.text(text, 0);
    if expansion.filled.expose().len() > MAX_VALUE_BYTES {
        expansion.faults.push(Fault::Long);
    }
    expansion.faults.sort();
    expansion.faults.dedup();
    match expansion.faults.is_empty() {
        true => Ok(expansion.filled),
        false => Err(expansion.faults),
    }
}

/// What `${name}` is; `None` where nobody has given it.
pub(crate) fn value_of(
    name: &str,
    references: &References<'_>,
) -> Option<Result<Secret, Vec<Fault>>> {
    let is_given = find(references.variables, name).is_some() || references.key(name).is_some();
    is_given.then(|| expand(&format!("${{{name}}}"), references))
}

struct Expansion<'a> {
    references: &'a References<'a>,
    placeholders: usize,
    filled: Secret,
    faults: Vec<Fault>,
}

impl Expansion<'_> {
    fn text(&mut self, text: &str, depth: usize) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('\\') {
                self.push(before);
                self.push("${");
                rest = after;
                continue;
            }
            self.push(before);
            let Some((inner, after)) = split_at_closing_brace(after) else {
                self.faults.push(Fault::Open);
                return;
            };
            self.placeholder(inner, depth);
            rest = after;
        }
        self.push(rest);
    }

    fn placeholder(&mut self, inner: &str, depth: usize) {
        if depth == MAX_DEPTH {
            self.faults.push(Fault::Deep);
            return;
        }
        self.placeholders += 1;
        if self.placeholders > MAX_PLACEHOLDERS {
            self.faults.push(Fault::Long);
            return;
        }
        let (name, default) = split_at_default(inner);
        let Some(nested) = self.name_in(name, depth) else {
            return;
        };
        let is_written = nested.is_none();
        let name = nested.as_ref().map_or(name, Secret::expose);
        if !is_name(name) {
            self.faults.push(Fault::Name);
            return;
        }
        if let Some(value) = find(self.references.variables, name) {
            match is_text(value) {
                true => self.push(value.expose()),
                false => self.faults.push(Fault::NotText(name.to_owned())),
            }
            return;
        }
        match (self.references.key(name), default) {
            (Some((value, true)), _) => self.text(value, depth + 1),
            (Some((value, false)), _) => self.push(value),
            (None, _) if name.starts_with("random.") => self.faults.push(Fault::Random),
            (None, Some(default)) => self.text(default, depth + 1),
            // What a variable holds is not shown.
            (None, None) if is_written && is_showable(name) => {
                self.faults.push(Fault::Unset(name.to_owned()))
            }
            (None, None) => self.faults.push(Fault::Name),
        }
    }

    /// A name that placeholders are part of, as in `${app.${STAGE}.url}`, filled in; `Some(None)` for one without. `None` when it
    /// cannot be, which is among the faults then.
    fn name_in(&mut self, name: &str, depth: usize) -> Option<Option<Secret>> {
        if !name.contains("${") {
            return Some(None);
        }
        let faults = self.faults.len();
        let outer = std::mem::replace(&mut self.filled, Secret::new(""));
        self.text(name, depth + 1);
        let filled = std::mem::replace(&mut self.filled, outer);
        (self.faults.len() == faults).then_some(Some(filled))
    }

    fn push(&mut self, text: &str) {
        // Past the limit nothing more is gathered: a long variable may be named very often.
        if self.filled.expose().len() <= MAX_VALUE_BYTES {
            self.filled.push_str(text);
        }
    }
}

/// A variable by its exact name, or as Spring looks for properties: `my-app.name` finds `MY_APP_NAME` and `MYAPP_NAME`.
pub(crate) fn find<'a>(variables: &'a Variables, name: &str) -> Option<&'a Secret> {
    let upper = name.to_ascii_uppercase().replace('.', "_");
    variables
        .get(name)
        .or_else(|| variables.get(&upper.replace('-', "_")))
        .or_else(|| variables.get(&upper.replace('-', "")))
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(allowed)
}

/// Whether a name that is not set may be repeated: it looks like `CLIENT_SECRET`, which a password seldom does.
fn is_showable(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 64 && name.chars().all(allowed)
}

/// The name and the default of a placeholder. A colon within a placeholder of the name is that one's.
fn split_at_default(inner: &str) -> (&str, Option<&str>) {
    let mut open = 0_usize;
    for (at, c) in inner.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            ':' if open == 0 => {
                let (name, default) = inner.split_at(at);
                return (name, default.strip_prefix(':'));
            }
            _ => {}
        }
    }
    (inner, None)
}

/// What stands before the brace that closes this placeholder, and what after it. Braces within it come in pairs, as
/// in Spring.
fn split_at_closing_brace(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            let (inner, rest) = text.split_at(at);
            return Some((inner, rest.strip_prefix('}')?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
