//! Where a connection comes from, for who serves its requests.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use crate::newcomers::PlaceKeeper;

/// Where the connection of a request comes from: among the extensions of each request of a server that
/// [shows its peers](crate::HttpServer::show_peers).
///
/// It is the other end of the TCP connection, so a proxy's address where one stands in front; or what that says by the
/// [PROXY protocol](crate::HttpServer::proxy_protocol), where it is believed. A server of your own that sets it must let no
/// request bring it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionPeer(pub SocketAddr);

/// Puts the peer, and what keeps its place, into each request, where that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct ShowsPeer<S> {
    service: S,
    peer: Option<ConnectionPeer>,
    keeper: Option<PlaceKeeper>,
}

impl<S> ShowsPeer<S> {
    pub(crate) const fn new(service: S, peer: Option<ConnectionPeer>) -> Self {
        Self {
            service,
            peer,
            keeper: None,
        }
    }

    /// With what keeps the connection its place.
    pub(crate) fn with(self, keeper: PlaceKeeper) -> Self {
        Self {
            keeper: Some(keeper),
            ..self
        }
    }
}

impl<S, B> Service<Request<B>> for ShowsPeer<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(keeper) = &self.keeper {
            request.extensions_mut().insert(keeper.clone());
        }
        self.service.call(request)
    }
}
