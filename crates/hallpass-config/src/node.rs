//! A tree of values, each of which knows where it stands.

use crate::key_path::Segment;
use crate::place::Place;
use crate::secret::Secret;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing: the key counts as absent.
    Null,
    /// Text as it was written. Any of it may be a secret.
    Scalar(Secret),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// One element of a list that stands elsewhere: `clients[1].scope: ...`.
    Element(usize, Box<Node>),
    /// Has a YAML tag that means something to other programs only.
    Tagged,
    /// A problem was reported already; readers pass over it in silence.
    Broken,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn map(place: Place) -> Self {
        Self {
            value: Value::Map(Vec::new()),
            place,
        }
    }

    /// `node` as seen from where `path` begins.
    pub(crate) fn nest(path: &[Segment], key_place: &Place, node: Self) -> Self {
        path.iter().rev().fold(node, |node, segment| Self {
            place: key_place.clone(),
            value: match segment {
                Segment::Index(index) => Value::Element(*index, Box::new(node)),
                Segment::Key(key) => Value::Map(vec![Entry {
                    key: key.clone(),
                    place: key_place.clone(),
                    node,
                }]),
            },
        })
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Entries of a mapping; none if this is something else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of `key`, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| !node.is_null())
    }

    /// Drops the entries of a mapping whose keys `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|entry| keep(&entry.key));
        }
    }

    /// Takes out what stands at one step of a path.
    pub(crate) fn take(self, segment: &Segment) -> Option<Self> {
        match (self.value, segment) {
            (Value::Map(entries), Segment::Key(key)) => {
                let entry = entries.into_iter().find(|entry| entry.key == *key)?;
                Some(entry.node).filter(|node| !node.is_null())
            }
            (Value::List(items), Segment::Index(index)) => items.into_iter().nth(*index),
            _ => None,
        }
    }

    /// Values in this tree, this one included.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
            Value::Element(_, node) => node.count(),
            Value::Null | Value::Scalar(_) | Value::Tagged | Value::Broken => 0,
        }
    }
}
