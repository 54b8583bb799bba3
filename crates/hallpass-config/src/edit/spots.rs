//! Where the values of a YAML text stand in it, byte by byte.

use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle, options};

use crate::yaml::MAX_DEPTH;

/// A value and the bytes that it is written in.
#[derive(Debug)]
pub(super) struct Spot {
    /// Of a mapping or a list in block style: where it begins. Of nothing: where it would stand.
    pub(super) range: Range<usize>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A scalar, also an explicit null; an empty one has an empty range.
    Scalar,
    List(Vec<Spot>),
    Map {
        is_flow: bool,
        pairs: Vec<Pair>,
    },
    /// Its value stands elsewhere.
    Alias,
}

/// An entry of a mapping.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) key_range: Range<usize>,
    /// Of the key, from 0, in characters.
    pub(super) column: usize,
    pub(super) value: Spot,
}

/// Those of each document; `None` when it is no YAML, or has keys that are no texts.
pub(super) fn documents(text: &str) -> Option<Vec<Spot>> {
    let mut options = options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    options.set_emit_comments(false);
    let mut spots = Spots {
        text,
        documents: Vec::new(),
        open: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        spots.take(&event, span.byte_range()?, span.start.col())?;
    }
    Some(spots.documents)
}

/// A key without its value.
#[derive(Debug)]
struct Key {
    text: String,
    range: Range<usize>,
    column: usize,
}

/// A mapping or list that is not closed yet.
struct Open {
    spot: Spot,
    key: Option<Key>,
}

struct Spots<'t> {
    text: &'t str,
    documents: Vec<Spot>,
    open: Vec<Open>,
}

impl Spots<'_> {
    fn take(&mut self, event: &Event<'_>, range: Range<usize>, column: usize) -> Option<()> {
        match event {
            Event::Scalar(text, ..) => {
                if let Some(Open { key, spot }) = self.open.last_mut()
                    && matches!(spot.what, What::Map { .. })
                    && key.is_none()
                {
                    *key = Some(Key {
                        text: text.to_string(),
                        range,
                        column,
                    });
                    return Some(());
                }
                self.put(Spot {
                    range: self.trimmed(range),
                    what: What::Scalar,
                })
            }
            Event::SequenceStart(..) => self.begin(range, What::List(Vec::new())),
            Event::MappingStart(style, ..) => {
                let is_flow = matches!(style, StructureStyle::Flow);
                let pairs = Vec::new();
                self.begin(range, What::Map { is_flow, pairs })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let mut closed = self.open.pop()?.spot;
                if matches!(closed.what, What::Map { is_flow: true, .. }) {
                    closed.range.end = range.end;
                }
                self.put(closed)
            }
            Event::Alias(_) => self.put(Spot {
                range,
                what: What::Alias,
            }),
            _ => Some(()),
        }
    }

    fn begin(&mut self, range: Range<usize>, what: What) -> Option<()> {
        let spot = Spot { range, what };
        self.open.push(Open { spot, key: None });
        Some(())
    }

    fn put(&mut self, spot: Spot) -> Option<()> {
        let text = self.text;
        let Some(Open { spot: parent, key }) = self.open.last_mut() else {
            self.documents.push(spot);
            return Some(());
        };
        match &mut parent.what {
            What::List(items) => items.push(spot),
            What::Map { pairs, .. } => {
                let Key {
                    text: name,
                    range,
                    column,
                } = key.take()?;
                let value = after_colon(text, &range, spot);
                pairs.push(Pair {
                    key: name,
                    key_range: range,
                    column,
                    value,
                });
            }
            What::Scalar | What::Alias => return None,
        }
        Some(())
    }

    /// Without white space at its end.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let Some(written) = self.text.get(range.clone()) else {
            return range;
        };
        range.start..range.start + written.trim_end().len()
    }
}

/// A value that is not written stands where its colon ends.
fn after_colon(text: &str, key: &Range<usize>, spot: Spot) -> Spot {
    let is_nothing = matches!(spot.what, What::Scalar) && spot.range.is_empty();
    let colon = text.get(key.end..).and_then(|rest| rest.find(':'));
    match colon {
        Some(colon) if is_nothing => {
            let end = key.end + colon + 1;
            Spot {
                range: end..end,
                ..spot
            }
        }
        _ => spot,
    }
}
