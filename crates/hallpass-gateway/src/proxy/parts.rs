//! What the steps of a request hand each other.

use std::net::SocketAddr;

use bytes::Bytes;
use hallpass_resource::{EndingBody, NormalPath};
use http::{HeaderMap, Method};
use http_body_util::{Either, Full};

use super::download::Download;

/// The body of a response: the upstream's as it comes, or ours.
pub type ReplyBody = Either<EndingBody<Download>, Full<Bytes>>;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, as the socket has it.
    pub address: SocketAddr,
    /// Whether the connection is one of TLS.
    pub is_tls: bool,
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
}
