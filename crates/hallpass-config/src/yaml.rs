//! YAML text into a tree of values with positions.
//!
//! Only the events of the parser are used, not its own errors with excerpts of the source: those would print
//! what stands around the mistake, secrets too.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use crate::node::{Entry, Node, Value};
use crate::place::{Place, Position, Source};

/// Values that one source may hold, all aliases written out.
pub(crate) const MAX_VALUES: usize = 10_000;
/// Mappings and lists within each other.
pub(crate) const MAX_DEPTH: usize = 64;

/// Where a text is not usable YAML, and why. The reason holds nothing of the text.
type YamlError = (Place, String);

/// Reads all documents of `text`.
pub(crate) fn parse(source: &Arc<Source>, text: &str) -> Result<Vec<Node>, YamlError> {
    let mut options = options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    options.set_emit_comments(false);
    let mut tree = TreeBuilder::new(source);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| scan_error(source, &error))?;
        tree.take(event, tree.place(span))?;
    }
    Ok(tree.documents)
}

/// A mapping or list that is not closed yet.
enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Place)>,
    },
}

struct OpenNode {
    open: Open,
    place: Place,
    anchor: usize,
    is_tagged: bool,
}

struct TreeBuilder<'a> {
    source: &'a Arc<Source>,
    documents: Vec<Node>,
    open: Vec<OpenNode>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'a> TreeBuilder<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self {
            source,
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            values: 0,
        }
    }

    fn place(&self, span: Span) -> Place {
        Place::at(self.source, position(span.start))
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = match style {
                    _ if is_foreign(tag.as_deref()) => Value::Tagged,
                    ScalarStyle::Plain if is_null(&text) => Value::Null,
                    _ => Value::Scalar(text.into_owned().into()),
                };
                self.node(Node { value, place }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Open::List(Vec::new()), place, anchor, tag.as_deref());
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                let (entries, key) = (Vec::new(), None);
                self.open(Open::Map { entries, key }, place, anchor, tag.as_deref());
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, place: Place, anchor: usize, tag: Option<&Tag>) {
        self.open.push(OpenNode {
            open,
            place,
            anchor,
            is_tagged: is_foreign(tag),
        });
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(closed) = self.open.pop() else {
            return Ok(());
        };
        let value = match closed.open {
            _ if closed.is_tagged => Value::Tagged,
            Open::List(items) => Value::List(items),
            Open::Map { entries, .. } => Value::Map(merge_keys(entries)),
        };
        let place = closed.place;
        self.node(Node { value, place }, closed.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), YamlError> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => {
                self.count(node.count(), &place)?;
                self.node(node, 0)
            }
            None => Err((
                place,
                "an alias names a value that is not complete before it".to_owned(),
            )),
        }
    }

    /// Takes a complete value: a document, an element, a key, or the value of one.
    fn node(&mut self, mut node: Node, anchor: usize) -> Result<(), YamlError> {
        self.count(1, &node.place)?;
        if anchor != 0 {
            self.count(node.count(), &node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.open) {
            None => self.documents.push(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { entries, key }) => match key.take() {
                Some((key, place)) => {
                    if matches!(node.value, Value::Map(_) | Value::List(_)) {
                        node.place = place.clone();
                    }
                    entries.push(Entry { key, place, node });
                }
                None => *key = Some(key_of(node)?),
            },
        }
        Ok(())
    }

    /// What is copied is counted again, so that a few aliases of aliases cannot become a thousand million values.
    fn count(&mut self, values: usize, place: &Place) -> Result<(), YamlError> {
        self.values += values;
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        Err((
            place.clone(),
            format!("holds more than {MAX_VALUES} values, aliases written out"),
        ))
    }
}

fn key_of(node: Node) -> Result<(String, Place), YamlError> {
    match node.value {
        Value::Scalar(text) => Ok((text.expose().to_owned(), node.place)),
        Value::Null => Ok((String::new(), node.place)),
        _ => Err((node.place, "a key must be a text".to_owned())),
    }
}

/// Writes out `<<: *defaults`: keys that are not given themselves come from there.
fn merge_keys(entries: Vec<Entry>) -> Vec<Entry> {
    let (merges, mut entries): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.key == "<<");
    for merge in merges {
        let maps = match merge.node.value {
            Value::List(items) => items,
            _ => vec![merge.node],
        };
        for inherited in maps.iter().flat_map(Node::entries) {
            if !entries.iter().any(|entry| entry.key == inherited.key) {
                entries.push(inherited.clone());
            }
        }
    }
    entries
}

fn is_foreign(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| !tag.is_yaml_core_schema())
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn position(marker: granit_parser::Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn scan_error(source: &Arc<Source>, error: &ScanError) -> YamlError {
    let message = match error.kind() {
        ErrorKind::UnexpectedCharacter { .. } => "a character that cannot stand here".to_owned(),
        ErrorKind::RecursionLimitExceeded => format!("more than {MAX_DEPTH} levels deep"),
        kind => kind.to_string(),
    };
    let place = Place::at(source, position(*error.marker()));
    (place, format!("is not valid YAML: {message}"))
}
