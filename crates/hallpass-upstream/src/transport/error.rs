//! Why no response came.

use std::io;
use std::sync::Arc;

use super::connector::{HandshakeTimeout, PlainHttp, is_timeout};
use crate::body::BoxError;
use crate::outcome::{Outcome, RetryAdvice};
use crate::resolver::LookUpError;

/// Why no response came. Cheap to clone; equality looks at the kind only.
///
/// Where TLS is the reason, the text says which: an expired certificate, another name, an unknown authority. Where there was no
/// connection at all, it says why not: refused, unreachable, a name that does not exist. Where a response has too many headers, it says so.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}{}", reason(*kind, source.as_ref()))]
pub struct TransportError {
    kind: TransportErrorKind,
    #[source]
    source: Arc<dyn std::error::Error + Send + Sync>,
}

/// The kinds of [`TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection: refused, unreachable, name not found, TLS handshake failed. Nothing was sent.
    #[error("could not connect")]
    Connect,
    /// No connection within the connect timeout, or no TLS within that of the handshake. Nothing was sent.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// Plain http to another host, for a request that may hold a secret. Nothing was sent.
    #[error(
        "the address is plain http and not on loopback: a secret must not go there; use https (`https://` in the address of the instance)"
    )]
    PlainHttp,
    /// TLS settings that cannot be used.
    #[error("the TLS settings cannot be used")]
    Tls,
    /// A connection that was open already was closed before the request went out, or the server has said that it did nothing about
    /// the request (`REFUSED_STREAM` or `GOAWAY` of HTTP/2, RFC 9113 section 8.7).
    #[error("the connection was closed before the request was sent")]
    Closed,
    /// The connection ended before the response did; the request may have been carried out.
    #[error("the connection broke before the response was complete")]
    Broken,
    /// The peer does not speak HTTP as it should, or exceeds a limit.
    #[error("the peer's response is not valid HTTP")]
    Protocol,
    /// The request cannot be sent at all (no scheme or host in its URI).
    #[error("the request cannot be sent: its URI needs http or https and a host")]
    Request,
}

impl TransportError {
    /// An error of the given kind; for tests and for transports of one's own.
    pub fn new(kind: TransportErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Arc::from(source.into()),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether it is certain that the peer has seen nothing of the request.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        match self.kind {
            TransportErrorKind::Connect
            | TransportErrorKind::ConnectTimeout
            | TransportErrorKind::Closed
            | TransportErrorKind::PlainHttp
            | TransportErrorKind::Tls
            | TransportErrorKind::Request => true,
            TransportErrorKind::Broken | TransportErrorKind::Protocol => false,
        }
    }

    /// Whether another instance, or the same one later, may answer.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            TransportErrorKind::Connect
            | TransportErrorKind::ConnectTimeout
            | TransportErrorKind::Closed
            | TransportErrorKind::Broken => true,
            TransportErrorKind::PlainHttp
            | TransportErrorKind::Tls
            | TransportErrorKind::Protocol
            | TransportErrorKind::Request => false,
        }
    }

    /// Whether a wait ran out.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.kind, TransportErrorKind::ConnectTimeout)
    }

    /// What it is about; `source()` would give the pointer to it, which is an error of another type.
    pub(super) fn lower(&self) -> &(dyn std::error::Error + 'static) {
        self.source.as_ref()
    }

    pub(super) fn tls(source: impl Into<BoxError>) -> Self {
        Self::new(TransportErrorKind::Tls, source)
    }

    /// There is no connection.
    pub(super) fn connecting(error: BoxError) -> Self {
        Self::new(kind_of_connecting(&*error), error)
    }

    /// A connection of HTTP/1.1 that was there has failed.
    pub(super) fn on_connection(error: hyper::Error) -> Self {
        Self::new(kind_of(&error), error)
    }

    pub(super) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        let kind = if error.is_connect() {
            kind_of_connecting(&error)
        } else if find::<h2::Error>(&error).is_some_and(is_unprocessed) {
            TransportErrorKind::Closed
        } else {
            find::<hyper::Error>(&error).map_or(TransportErrorKind::Request, kind_of)
        };
        Self::new(kind, error)
    }
}

/// Whatever it was, the instance is at fault; but for what is refused or ended on this side, or what this machine has too little of.
impl Outcome for TransportError {
    fn instance_failed(&self) -> Option<bool> {
        let is_own = self.kind == TransportErrorKind::PlainHttp
            || find::<io::Error>(&*self.source).is_some_and(is_of_this_machine)
            || find::<h2::Error>(&*self.source).is_some_and(is_ended_here);
        (!is_own).then_some(true)
    }

    fn retry_advice(&self) -> RetryAdvice {
        if !self.is_retryable() {
            RetryAdvice::Stands
        } else if self.is_unsent() {
            RetryAdvice::Unsent
        } else {
            RetryAdvice::MayHaveActed
        }
    }
}

impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What the TLS library says, as far as it has a say in it; else, of a connection that never was, what the system says.
fn reason(kind: TransportErrorKind, error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || chain(error);
    let tls = chain().find_map(|error| error.downcast_ref::<rustls::Error>());
    let reason = match (tls, kind) {
        (Some(tls), _) => Some(tls.to_string()),
        (None, TransportErrorKind::Connect) => chain().find_map(no_connection),
        (None, TransportErrorKind::ConnectTimeout) => chain().find_map(no_handshake),
        (None, TransportErrorKind::Protocol) => chain().find_map(too_large),
        (None, _) => None,
    };
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Why there is no connection, in the system's words for it or in those of the look-up of the name.
fn no_connection(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(look_up) = error.downcast_ref::<LookUpError>() {
        return Some(look_up.to_string());
    }
    let system = error.downcast_ref::<io::Error>()?;
    let code = system.raw_os_error()?;
    // Of some the library knows no kind.
    let is_full = TOO_MANY_OPEN.contains(&code);
    Some(match is_full {
        true => "this process has too many files and connections open (`ulimit -n`)".to_owned(),
        false => system.kind().to_string(),
    })
}

/// `EMFILE` and `ENFILE`, the same on every Unix.
const TOO_MANY_OPEN: [i32; 2] = [24, 23];

/// Whether this machine had nothing left to connect with: descriptors, ports, memory.
fn is_of_this_machine(error: &io::Error) -> bool {
    let is_full = |code| cfg!(unix) && TOO_MANY_OPEN.contains(&code);
    error.raw_os_error().is_some_and(is_full)
        || matches!(
            error.kind(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory
        )
}

/// What a server did not take part in.
fn no_handshake(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    error.is::<HandshakeTimeout>().then(|| error.to_string())
}

/// Which limit a response exceeds.
fn too_large(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let error = error.downcast_ref::<hyper::Error>()?;
    let is_too_large = error.is_parse_too_large();
    is_too_large.then(|| "more than 100 headers, or 64 KiB of them".to_owned())
}

/// An error and those below it.
pub(super) fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

/// The first error of type `E` in the chain, in what I/O errors carry too.
pub(super) fn find_below<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The next error in the chain. An I/O error does not count what it carries among its sources.
fn below<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

/// The first error of type `E` in the chain of sources.
fn find<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref())
}

/// Whether the server has said that it did nothing about the request (RFC 9113 section 8.7). A `GOAWAY` reaches only those streams
/// that it says were not looked at.
fn is_unprocessed(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (reason == Some(h2::Reason::REFUSED_STREAM)
            || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
}

/// Whether this side has ended the connection because there was more of something than it keeps in mind, as of answers to requests that
/// were given up.
fn is_ended_here(error: &h2::Error) -> bool {
    let is_calming = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    error.is_library() && error.is_go_away() && is_calming
}

/// Why there is no connection.
fn kind_of_connecting(error: &(dyn std::error::Error + 'static)) -> TransportErrorKind {
    if find::<PlainHttp>(error).is_some() {
        TransportErrorKind::PlainHttp
    } else if is_timeout(error) {
        TransportErrorKind::ConnectTimeout
    } else {
        TransportErrorKind::Connect
    }
}

/// What became of a request on a connection that was there.
fn kind_of(error: &hyper::Error) -> TransportErrorKind {
    if error.is_parse() || error.is_parse_too_large() {
        TransportErrorKind::Protocol
    } else if error.is_canceled() {
        // It was still waiting for its turn.
        TransportErrorKind::Closed
    } else {
        TransportErrorKind::Broken
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;

    use super::*;
    use crate::body::Body;

    #[test]
    fn it_is_said_why_there_is_no_connection() {
        let says =
            |source: BoxError| TransportError::new(TransportErrorKind::Connect, source).to_string();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(
            says(refused.into()),
            "could not connect: connection refused"
        );
        let unknown = LookUpError::NoAddress;
        assert_eq!(
            says(unknown.into()),
            "could not connect: the name has no address"
        );
        assert_eq!(says("anything else".into()), "could not connect");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_machine_has_too_little_of_is_no_fault_of_an_instance() {
        let of_code = |code| {
            let source = io::Error::from_raw_os_error(code);
            TransportError::connecting(source.into())
        };
        // EMFILE, ENFILE, EADDRNOTAVAIL, ENOMEM.
        for code in [24, 23, 99, 12] {
            let error = of_code(code);
            assert_eq!(error.instance_failed(), None, "{error}");
            assert!(error.is_unsent());
        }
        let refused = of_code(111);
        assert_eq!(refused.instance_failed(), Some(true), "{refused}");
        let text = of_code(24).to_string();
        assert!(text.contains("ulimit"), "{text}");
    }

    #[tokio::test]
    async fn a_request_that_met_a_closed_connection_was_never_sent() {
        let (here, _there) = tokio::io::duplex(1024);
        let io = TokioIo::new(here);
        let (mut sender, connection) = hyper::client::conn::http1::handshake::<_, Body>(io)
            .await
            .unwrap();
        drop(connection);
        let error = sender.send_request(http::Request::new(Body::empty()));
        let kind = kind_of(&error.await.unwrap_err());
        assert_eq!(kind, TransportErrorKind::Closed);
        assert!(TransportError::new(kind, "test").is_unsent());
    }
}
