//! Single values of a YAML text that people keep: read as they are written, and changed with everything else left as it stands.

mod change;
mod fault;
mod spots;

use std::sync::Arc;

use crate::key_path::{self, Segment};
use crate::merge::Merge;
use crate::node::{Entry, Node, Value};
use crate::place::{Place, Source};
use crate::relaxed::{self, letters};
use crate::report::Report;
use crate::secret::Secret;
use crate::yaml;
use crate::yaml_text::MAX_SOURCE_BYTES;

pub use fault::EditError;

/// What stands at a path of a text.
#[derive(Clone, Debug)]
pub struct WrittenValue {
    /// The value as it was written, placeholders included; `None` where a mapping or a list stands.
    pub text: Option<Secret>,
    /// Its line, from 1.
    pub line: usize,
}

/// What stands at `path` of a YAML text, in whatever spelling of its keys that a [`Loader`](crate::Loader) takes; `None` where
/// nothing does. The first step of the path is the root (`hallpass`), and is compared letter by letter.
///
/// ```
/// let text = "hallpass:\n  security.internal-jwt: { mode: report } # since May\n";
/// let mode = hallpass_config::written_value(text, "hallpass.security.internal-jwt.mode")?.unwrap();
/// assert_eq!((mode.text.unwrap().expose(), mode.line), ("report", 2));
/// # Ok::<(), hallpass_config::EditError>(())
/// ```
///
/// It says what this text says: environment, flags and other documents may say something else.
///
/// # Errors
/// When the text cannot be read, or several of its documents say it.
pub fn written_value(text: &str, path: &str) -> Result<Option<WrittenValue>, EditError> {
    let path = key_path::parse(path);
    let documents = trees(text)?;
    let mut found = documents.iter().filter_map(|it| value_at(it, &path));
    let Some(node) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(EditError::Several);
    }
    let text = match &node.value {
        Value::Scalar(text) => Some(text.clone()),
        _ => None,
    };
    let line = node.place.position().map_or(1, |position| position.line);
    Ok(Some(WrittenValue { text, line }))
}

/// The same text with these values (path and value, which is YAML of one line) in it. Comments, order, quotes and blank lines stay as
/// they are: what is there is replaced, what is not is written beside its neighbours.
///
/// What comes of it is read again, and held against what was asked for: nothing else may say anything else than before.
///
/// ```
/// let text = "hallpass:\n  security:\n    internal-jwt:\n      mode: report # ask Ann first\n";
/// let values = [("hallpass.security.internal-jwt.mode", "enforce"), ("hallpass.security.internal-jwt.enforce-percent", "10")];
/// let changed = hallpass_config::with_values(text, &values)?;
/// assert_eq!(
///     changed.expose(),
///     "hallpass:\n  security:\n    internal-jwt:\n      mode: enforce # ask Ann first\n      enforce-percent: 10\n"
/// );
/// # Ok::<(), hallpass_config::EditError>(())
/// ```
///
/// # Errors
/// When the text cannot be read, has nothing below the root of a path, or cannot be changed in this one place alone.
pub fn with_values(text: &str, values: &[(&str, &str)]) -> Result<Secret, EditError> {
    let mut changed = Secret::new(text);
    let mut after = None;
    for (path, value) in values {
        let path = key_path::parse(path);
        changed = with_value(changed.expose(), &path, value, after.as_deref())?;
        after = Some(path);
    }
    Ok(changed)
}

fn with_value(
    text: &str,
    path: &[Segment],
    value: &str,
    after: Option<&[Segment]>,
) -> Result<Secret, EditError> {
    let mut expected = trees(text)?;
    let spots = spots::documents(text).ok_or(EditError::NotYaml)?;
    let number = document_with(&expected, path)?;
    let (Some(tree), Some(spot)) = (expected.get_mut(number), spots.get(number)) else {
        return Err(EditError::NotInPlace);
    };
    let changed = change::change(text, spot, path, (value, after))?.of(text);
    put(tree, path, one_value(value)?);
    let there = trees(changed.expose())?;
    let is_as_asked =
        there.len() == expected.len() && there.iter().zip(&expected).all(|(a, b)| is_same(a, b));
    match is_as_asked {
        true => Ok(changed),
        false => Err(EditError::NotInPlace),
    }
}

/// All documents, with their dotted keys taken apart.
fn trees(text: &str) -> Result<Vec<Node>, EditError> {
    if text.len() > MAX_SOURCE_BYTES {
        return Err(EditError::TooLarge);
    }
    let source: Arc<Source> = Source::literal(String::new(), 0);
    let documents = yaml::parse(&source, text).map_err(|_| EditError::NotYaml)?;
    // What is wrong with it is told where it is loaded.
    let report = Report::default();
    let expand = |node| Merge::within_one_source(&report).expand("", node);
    Ok(documents.into_iter().map(expand).collect())
}

fn one_value(value: &str) -> Result<Node, EditError> {
    let mut documents = trees(value)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(node), true) if !value.contains(['\r', '\n']) => Ok(node),
        _ => Err(EditError::NotAValue),
    }
}

/// What is no mapping at the root says nothing.
fn value_at<'n>(document: &'n Node, path: &[Segment]) -> Option<&'n Node> {
    has_root(document, path).then_some(())?;
    relaxed::find(document, path).filter(|node| !node.is_null())
}

fn has_root(document: &Node, path: &[Segment]) -> bool {
    let is_root = |entry: &Entry| path.first() == Some(&Segment::Key(entry.key.clone()));
    document.entries().iter().any(is_root)
}

/// The one that says it already, or else the one that has its root.
fn document_with(documents: &[Node], path: &[Segment]) -> Result<usize, EditError> {
    let that = |holds: &dyn Fn(&Node) -> bool| {
        let numbers = documents.iter().enumerate();
        let numbers = numbers.filter(|(_, document)| holds(document));
        numbers.map(|(number, _)| number).collect::<Vec<_>>()
    };
    let mut found = that(&|document| value_at(document, path).is_some());
    if found.is_empty() {
        found = that(&|document| has_root(document, path));
    }
    match found.as_slice() {
        [] => Err(EditError::NoRoot),
        [one] => Ok(*one),
        _ => Err(EditError::Several),
    }
}

/// Puts a value where the path says, in place of what was there.
fn put(tree: &mut Node, path: &[Segment], node: Node) {
    let Some((segment, rest)) = path.split_first() else {
        *tree = node;
        return;
    };
    match (&mut tree.value, segment) {
        (Value::List(items), Segment::Index(index)) => {
            if let Some(item) = items.get_mut(*index) {
                put(item, rest, node);
            }
        }
        (Value::Map(entries), Segment::Key(key)) => {
            let exact = entries.iter().position(|entry| entry.key == *key);
            let alike = || {
                entries
                    .iter()
                    .position(|it| letters(&it.key) == letters(key))
            };
            match exact.or_else(alike).and_then(|at| entries.get_mut(at)) {
                Some(entry) => put(&mut entry.node, rest, node),
                None => entries.push(Entry {
                    key: key.clone(),
                    place: node.place.clone(),
                    node: nested(rest, node),
                }),
            }
        }
        _ => *tree = nested(path, node),
    }
}

fn nested(path: &[Segment], node: Node) -> Node {
    let place: Place = node.place.clone();
    Node::nest(path, &place, node)
}

/// Whether both say the same, wherever it stands and in whatever order.
fn is_same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Null, Value::Null)
        | (Value::Tagged, Value::Tagged)
        | (Value::Broken, Value::Broken) => true,
        (Value::Scalar(a), Value::Scalar(b)) => a.expose() == b.expose(),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let has = |entry: &Entry| {
                let mut alike = b
                    .iter()
                    .filter(|it| letters(&it.key) == letters(&entry.key));
                alike.any(|it| is_same(&it.node, &entry.node))
            };
            a.len() == b.len() && a.iter().all(has)
        }
        (Value::Element(m, a), Value::Element(n, b)) => m == n && is_same(a, b),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
