//! Path patterns: literals, `{name}` or `*` for one segment, `{*rest}` or `**` for the end.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::path::{NormalPath, PathFault};

/// A path pattern of a route rule.
///
/// | in the pattern | stands for |
/// |---|---|
/// | `orders` | exactly this segment, letter case included |
/// | `{id}` or `*` | any one segment that is not empty |
/// | `{*rest}` (as axum has it), last only | one or more segments |
/// | `**` (as Spring has it), last only | nothing, a slash, or any segments |
///
/// A slash at the end counts, as it does for axum: `/orders` does not match `/orders/`.
///
/// ```
/// use hallpass_resource::{NormalPath, PathPattern};
///
/// let orders: PathPattern = "/orders/{id}".parse()?;
/// assert!(orders.matches(&NormalPath::parse("/orders/7")?));
/// assert!(!orders.matches(&NormalPath::parse("/orders/7/items")?));
/// // What two programs could read differently has no normal path at all.
/// assert!(NormalPath::parse("/orders/%2e%2e/admin").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

/// What the readings of a path say of a pattern: as it was written, percent-decoded, and (where encoded separators are allowed) with every
/// escape taken for structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathReading {
    /// It matches, however the path is read.
    Every,
    /// It does not match, however the path is read.
    None,
    /// It matches by one reading and not by another: whoever reads the path next may take it for something else.
    Differ,
}

/// What stands in a path where a pattern has `{name}`, `{*rest}`, `*` or `**`, as it was written, in the order of the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures<'a> {
    found: Vec<(&'a str, &'a str)>,
}

impl<'a> Captures<'a> {
    /// What stands for `{name}` or `{*name}`; several segments with the slashes between them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.found.iter();
        found.find_map(|(known, text)| (*known == name).then_some(*text))
    }

    /// Each name with what stands for it; `*` and `**` have these for their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.found.iter().copied()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Literal { raw: String, decoded: String },
    One,
    OneOrMore,
    Any,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternFault {
    /// A request path of this form would be refused, so the pattern could never match.
    #[error("no request can have this path: {0}")]
    Path(PathFault),
    /// No request path holds these characters as they are, so the pattern could never match.
    #[error("must be a path without query, fragment and spaces")]
    NotPath,
    /// `{*rest}` or `**` is followed by more.
    #[error("{{*rest}} and ** stand only at the end")]
    TailNotLast,
    /// A brace or a star inside a segment, or `{}`.
    #[error("a segment is a literal, {{name}}, *, {{*rest}} or **")]
    BadSegment,
}

/// Which of the two readings of a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Byte for byte, as routers such as axum's do.
    AsWritten,
    /// After percent decoding, as proxies and servlet containers do.
    Decoded,
    /// As a program reads it that takes every escape for structure; only where such escapes are allowed.
    Loosest,
}

impl PathPattern {
    /// Whether the pattern matches `path`, read decoded.
    #[must_use]
    pub fn matches(&self, path: &NormalPath<'_>) -> bool {
        self.matches_reading(path, Reading::Decoded)
    }

    /// Whether the pattern matches `path`, and whether that depends on how the path is read.
    #[must_use]
    pub fn reading(&self, path: &NormalPath<'_>) -> PathReading {
        let decoded = self.matches_reading(path, Reading::Decoded);
        if !path.has_escapes() && path.loosest().is_none() {
            return PathReading::of(decoded);
        }
        let as_written = self.matches_reading(path, Reading::AsWritten);
        let loosest = path.loosest().map(|_| Reading::Loosest);
        let loosest = loosest.map(|reading| self.matches_reading(path, reading));
        match as_written == decoded && loosest.is_none_or(|it| it == decoded) {
            true => PathReading::of(decoded),
            false => PathReading::Differ,
        }
    }

    /// What stands in `path` for the parts of the pattern that are no literals; `None` where it does not [match](Self::matches).
    #[must_use]
    pub fn captures<'a>(&'a self, path: &NormalPath<'a>) -> Option<Captures<'a>> {
        if !self.matches(path) {
            return None;
        }
        // Decoding leaves the segments as they are, so those of both readings stand side by side.
        let mut rest = path.as_str().strip_prefix('/')?;
        let mut found = Vec::new();
        for (name, segment) in self.text.split('/').skip(1).zip(&self.segments) {
            let (text, behind) = rest.split_once('/').unwrap_or((rest, ""));
            match segment {
                Segment::Literal { .. } => {}
                Segment::One => found.push((bare(name), text)),
                Segment::OneOrMore | Segment::Any => found.push((bare(name), rest)),
            }
            rest = behind;
        }
        Some(Captures { found })
    }

    pub(super) fn matches_reading(&self, path: &NormalPath<'_>, reading: Reading) -> bool {
        let text = match reading {
            Reading::AsWritten => path.as_str(),
            Reading::Decoded => path.decoded(),
            Reading::Loosest => path.loosest().unwrap_or_default(),
        };
        // By bytes: each request is held against several patterns, and a slash is one byte in all of them.
        let mut found = text.as_bytes().split(|byte| *byte == b'/').skip(1);
        for segment in &self.segments {
            let matched = match segment {
                Segment::Any => return true,
                Segment::OneOrMore => return found.next().is_some_and(|text| !text.is_empty()),
                Segment::One => found.next().is_some_and(|text| !text.is_empty()),
                Segment::Literal { raw, decoded } => {
                    found.next().is_some_and(|text| match reading {
                        Reading::AsWritten => text == raw.as_bytes(),
                        Reading::Decoded | Reading::Loosest => text == decoded.as_bytes(),
                    })
                }
            };
            if !matched {
                return false;
            }
        }
        found.next().is_none()
    }

    /// Sorts the more specific pattern first: at the first difference a literal wins over one segment over a tail.
    pub(super) fn specificity(&self) -> Vec<u8> {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal { .. } => 0,
                Segment::One => 1,
                Segment::OneOrMore => 3,
                Segment::Any => 4,
            })
            // A pattern that ends here is more specific than one that goes on with a tail, and shares no path
            // with one that goes on with anything else.
            .chain([2])
            .collect()
    }

    /// The specificity of what comes after the first `count` segments; `None` if the pattern does not say something about
    /// each of these.
    pub(super) fn specificity_below(&self, count: usize) -> Option<Vec<u8>> {
        let named = |it: &&Segment| matches!(it, Segment::Literal { .. } | Segment::One);
        let names_them = self.segments.iter().take_while(named).count() >= count;
        names_them.then(|| self.specificity().split_off(count))
    }

    /// Whether there may be a path that both match.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let (mut ours, mut others) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), others.next()) {
                (Some(Segment::Any), _) | (_, Some(Segment::Any)) | (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Segment::OneOrMore), _) | (_, Some(Segment::OneOrMore)) => return true,
                (
                    Some(Segment::Literal { decoded: one, .. }),
                    Some(Segment::Literal { decoded: other, .. }),
                ) if one != other => return false,
                _ => {}
            }
        }
    }

    /// Whether both match exactly the same paths (names of segments do not count).
    pub(super) fn same_paths(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl FromStr for PathPattern {
    type Err = PatternFault;

    fn from_str(text: &str) -> Result<Self, PatternFault> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PatternFault::Path(PathFault::NotAbsolute));
        };
        if text.contains(|c: char| matches!(c, '?' | '#') || c.is_ascii_whitespace()) {
            return Err(PatternFault::NotPath);
        }
        let segments = rest
            .split('/')
            .map(parse_segment)
            .collect::<Result<Vec<_>, _>>()?;
        let tail_before_last = segments
            .iter()
            .rev()
            .skip(1)
            .any(|segment| matches!(segment, Segment::OneOrMore | Segment::Any));
        if tail_before_last {
            return Err(PatternFault::TailNotLast);
        }
        let sample = segments
            .iter()
            .fold(String::new(), |path, segment| match segment {
                Segment::Literal { raw, .. } => path + "/" + raw,
                Segment::One | Segment::OneOrMore | Segment::Any => path + "/x",
            });
        NormalPath::parse(&sample).map_err(PatternFault::Path)?;
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PathReading {
    const fn of(matches: bool) -> Self {
        if matches { Self::Every } else { Self::None }
    }
}

/// A segment of a pattern without its braces.
fn bare(segment: &str) -> &str {
    let inner = segment
        .strip_prefix('{')
        .and_then(|it| it.strip_suffix('}'));
    let name = inner.map(|name| name.strip_prefix('*').unwrap_or(name));
    name.unwrap_or(segment)
}

fn parse_segment(text: &str) -> Result<Segment, PatternFault> {
    match text {
        "*" => return Ok(Segment::One),
        "**" => return Ok(Segment::Any),
        _ => {}
    }
    if let Some(name) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let (segment, name) = match name.strip_prefix('*') {
            Some(name) => (Segment::OneOrMore, name),
            None => (Segment::One, name),
        };
        let fits = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        return if fits {
            Ok(segment)
        } else {
            Err(PatternFault::BadSegment)
        };
    }
    if text.contains(['{', '}', '*']) {
        return Err(PatternFault::BadSegment);
    }
    literal(text)
}

/// A literal may be written plain or percent-encoded; a router sees the encoded form of what is above ASCII.
fn literal(text: &str) -> Result<Segment, PatternFault> {
    let mut raw = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            raw.push(character);
        } else {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                raw.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    let path = format!("/{raw}");
    let normal = NormalPath::parse(&path).map_err(PatternFault::Path)?;
    let decoded = normal
        .decoded()
        .strip_prefix('/')
        .unwrap_or_default()
        .to_owned();
    Ok(Segment::Literal { raw, decoded })
}

#[cfg(test)]
mod tests;
