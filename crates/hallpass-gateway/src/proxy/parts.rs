//! What the steps of a request hand each other.

use std::net::SocketAddr;

use bytes::Bytes;
use hallpass_resource::{EndingBody, NormalPath};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::download::Download;

/// The body of a response: the upstream's as it comes, or ours.
pub(crate) type ReplyBody = Either<EndingBody<Download>, Full<Bytes>>;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address, as the socket has it.
    pub(crate) address: SocketAddr,
    /// Whether the connection is one of TLS.
    pub(crate) is_tls: bool,
}

/// A request as it came, as far as nobody has taken it yet.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) peer: Peer,
    pub(crate) parts: Parts,
    pub(crate) body: Option<Incoming>,
    /// The media type of gRPC, where it speaks that.
    pub(crate) spoken_grpc: Option<HeaderValue>,
    pub(crate) begun: Instant,
    /// Whether its sender waits for a word before it sends the body.
    pub(crate) waits: bool,
}

/// What a route is chosen by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// In lower case, without port and without a dot at the end; `None` where no route asks for it.
    pub(crate) host: Option<&'a str>,
    pub(crate) path: &'a NormalPath<'a>,
    pub(crate) method: &'a Method,
    /// Without those that end at this hop.
    pub(crate) headers: &'a HeaderMap,
    /// Whether the request is still to come: a browser asks about it, and says which headers it will have.
    pub(crate) is_asked_about: bool,
}
