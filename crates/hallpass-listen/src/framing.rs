//! The framing guard: how the requests of an HTTP/1 connection say where they end.
//!
//! hyper takes a request with `Content-Length` and `Transfer-Encoding` as chunked, takes a doubled equal length and an unknown coding before
//! `chunked`, and shows a service none of it. A proxy that reads one of those otherwise takes what stands in a body for a request of its own
//! (RFC 9112 sections 6.1, 6.3 and 11.2). So this machine reads the same bytes beside hyper, changes none, counts heads, and notes the first whose end
//! could be read in two ways. hyper stays the authority: the guess of this machine can cost a 400, and what it cannot follow is a fault too.

mod chunked;
mod fault;
mod head;
mod noted;
mod skip;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chunked::{Chunked, Step};
pub(crate) use fault::Fault;
use head::{Body, Head};
pub(crate) use noted::Noted;
use skip::skip;

/// Follows the bytes of one connection. It keeps less than 200 bytes, whatever comes.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// Heads that have come whole, and say clearly how long they are.
    heads: u64,
    /// Whether a line of a head must end with CR LF.
    strict_lines: bool,
    noted: Arc<Noted>,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// So many bytes of a body are to come.
    Length(u64),
    Chunked(Chunked),
    /// The rest is not read: after a fault, and after HTTP.
    Over,
}

impl Framing {
    /// Notes what it finds in what it returns beside. `strict_lines`: a line that ends with a bare LF is a fault.
    pub(crate) fn new(strict_lines: bool) -> (Self, Arc<Noted>) {
        let noted = Arc::new(Noted::default());
        let framing = Self {
            state: State::Head(Head::default()),
            heads: 0,
            strict_lines,
            noted: Arc::clone(&noted),
        };
        (framing, noted)
    }

    /// Looks at the next bytes of the connection. To be called before anybody acts on them.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        if self.noted.is_http_over() {
            self.state = State::Over;
        }
        while !bytes.is_empty() {
            let rest = match &mut self.state {
                State::Over => return,
                State::Head(head) => match head.see(bytes) {
                    None => return,
                    Some(rest) => {
                        let end = head.end(self.strict_lines);
                        self.head_ended(end);
                        rest
                    }
                },
                State::Length(left) => {
                    let (taken, rest) = skip(bytes, *left);
                    *left = left.saturating_sub(taken);
                    if *left == 0 {
                        self.state = State::Head(Head::default());
                    }
                    rest
                }
                State::Chunked(chunked) => match chunked.see(bytes) {
                    Step::More => return,
                    Step::Ended(rest) => {
                        self.state = State::Head(Head::default());
                        rest
                    }
                    Step::Fault(fault) => {
                        self.fault(fault);
                        return;
                    }
                },
            };
            bytes = rest;
        }
    }

    fn head_ended(&mut self, end: Result<Body, Fault>) {
        match end {
            Err(fault) => self.fault(fault),
            Ok(body) => {
                self.heads = self.heads.saturating_add(1);
                self.state = match body {
                    Body::None => State::Head(Head::default()),
                    Body::Length(length) => State::Length(length),
                    Body::Chunked => State::Chunked(Chunked::default()),
                };
            }
        }
    }

    /// The request that is read now, or comes next, has a fault.
    fn fault(&mut self, fault: Fault) {
        self.state = State::Over;
        self.noted.note(self.heads.saturating_add(1), fault);
    }
}
