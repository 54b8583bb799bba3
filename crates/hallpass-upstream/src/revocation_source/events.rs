//! Server-sent events out of the bytes of a stream (WHATWG HTML, section 9.2.6), with a bound on what one may hold.

use super::error::FollowError;

/// Largest line and largest event, in bytes: ours have some 60 KB.
const MAX_BYTES: usize = 256 * 1024;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; empty when it has none.
    pub(super) name: String,
    pub(super) data: Vec<u8>,
    /// Where to go on after it.
    pub(super) id: Option<String>,
}

/// Reads events piece by piece.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line that has not ended yet.
    line: Vec<u8>,
    event: Event,
}

impl Events {
    /// Takes the next bytes of the stream, and calls `take` with each event that they complete.
    ///
    /// # Errors
    /// [`FollowError::TooLarge`], and those of `take`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Event) -> Result<(), FollowError>,
    ) -> Result<(), FollowError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.event.data.len() + piece.len() > MAX_BYTES {
                return Err(FollowError::TooLarge {
                    limit: MAX_BYTES,
                    unit: "bytes in an event",
                });
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if let Some(event) = self.line(line) {
                    take(event)?;
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.name.is_empty() || !event.data.is_empty()).then_some(event);
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"id" => self.event.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => self.event.data.extend_from_slice(value),
            // A comment, whose name is empty, and what is not known.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<(String, String, Option<String>)>, FollowError> {
        let (mut events, mut read) = (Events::default(), Vec::new());
        for piece in pieces {
            events.push(piece, |event| {
                let data = String::from_utf8(event.data).unwrap();
                read.push((event.name, data, event.id));
                Ok(())
            })?;
        }
        Ok(read)
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let stream = b"event: reset\ndata: {}\n\n:\n\n: a comment\r\n\r\nevent:entries\r\nid: 7.1\r\ndata: [\r\ndata: 1]\r\n\r\n";
        let expected = [
            ("reset".to_owned(), "{}".to_owned(), None),
            (
                "entries".to_owned(),
                "[1]".to_owned(),
                Some("7.1".to_owned()),
            ),
        ];
        assert_eq!(read(&[stream]).unwrap(), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes).unwrap(), expected);
        assert!(read(&[b"event: cut off\ndata: "]).unwrap().is_empty());
    }

    #[test]
    fn no_line_and_no_event_grows_without_end() {
        let line = vec![b'a'; 1024];
        let endless = vec![line.as_slice(); 1024];
        assert!(matches!(read(&endless), Err(FollowError::TooLarge { .. })));
        let line = [b"data: ", line.as_slice(), b"\n"].concat();
        let endless = vec![line.as_slice(); 1024];
        assert!(matches!(read(&endless), Err(FollowError::TooLarge { .. })));
    }
}
