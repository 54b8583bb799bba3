//! The keys of a source under the names that readers know.

use crate::key::{self, Key, Kind};
use crate::key_path::{self, Segment};
use crate::merge::Merge;
use crate::node::{Entry, Node, Value};
use crate::relaxed::letters;
use crate::report::Report;
use crate::suggest;

/// Gives what one source says the names that readers know, and drops what other programs of the estate keep below the
/// same root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canonical<'a> {
    pub(crate) report: &'a Report,
    /// What is done with a key that nobody knows and that is not nearly one of ours.
    pub(crate) strangers: Strangers,
}

/// Keys that belong to nobody we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// They are problems: whoever wrote this meant us.
    Refuse,
    /// Sections of others may stand below a root of our own; a single value there was meant for us.
    LeaveSections,
    /// All may stand below a root that we share.
    LeaveAll,
}

impl Canonical<'_> {
    /// The same tree under the names of `keys`; `is_shared` says whether others may have keys here.
    pub(crate) fn section(self, path: &str, node: Node, keys: &[Key], is_shared: bool) -> Node {
        let Node { value, place } = node;
        let Value::Map(entries) = value else {
            return Node { value, place };
        };
        let mut map = Node::map(place);
        for entry in entries {
            let Some(key) = known(keys, &entry.key) else {
                if !(is_shared && self.is_foreign(path, &entry, keys)) {
                    self.put(path, &mut map, entry);
                }
                continue;
            };
            if key.is_not_ours() {
                self.advise(path, &entry, key, is_shared);
                continue;
            }
            let node = self.value(&key_path::join(path, key.name()), entry.node, key);
            let entry = Entry {
                key: key.name().to_owned(),
                node,
                ..entry
            };
            self.put(path, &mut map, entry);
        }
        map
    }

    fn value(self, path: &str, node: Node, key: &Key) -> Node {
        let Node { value, place } = node;
        let value = match (value, key.kind()) {
            (value @ Value::Scalar(_), Kind::Section(_)) => {
                let main_key = key.main_key().map(|key| Segment::Key(key.to_owned()));
                let node = Node {
                    value,
                    place: place.clone(),
                };
                return Node::nest(main_key.as_slice(), &place, node);
            }
            (Value::Element(index, item), Kind::Sections(keys)) => {
                let path = key_path::join_index(path, index);
                Value::Element(index, Box::new(self.section(&path, *item, keys, false)))
            }
            (Value::List(items), Kind::Sections(keys)) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    self.section(&key_path::join_index(path, index), item, keys, false)
                });
                Value::List(items.collect())
            }
            (Value::Map(entries), Kind::Named(keys)) => {
                let entries = entries.into_iter().map(|entry| {
                    let path = key_path::join(path, &entry.key);
                    let node = self.section(&path, entry.node, keys, false);
                    Entry { node, ..entry }
                });
                Value::Map(entries.collect())
            }
            (value, Kind::Section(keys)) => {
                return self.section(path, Node { value, place }, keys, key.is_shared());
            }
            (value, _) => value,
        };
        Node { value, place }
    }

    /// Says what to write in place of a key of another product. Where others may have keys of their own it may be theirs.
    fn advise(self, path: &str, entry: &Entry, key: &Key, is_shared: bool) {
        let (path, place, advice) = (key_path::join(path, &entry.key), &entry.place, key.doc());
        if is_shared && self.strangers != Strangers::Refuse {
            let text = format!("{place}: {path}: is not a key of Hallpass; {advice}");
            self.report.warn(text);
        } else {
            let text = format!("is not a known key; {advice}");
            self.report.problem(place, &path, text);
        }
    }

    /// Whether a key that is not ours belongs to somebody else; that it was left alone is noted.
    fn is_foreign(self, path: &str, entry: &Entry, keys: &[Key]) -> bool {
        let is_section = matches!(
            entry.node.value,
            Value::Map(_) | Value::List(_) | Value::Element(..)
        );
        let may_be = match self.strangers {
            Strangers::Refuse => false,
            Strangers::LeaveSections => is_section,
            Strangers::LeaveAll => true,
        };
        let is_foreign = may_be && suggest::nearest(&entry.key, key::names(keys)).is_none();
        if is_foreign {
            let path = key_path::join(path, &entry.key);
            self.report
                .left_alone(&entry.place, &path, "is not a key of Hallpass");
        }
        is_foreign
    }

    /// Two spellings of one key in the same source are the same key twice.
    fn put(self, path: &str, map: &mut Node, entry: Entry) {
        if let Value::Map(entries) = &mut map.value
            && !entries.iter().any(|known| known.key == entry.key)
        {
            entries.push(entry);
            return;
        }
        let key = [Segment::Key(entry.key)];
        let node = Node::nest(&key, &entry.place, entry.node);
        Merge::within_one_source(self.report).merge(path, map, node);
    }
}

fn known<'k>(keys: &'k [Key], name: &str) -> Option<&'k Key> {
    key::find(keys, name).or_else(|| {
        let wanted = letters(name);
        keys.iter().find(|key| letters(key.name()) == wanted)
    })
}
