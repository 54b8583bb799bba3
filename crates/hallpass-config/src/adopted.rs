//! Values that stand under keys of another program, as values of keys of ours.

use crate::foreign::Foreign;
use crate::key_path::{self, Segment};
use crate::merge::Merge;
use crate::node::{Node, Value};
use crate::place::{Place, Source};
use crate::relaxed;
use crate::report::Report;

/// A section in our words whose values stand in the words of another program, each with the place and the key where it does.
///
/// [`Section::adopted`](crate::Section::adopted) makes a section of it, from which another one
/// [inherits](crate::Section::inheriting): so it is read, bounded and shown by the readers of our own keys, and what is wrong with a
/// value is said with its file, line and key there.
#[derive(Clone, Debug)]
pub struct Adopted {
    root: Node,
}

impl Default for Adopted {
    fn default() -> Self {
        let nowhere = Source::literal("other programs".to_owned(), 0);
        Self {
            root: Node::map(Place::whole(&nowhere)),
        }
    }
}

impl Adopted {
    /// Makes `text` the value of our key `key`, a path below the section such as `breaker.open-ms`, over what it was before. It
    /// stands at `from`.
    pub fn put(&mut self, key: &str, text: impl Into<String>, from: &Foreign<'_>) {
        self.put_at(key, text.into(), &from.place().written_as(from.path()));
    }

    /// Makes `text` the value of our key `key`, because that is what `product` does where its key `by` is absent.
    pub fn put_default(&mut self, key: &str, text: impl Into<String>, product: &str, by: &str) {
        let source = Source::literal(format!("the default of {product}"), 0);
        self.put_at(key, text.into(), &Place::whole(&source).written_as(by));
    }

    /// Whether the key has a value, or a key below it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        relaxed::find(&self.root, &key_path::parse(key)).is_some()
    }

    /// Whether it has no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.entries().is_empty()
    }

    /// Takes our key `key` out again, with all below it.
    pub fn remove(&mut self, key: &str) {
        take_out(&mut self.root, &key_path::parse(key));
    }

    /// Lays all values of `upper` over those that are here.
    pub fn lay_over(&mut self, upper: &Self) {
        Merge::between_sources(&Report::default()).merge("", &mut self.root, upper.root.clone());
    }

    pub(crate) const fn node(&self) -> &Node {
        &self.root
    }

    fn put_at(&mut self, key: &str, text: String, place: &Place) {
        let node = Node {
            value: Value::Scalar(text.into()),
            place: place.clone(),
        };
        let node = Node::nest(&key_path::parse(key), place, node);
        Merge::between_sources(&Report::default()).merge("", &mut self.root, node);
    }
}

fn take_out(node: &mut Node, path: &[Segment]) {
    let (Value::Map(entries), [Segment::Key(first), rest @ ..]) = (&mut node.value, path) else {
        return;
    };
    if rest.is_empty() {
        entries.retain(|entry| entry.key != *first);
        return;
    }
    for entry in entries.iter_mut().filter(|entry| entry.key == *first) {
        take_out(&mut entry.node, rest);
    }
}
