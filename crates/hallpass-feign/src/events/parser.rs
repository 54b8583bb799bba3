//! Events out of the bytes of a stream, with a bound on what one may hold.

use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::error::FeignError;

/// Largest event and largest line, in bytes.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// Longest name of a place in the stream that is remembered, in bytes: it goes back to the service in a header.
const MAX_ID_BYTES: usize = 1024;
/// Longest wait that a service may ask for.
const MAX_RETRY: Duration = Duration::from_secs(24 * 60 * 60);
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event before its data is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawEvent {
    pub(super) name: String,
    pub(super) data: String,
}

/// Reads events piece by piece.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// What has not been looked at.
    chunk: Bytes,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// Whether the last line ended in CR, so that an LF which follows is a part of its end.
    is_after_cr: bool,
    has_begun: bool,
    name: String,
    /// Each line of it with LF at its end.
    data: String,
    /// Counts from the end of the event that says it.
    next_id: Option<String>,
    last_event_id: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// Takes the next bytes, once [`Parser::next`] has said that it needs them.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    pub(super) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    pub(super) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The next event; `None` when it takes more bytes.
    pub(super) fn next(&mut self) -> Result<Option<RawEvent>, FeignError> {
        loop {
            if self.is_after_cr && self.chunk.has_remaining() {
                self.is_after_cr = false;
                if self.chunk.first() == Some(&b'\n') {
                    self.chunk.advance(1);
                }
            }
            let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let Some(end) = self.chunk.iter().position(is_end) else {
                let rest = std::mem::take(&mut self.chunk);
                self.keep(&rest)?;
                return Ok(None);
            };
            let rest = self.chunk.split_to(end);
            self.is_after_cr = self.chunk.get_u8() == b'\r';
            self.keep(&rest)?;
            let line = std::mem::take(&mut self.line);
            let is_first = !std::mem::replace(&mut self.has_begun, true);
            let line = match line.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) if is_first => rest,
                _ => &line,
            };
            if let Some(event) = self.line(line) {
                return Ok(Some(event));
            }
        }
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), FeignError> {
        if self.line.len() + self.data.len() + piece.len() > MAX_EVENT_BYTES {
            let limit = MAX_EVENT_BYTES;
            return Err(FeignError::TooLarge { limit });
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// A whole line, so that no character is cut where a piece of the stream ends.
    fn line(&mut self, line: &[u8]) -> Option<RawEvent> {
        if line.is_empty() {
            return self.event();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // One that could not go back to the service is none: else the service could make every further call fail.
            "id" if can_go_back(value) && value.len() <= MAX_ID_BYTES => {
                self.next_id = Some(value.to_owned());
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let milliseconds = value.parse().map(Duration::from_millis);
                self.retry = milliseconds.ok().map(|asked| asked.min(MAX_RETRY));
            }
            // A comment, whose name is empty, and what is not known.
            _ => {}
        }
        None
    }

    fn event(&mut self) -> Option<RawEvent> {
        if let Some(id) = self.next_id.take() {
            // An empty one takes the last one back.
            self.last_event_id = Some(id).filter(|id| !id.is_empty());
        }
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let name = Some(name).filter(|name| !name.is_empty());
        Some(RawEvent {
            name: name.unwrap_or_else(|| "message".to_owned()),
            data,
        })
    }
}

/// Whether it can be the value of a header (`Last-Event-ID`) that receivers agree on: printable ASCII (RFC 9110 section 5.5).
fn can_go_back(id: &str) -> bool {
    id.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, data, and where the stream goes on.
    type Read = (String, String, Option<String>);

    fn read(pieces: &[&[u8]]) -> Result<(Vec<Read>, Parser), FeignError> {
        let (mut parser, mut read) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.push(Bytes::copy_from_slice(piece));
            while let Some(RawEvent { name, data }) = parser.next()? {
                read.push((name, data, parser.last_event_id().map(str::to_owned)));
            }
        }
        Ok((read, parser))
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> Read {
        (name.to_owned(), data.to_owned(), id.map(str::to_owned))
    }

    #[test]
    fn what_cannot_go_back_in_a_header_is_no_place_in_the_stream() {
        for (id, expected) in [
            ("7", "7"),
            ("Zürich", "before"),
            ("\u{1}", "before"),
            ("a\tb", "before"),
            ("\0", "before"),
        ] {
            let stream = format!("id: before\ndata: 1\n\nid: {id}\ndata: 2\n\n");
            let (events, _) = read(&[stream.as_bytes()]).unwrap();
            assert_eq!(events[1].2.as_deref(), Some(expected), "{id:?}");
        }
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut_and_lines_end() {
        let stream = "\u{feff}: hello\n\ndata: \u{fc}\n\nevent: moved\ndata:one\ndata:  two\nid: 7\n\ndata\n\nevent: none\n\n\
            unknown: x\ndata: last\nid\n\ndata: cut off";
        let expected = [
            event("message", "\u{fc}", None),
            event("moved", "one\n two", Some("7")),
            event("message", "", Some("7")),
            event("message", "last", None),
        ];
        for line_end in ["\n", "\r\n", "\r"] {
            let stream = stream.replace('\n', line_end);
            for size in [1, 2, 3, 7, stream.len()] {
                let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
                let (read, _) = read(&pieces).unwrap();
                assert_eq!(read, expected, "{line_end:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_event_is_there_with_the_first_byte_of_its_last_line_end() {
        assert_eq!(read(&[b"data: x\r\n\r"]).unwrap().0.len(), 1);
        assert_eq!(
            read(&[b"data: x\r\r", b"\ndata: y\n\n"]).unwrap().0.len(),
            2
        );
    }

    #[test]
    fn a_wait_is_read_and_bounded_and_nonsense_is_ignored() {
        let retry = |text: &str| read(&[text.as_bytes()]).unwrap().1.retry();
        assert_eq!(retry("retry: 3000\n"), Some(Duration::from_secs(3)));
        assert_eq!(retry("retry: 99999999999999\n"), Some(MAX_RETRY));
        for text in ["retry: -1\n", "retry: soon\n", "retry:\n", "retry: 1.5\n"] {
            assert_eq!(retry(text), None, "{text}");
        }
        let (_, parser) = read(&[b"id: a\0b\n\n"]).unwrap();
        assert_eq!(parser.last_event_id(), None);
    }

    #[test]
    fn no_line_and_no_event_grows_without_end() {
        let comment = vec![b':'; 64 * 1024];
        let endless = vec![comment.as_slice(); 32];
        let expected = FeignError::TooLarge {
            limit: MAX_EVENT_BYTES,
        };
        assert_eq!(read(&endless).unwrap_err(), expected);
        let line = [b"data: ", comment.as_slice(), b"\n"].concat();
        let endless = vec![line.as_slice(); 32];
        assert_eq!(read(&endless).unwrap_err(), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let (read, _) = read(&[b"data: a\xffb\n\n"]).unwrap();
        assert_eq!(read, [event("message", "a\u{fffd}b", None)]);
    }
}
