//! Which bytes of a text become others, so that it says a value.

use std::ops::Range;

use super::fault::EditError;
use super::spots::{Pair, Spot, What};
use crate::key_path::{self, Segment};
use crate::relaxed::letters;
use crate::secret::Secret;

/// What stands in `range` becomes `text`.
#[derive(Debug)]
pub(super) struct Change {
    range: Range<usize>,
    text: String,
}

impl Change {
    pub(super) fn of(self, text: &str) -> Secret {
        let before = text.get(..self.range.start).unwrap_or(text);
        let after = text.get(self.range.end..).unwrap_or_default();
        Secret::new([before, &self.text, after].concat())
    }

    fn insert(at: usize, text: String) -> Self {
        let range = at..at;
        Self { range, text }
    }
}

/// The change that makes `document` say `value` at `path`, where it stands or else beside its neighbours: behind `after`, if that is one
/// of them.
pub(super) fn change(
    text: &str,
    document: &Spot,
    path: &[Segment],
    (value, after): (&str, Option<&[Segment]>),
) -> Result<Change, EditError> {
    match places(document, path).as_slice() {
        [one] => {
            let written = text.get(one.range.clone()).unwrap_or_default();
            replace(one, &quoted(value, quote_of(written)))
        }
        [] => {
            let lengths = (0..path.len()).rev();
            let mut parents =
                lengths.map(|length| (length, places(document, path.split_at(length).0)));
            let (length, parents) = parents
                .find(|(_, parents)| !parents.is_empty())
                .ok_or(EditError::NotInPlace)?;
            let (_, rest) = path.split_at(length);
            let after = after.and_then(|after| after.get(length..));
            let first = first_key(document).and_then(|it| text.get(it.clone()));
            let quote = first.and_then(quote_of);
            within(text, &parents, rest, (value, after, quote))
        }
        _ => Err(EditError::Several),
    }
}

/// What a text is quoted with. Only where its end is quoted too: a text may begin with a quote by itself.
fn quote_of(written: &str) -> Option<char> {
    let quote = written
        .chars()
        .next()
        .filter(|it| ['"', '\''].contains(it))?;
    (written.len() > 1 && written.ends_with(quote)).then_some(quote)
}

/// The value in these quotes, which a JSON text cannot do without. One that has quotes or is no single value stays as it is.
fn quoted(value: &str, quote: Option<char>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    match quote {
        Some(quote) if !value.is_empty() && value.chars().all(is_plain) => {
            format!("{quote}{value}{quote}")
        }
        _ => value.to_owned(),
    }
}

/// A new value where keys are quoted: in JSON a text is, a number is not.
fn new_value(value: &str, quote: Option<char>) -> String {
    let is_bare = value.parse::<u64>().is_ok() || ["true", "false", "null"].contains(&value);
    quoted(value, quote.filter(|_| !is_bare))
}

/// How the whole text writes its keys.
fn first_key(document: &Spot) -> Option<&Range<usize>> {
    match &document.what {
        What::Map { pairs, .. } => pairs.first().map(|pair| &pair.key_range),
        _ => None,
    }
}

/// All that stands at a path: dotted keys may open a section in several places.
fn places<'s>(spot: &'s Spot, path: &[Segment]) -> Vec<&'s Spot> {
    if path.is_empty() {
        return vec![spot];
    }
    match (&spot.what, path) {
        (What::Map { pairs, .. }, _) => {
            let below = pairs.iter().filter_map(|pair| {
                let steps = key_path::parse(&pair.key);
                let rest = path.get(steps.len()..)?;
                let is_ours = steps.iter().zip(path).all(|(a, b)| is_same(a, b));
                is_ours.then(|| places(&pair.value, rest))
            });
            below.flatten().collect()
        }
        (What::List(items), [Segment::Index(index), rest @ ..]) => {
            let item = items.get(*index);
            item.map_or_else(Vec::new, |item| places(item, rest))
        }
        _ => Vec::new(),
    }
}

fn is_same(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        (Segment::Key(a), Segment::Key(b)) => letters(a) == letters(b),
        (a, b) => a == b,
    }
}

fn replace(spot: &Spot, value: &str) -> Result<Change, EditError> {
    let space = if spot.range.is_empty() { " " } else { "" };
    match spot.what {
        What::Scalar => Ok(Change {
            range: spot.range.clone(),
            text: format!("{space}{value}"),
        }),
        What::List(_) | What::Map { .. } | What::Alias => Err(EditError::NotAValue),
    }
}

/// Writes `rest` into the first of these that is a mapping, or where nothing stands.
fn within(
    text: &str,
    parents: &[&Spot],
    rest: &[Segment],
    (value, after, quote): (&str, Option<&[Segment]>, Option<char>),
) -> Result<Change, EditError> {
    for parent in parents {
        if let What::Map { is_flow, pairs } = &parent.what {
            let entry = entry(rest, (value, quote), pairs).ok_or(EditError::NotInPlace)?;
            let sibling = after.and_then(|after| sibling(pairs, after));
            return match is_flow {
                true => Ok(in_flow(parent, pairs, sibling, &entry)),
                false => in_block(text, pairs, sibling, &entry).ok_or(EditError::NotInPlace),
            };
        }
    }
    let is_nothing = |spot: &&&Spot| matches!(spot.what, What::Scalar) && spot.range.is_empty();
    let nothing = parents
        .iter()
        .find(is_nothing)
        .ok_or(EditError::NotAValue)?;
    let entry = entry(rest, (value, quote), &[]).ok_or(EditError::NotInPlace)?;
    replace(nothing, &format!("{{ {entry} }}"))
}

/// `key: value`; of several steps in the way that the neighbours are written in, with quotes where keys have them.
fn entry(
    rest: &[Segment],
    (value, quote): (&str, Option<char>),
    neighbours: &[Pair],
) -> Option<String> {
    let value = new_value(value, quote);
    let name = |key: &str| quoted(key, quote);
    let names: Option<Vec<&str>> = rest
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    let names = names?;
    let is_dotted = neighbours
        .iter()
        .any(|pair| key_path::parse(&pair.key).len() > 1);
    if is_dotted {
        return Some(format!("{}: {value}", name(&names.join("."))));
    }
    let (last, outer) = names.split_last()?;
    let inner = format!("{}: {value}", name(last));
    let wrap = |inner: String, key: &&str| format!("{}: {{ {inner} }}", name(key));
    Some(outer.iter().rev().fold(inner, wrap))
}

/// A single value that `after` leads to.
fn sibling<'s>(pairs: &'s [Pair], after: &[Segment]) -> Option<&'s Pair> {
    pairs.iter().find(|pair| {
        let steps = key_path::parse(&pair.key);
        let is_it =
            steps.len() == after.len() && steps.iter().zip(after).all(|(a, b)| is_same(a, b));
        is_it && matches!(pair.value.what, What::Scalar)
    })
}

fn in_flow(map: &Spot, pairs: &[Pair], sibling: Option<&Pair>, entry: &str) -> Change {
    match (sibling, pairs.first()) {
        (Some(sibling), _) => Change::insert(sibling.value.range.end, format!(", {entry}")),
        (None, Some(first)) => Change::insert(first.key_range.start, format!("{entry}, ")),
        (None, None) => Change {
            range: map.range.clone(),
            text: format!("{{ {entry} }}"),
        },
    }
}

/// A line of its own: below the sibling, or above all others.
fn in_block(text: &str, pairs: &[Pair], sibling: Option<&Pair>, entry: &str) -> Option<Change> {
    let end_of_line = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if let Some(sibling) = sibling {
        let indent = " ".repeat(sibling.column);
        let from = sibling.value.range.end;
        let rest = text.get(from..)?;
        let line = rest.split('\n').next()?.trim_end_matches('\r');
        let written = format!("{end_of_line}{indent}{entry}");
        return Some(Change::insert(from + line.len(), written));
    }
    let first = pairs.first()?;
    let indent = " ".repeat(first.column);
    let written = format!("{entry}{end_of_line}{indent}");
    Some(Change::insert(first.key_range.start, written))
}
