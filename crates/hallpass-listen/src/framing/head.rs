//! The head of a request, line by line: only what says how long the request is.

use super::fault::Fault;

/// What is kept of a line that comes in parts, and the longest line that may say a length. hyper would take one that is padded with more
/// white space; here it is a fault, however it comes in.
const LINE: usize = 64;
const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";
/// hyper refuses longer ones: two less than all are numbers of its own.
const LONGEST: u64 = u64::MAX - 2;

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// A head that is being read.
#[derive(Debug)]
pub(super) struct Head {
    /// The beginning of a line of which a part has come.
    kept: [u8; LINE],
    /// How much of that line has come, kept or not.
    come: usize,
    last: u8,
    has_request_line: bool,
    /// A line has ended with a bare LF.
    has_bare_end: bool,
    length: Field<u64>,
    coding: Field<()>,
}

/// A field that says how the request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field<T> {
    None,
    Once(T),
    Unreadable,
    Twice,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            kept: [0; LINE],
            come: 0,
            last: 0,
            has_request_line: false,
            has_bare_end: false,
            length: Field::None,
            coding: Field::None,
        }
    }
}

impl<T> Field<T> {
    fn add(&mut self, read: Option<T>) {
        *self = match (&*self, read) {
            (Self::None, Some(value)) => Self::Once(value),
            (Self::None, None) => Self::Unreadable,
            _ => Self::Twice,
        };
    }
}

impl Head {
    /// What follows the head, once it has ended.
    pub(super) fn see<'a>(&mut self, mut bytes: &'a [u8]) -> Option<&'a [u8]> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (part, rest) = bytes.split_at_checked(end)?;
            bytes = rest.get(1..).unwrap_or_default();
            if self.line_ends(part) {
                return Some(bytes);
            }
        }
        self.keep(bytes);
        None
    }

    /// What the whole head says. Where several things are wrong, nginx's order.
    pub(super) fn end(&self, strict_lines: bool) -> Result<Body, Fault> {
        if self.has_bare_end && strict_lines {
            return Err(Fault::Lines);
        }
        match (self.length, self.coding) {
            (Field::Twice, _) | (_, Field::Twice) => Err(Fault::Lengths),
            (Field::Unreadable, _) => Err(Fault::Unclear),
            (_, Field::Unreadable) => Err(Fault::Coding),
            (Field::Once(_), Field::Once(())) => Err(Fault::Lengths),
            (Field::Once(0) | Field::None, Field::None) => Ok(Body::None),
            (Field::Once(length), Field::None) => Ok(Body::Length(length)),
            (Field::None, Field::Once(())) => Ok(Body::Chunked),
        }
    }

    /// The part of a line before its LF. `true`: the head has ended.
    fn line_ends(&mut self, part: &[u8]) -> bool {
        if self.come == 0 {
            let line = part.strip_suffix(b"\r");
            self.has_bare_end |= line.is_none();
            return self.line(line.unwrap_or(part), false);
        }
        self.keep(part);
        let has_cr = self.last == b'\r';
        self.has_bare_end |= !has_cr;
        let length = self.come.saturating_sub(usize::from(has_cr));
        self.come = 0;
        let kept = self.kept;
        let line = kept.get(..length.min(LINE)).unwrap_or_default();
        self.line(line, length > LINE)
    }

    fn keep(&mut self, part: &[u8]) {
        let Some(last) = part.last() else { return };
        self.last = *last;
        let free = self.kept.get_mut(self.come..).unwrap_or_default();
        for (place, byte) in free.iter_mut().zip(part) {
            *place = *byte;
        }
        self.come = self.come.saturating_add(part.len());
    }

    /// One line without its end; of a long one that came in parts, its beginning. `true`: the head has ended.
    fn line(&mut self, line: &[u8], is_cut: bool) -> bool {
        if line.is_empty() {
            // hyper passes over empty lines before a request.
            return self.has_request_line;
        }
        if !self.has_request_line {
            self.has_request_line = true;
            return false;
        }
        let is_short = !is_cut && line.len() <= LINE;
        if let Some(value) = value_of(line, CONTENT_LENGTH) {
            self.length.add(is_short.then(|| length(value)).flatten());
        } else if let Some(value) = value_of(line, TRANSFER_ENCODING) {
            let is_known = is_short && value.eq_ignore_ascii_case(b"chunked");
            self.coding.add(is_known.then_some(()));
        }
        false
    }
}

/// The value of the field whose name, in small letters and with its colon, is `name`.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, value) = line.split_at_checked(name.len())?;
    begin.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// Digits alone.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let read = value.iter().try_fold(0_u64, |read, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(*byte & 0x0f))?;
        read.checked_mul(10)?.checked_add(digit)
    })?;
    (read <= LONGEST).then_some(read)
}
