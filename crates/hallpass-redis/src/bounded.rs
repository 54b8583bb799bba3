//! A connection that ends as soon as the server sends more than it was asked for, or more than any response has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Lists within lists: a response of Redis has four levels at most. What reads them calls itself for each.
const MAX_LEVELS: usize = 8;
/// The shortest command, `PING`. So many bytes have to be sent before one response may come.
const COMMAND_BYTES: usize = 14;

/// What a server may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of one response.
    pub(crate) response_bytes: usize,
    /// Whether it may speak without being asked, as it does to who has subscribed.
    pub(crate) pushes: bool,
}

/// A stream whose other side keeps to [`Bounds`], or is read no further.
#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    responses: Responses,
}

impl<S> Bounded<S> {
    pub(crate) const fn new(stream: S, bounds: Bounds) -> Self {
        Self {
            stream,
            responses: Responses::new(bounds),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(match self.responses.take(new) {
            Some(()) => Ok(()),
            None => Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.responses.asked(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Follows what the server sends only as far as to see where each response ends.
#[derive(Debug)]
struct Responses {
    bounds: Bounds,
    /// Bytes that were sent to the server, without those that responses have used up.
    asked: usize,
    /// Bytes of the response that is coming in.
    seen: usize,
    /// Values that each open list still lacks.
    open: Vec<usize>,
    is_push: bool,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// A value begins.
    Start,
    /// In the line after the kind of a value.
    Line {
        kind: u8,
        number: Number,
        /// Whether the last byte may begin the end of the line.
        is_ending: bool,
    },
    /// So many bytes of a text are still to come, the end of its line included.
    Text(usize),
}

/// What stands in a line, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Empty,
    Whole(usize),
    Minus,
    /// There is no value.
    MinusOne,
    /// None that Redis writes.
    Other,
}

impl Responses {
    const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            asked: 0,
            seen: 0,
            open: Vec::new(),
            is_push: false,
            at: At::Start,
        }
    }

    const fn asked(&mut self, bytes: usize) {
        self.asked = self.asked.saturating_add(bytes);
    }

    /// `None`: this is more than it may be.
    fn take(&mut self, mut bytes: &[u8]) -> Option<()> {
        while let Some((first, rest)) = bytes.split_first() {
            let taken = match self.at {
                At::Text(left) => left.min(bytes.len()),
                At::Start | At::Line { .. } => 1,
            };
            self.seen = self.seen.saturating_add(taken);
            if self.seen > self.bounds.response_bytes {
                return None;
            }
            match self.at {
                At::Start => self.starts(*first)?,
                At::Line {
                    kind,
                    number,
                    is_ending,
                } => match first {
                    b'\n' if is_ending => self.line_ends(kind, number)?,
                    byte => {
                        self.at = At::Line {
                            kind,
                            number: if is_ending {
                                Number::Other
                            } else {
                                number.then(*byte)
                            },
                            is_ending: *byte == b'\r',
                        };
                    }
                },
                At::Text(left) if taken == left => self.value_ends()?,
                At::Text(left) => self.at = At::Text(left.saturating_sub(taken)),
            }
            bytes = match taken {
                1 => rest,
                _ => bytes.get(taken..).unwrap_or_default(),
            };
        }
        Some(())
    }

    fn starts(&mut self, kind: u8) -> Option<()> {
        if self.open.is_empty() {
            self.is_push = kind == b'>';
            if self.is_push && !self.bounds.pushes {
                return None;
            }
        }
        self.at = At::Line {
            kind,
            number: Number::Empty,
            is_ending: false,
        };
        Some(())
    }

    fn line_ends(&mut self, kind: u8, number: Number) -> Option<()> {
        let has_length = matches!(kind, b'$' | b'!' | b'=' | b'*' | b'~' | b'>' | b'%' | b'|');
        let number = match number {
            _ if !has_length => 0,
            Number::Whole(number) => number,
            Number::MinusOne if matches!(kind, b'$' | b'*') => return self.value_ends(),
            _ => return None,
        };
        let values = match kind {
            b'$' | b'!' | b'=' => {
                let bytes = number.checked_add(2)?;
                let fits = bytes <= self.bounds.response_bytes;
                self.at = At::Text(bytes);
                return fits.then_some(());
            }
            b'%' => number.checked_mul(2)?,
            b'|' => number.checked_mul(2)?.checked_add(1)?,
            _ => number,
        };
        if values == 0 {
            return self.value_ends();
        }
        // Each of them has three bytes at least.
        if values > self.bounds.response_bytes / 3 || self.open.len() >= MAX_LEVELS {
            return None;
        }
        self.open.push(values);
        self.at = At::Start;
        Some(())
    }

    fn value_ends(&mut self) -> Option<()> {
        self.at = At::Start;
        while let Some(lacking) = self.open.last_mut() {
            *lacking = lacking.saturating_sub(1);
            if *lacking > 0 {
                return Some(());
            }
            self.open.pop();
        }
        self.seen = 0;
        if !self.is_push {
            self.asked = self.asked.checked_sub(COMMAND_BYTES)?;
        }
        Some(())
    }
}

impl Number {
    fn then(self, byte: u8) -> Self {
        let digit = usize::from(byte.wrapping_sub(b'0'));
        match self {
            // The end of the line.
            number if byte == b'\r' => number,
            Self::Empty if byte == b'-' => Self::Minus,
            Self::Minus if byte == b'1' => Self::MinusOne,
            Self::Empty if digit < 10 => Self::Whole(digit),
            Self::Whole(number) if digit < 10 => {
                let longer = number.checked_mul(10).and_then(|it| it.checked_add(digit));
                longer.map_or(Self::Other, Self::Whole)
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        response_bytes: 64,
        pushes: false,
    };

    /// How many responses may come, in pieces of this size, before one is refused.
    fn taken(bounds: Bounds, asked: usize, text: &str, piece: usize) -> Option<usize> {
        let mut responses = Responses::new(bounds);
        responses.asked(asked * COMMAND_BYTES);
        for piece in text.as_bytes().chunks(piece) {
            responses.take(piece)?;
        }
        assert!(responses.open.is_empty() && responses.seen == 0, "{text}");
        Some(asked - responses.asked / COMMAND_BYTES)
    }

    #[test]
    fn each_response_is_seen_to_end_where_it_ends_however_it_arrives() {
        let responses = [
            "+OK\r\n",
            "-ERR a\nb\rc\r\n",
            ":7\r\n",
            "$0\r\n\r\n",
            "$-1\r\n",
            "$5\r\na\r\nbc\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            "%1\r\n+a\r\n*0\r\n",
            "|1\r\n+a\r\n+b\r\n+c\r\n",
            "~1\r\n_\r\n",
            "=5\r\ntxt:a\r\n",
            "!3\r\nERR\r\n",
            "#t\r\n",
            ",1.5\r\n",
            "(123\r\n",
        ];
        let all = responses.concat();
        for piece in [1, 2, 3, 1_000] {
            for one in responses {
                assert_eq!(taken(BOUNDS, 1, one, piece), Some(1), "{one:?}");
            }
            let number = responses.len();
            assert_eq!(taken(BOUNDS, number, &all, piece), Some(number));
        }
    }

    #[test]
    fn what_is_larger_than_a_response_may_be_is_refused_as_soon_as_it_says_so() {
        for start in [
            "$63\r\n",
            "$99999999999999999999\r\n",
            "!63\r\n",
            "*22\r\n",
            "%11\r\n",
            "|11\r\n",
            "*9223372036854775807\r\n",
            "%9223372036854775807\r\n",
            "|9223372036854775807\r\n",
        ] {
            assert_eq!(taken(BOUNDS, 1, start, 100), None, "{start:?}");
        }
        let long = format!("+{}\r\n", "x".repeat(62));
        assert_eq!(taken(BOUNDS, 1, &long, 100), None);
        let deep = "*1\r\n".repeat(MAX_LEVELS + 1);
        assert_eq!(taken(BOUNDS, 1, &deep, 100), None);
        // In the sum, too.
        let parts = "*3\r\n".to_owned() + &"$20\r\n01234567890123456789\r\n".repeat(3);
        assert_eq!(taken(BOUNDS, 1, &parts, 100), None);
    }

    #[test]
    fn numbers_that_readers_may_understand_in_two_ways_are_refused() {
        for number in [
            "", " 5", "5 ", "+5", "-0", "-2", "5\n", "0x5", "--1", "-11", "1\r1",
        ] {
            for kind in ["$", "*", "%", "!", "=", "~", "|"] {
                let start = format!("{kind}{number}\r\n");
                assert_eq!(taken(BOUNDS, 1, &start, 100), None, "{start:?}");
            }
        }
        for kind in ["!", "=", "%", "~", "|"] {
            assert_eq!(taken(BOUNDS, 1, &format!("{kind}-1\r\n"), 100), None);
        }
    }

    #[test]
    fn who_is_not_asked_does_not_answer() {
        assert_eq!(taken(BOUNDS, 1, "+OK\r\n+OK\r\n", 100), None);
        let push = ">1\r\n+message\r\n";
        assert_eq!(taken(BOUNDS, 1, push, 100), None);
        let pushes = true;
        assert_eq!(taken(Bounds { pushes, ..BOUNDS }, 0, push, 100), Some(0));
        // Inside of a response it is a list like others.
        let inside = format!("*1\r\n{push}");
        assert_eq!(taken(BOUNDS, 1, &inside, 100), Some(1));
    }
}
