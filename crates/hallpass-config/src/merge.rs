//! Layers of values become one tree.

use std::collections::HashSet;

use crate::key_path;
use crate::node::{Entry, Node, Value};
use crate::report::Report;
use crate::yaml::MAX_DEPTH;

/// How two trees become one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge<'a> {
    report: &'a Report,
    /// Within one source nothing may be given twice; between two of them the upper one wins.
    within_one_source: bool,
}

impl<'a> Merge<'a> {
    /// Merges what one source holds.
    pub(crate) fn within_one_source(report: &'a Report) -> Self {
        Self {
            report,
            within_one_source: true,
        }
    }

    /// Lays one source over another.
    pub(crate) fn between_sources(report: &'a Report) -> Self {
        Self {
            report,
            within_one_source: false,
        }
    }

    /// Takes dotted keys apart, in `node` and in everything below it.
    pub(crate) fn expand(self, path: &str, node: Node) -> Node {
        self.expand_at(path, 0, node)
    }

    /// `depth`: how many mappings and lists `node` is in already, those of dotted keys included.
    fn expand_at(self, path: &str, depth: usize, node: Node) -> Node {
        let place = node.place;
        let value = match node.value {
            Value::Map(entries) => {
                return self.expand_entries(path, depth, Node::map(place), entries);
            }
            Value::List(items) => Value::List(self.expand_items(path, depth, items)),
            other => other,
        };
        Node { value, place }
    }

    /// Merges `upper` into `lower`. Mappings are merged key by key, lists are replaced as a whole, null changes
    /// nothing.
    pub(crate) fn merge(self, path: &str, lower: &mut Node, upper: Node) {
        match (&mut lower.value, upper.value) {
            (_, Value::Null) => {}
            (Value::Map(entries), Value::Map(upper_entries)) => {
                for entry in upper_entries {
                    self.merge_entry(path, entries, entry);
                }
            }
            (Value::List(items), Value::Element(index, node)) => {
                self.merge_element(path, items, index, *node);
            }
            (_, value) => {
                if self.within_one_source && !lower.is_null() {
                    self.report.problem(&upper.place, path, "is given twice");
                    return;
                }
                *lower = Node {
                    value,
                    place: upper.place,
                };
                self.settle(path, lower);
            }
        }
    }

    fn expand_entries(self, path: &str, depth: usize, mut map: Node, entries: Vec<Entry>) -> Node {
        let mut seen = HashSet::new();
        let mut parsed: Vec<_> = entries
            .into_iter()
            .map(|entry| (key_path::parse(&entry.key), entry))
            .collect();
        // In which order the elements of a list are written does not matter, as in Spring.
        parsed.sort_by_cached_key(|(segments, _)| key_path::indexes(segments));
        for (segments, Entry { key, place, node }) in parsed {
            let child_path = key_path::join_all(path, &segments);
            if !seen.insert(key) {
                self.report.problem(&place, &child_path, "is given twice");
                continue;
            }
            let depth = depth.saturating_add(segments.len());
            if depth > MAX_DEPTH {
                let message = format!("is more than {MAX_DEPTH} levels deep");
                self.report.problem(&place, path, message);
                continue;
            }
            let node = self.expand_at(&child_path, depth, node);
            self.merge(path, &mut map, Node::nest(&segments, &place, node));
        }
        map
    }

    fn expand_items(self, path: &str, depth: usize, items: Vec<Node>) -> Vec<Node> {
        let numbered = items.into_iter().enumerate();
        numbered
            .map(|(index, item)| {
                let path = key_path::join_index(path, index);
                self.expand_at(&path, depth.saturating_add(1), item)
            })
            .collect()
    }

    fn merge_entry(self, path: &str, entries: &mut Vec<Entry>, mut entry: Entry) {
        let path = key_path::join(path, &entry.key);
        match entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => self.merge(&path, &mut old.node, entry.node),
            None => {
                self.settle(&path, &mut entry.node);
                entries.push(entry);
            }
        }
    }

    fn merge_element(self, path: &str, items: &mut Vec<Node>, index: usize, mut node: Node) {
        let element_path = key_path::join_index(path, index);
        let length = items.len();
        match items.get_mut(index) {
            Some(item) => self.merge(&element_path, item, node),
            None if index == length => {
                self.settle(&element_path, &mut node);
                items.push(node);
            }
            None => {
                let message = "has no element before it: lists are counted from 0 without gaps";
                self.report.problem(&node.place, &element_path, message);
            }
        }
    }

    /// Turns elements that found no list to belong to into lists of their own.
    fn settle(self, path: &str, node: &mut Node) {
        match std::mem::replace(&mut node.value, Value::Null) {
            Value::Element(index, element) => {
                let mut items = Vec::new();
                self.merge_element(path, &mut items, index, *element);
                node.value = Value::List(items);
            }
            Value::Map(mut entries) => {
                for entry in &mut entries {
                    self.settle(&key_path::join(path, &entry.key), &mut entry.node);
                }
                node.value = Value::Map(entries);
            }
            other => node.value = other,
        }
    }
}
