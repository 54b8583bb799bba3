//! One connection, from the socket to its end.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::address_limit::AddressPlace;
use crate::handle::ConnectionHandle;
use crate::handshake::Handshake;
use crate::held::Held;
use crate::preface::{self, Begun, Spoken};
use crate::proxied::Proxied;
use crate::watched::Watched;
use crate::{http1, http2};

/// Counts an open connection and holds its place until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
    /// `None` while the address is not known.
    of_address: Option<AddressPlace>,
}

impl Place {
    pub(crate) fn new(
        open: Gauge,
        permit: OwnedSemaphorePermit,
        of_address: Option<AddressPlace>,
    ) -> Self {
        open.inc();
        Self {
            open,
            _permit: permit,
            of_address,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// `None` where plain HTTP is spoken.
    pub(crate) handshake: Option<Handshake>,
    pub(crate) held: Held,
    /// `None` where the connections of the listener have theirs together.
    pub(crate) place: Option<Place>,
}

impl Accepted {
    /// The same, from whom a proxy has it.
    pub(crate) async fn by(mut self, proxied: &Proxied) -> Option<Self> {
        let draining = self.held.draining.clone();
        let source = proxied.source(&mut self.stream, self.peer, draining);
        let (source, place) = source.await?;
        self.peer = source;
        if let Some(held) = &mut self.place {
            held.of_address = Some(place);
        }
        Some(self)
    }
}

/// Serves HTTP until the peer, a limit or a stop ends it. Runs in the connection's own task, the TLS handshake too: a slow
/// one delays no other connection.
pub(crate) async fn serve<S, B>(accepted: Accepted, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Accepted {
        mut stream,
        peer,
        handshake,
        held,
        place,
    } = accepted;
    // Small responses must not wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    match handshake {
        None => {
            let limit = held.limits.head_timeout;
            let looked = preface::look(&mut stream, limit, held.draining.clone()).await;
            if let Some((spoken, begun)) = looked {
                speak(stream, (spoken, begun), service, held).await;
            }
        }
        // In a box, as the rest that not all connections need: one that says nothing keeps its room for as long as it is open.
        Some(handshake) => Box::pin(over_tls((stream, peer), handshake, service, held)).await,
    }
    drop(place);
}

async fn over_tls<S, B>(
    (stream, peer): (TcpStream, SocketAddr),
    handshake: Handshake,
    service: S,
    mut held: Held,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if let Some((stream, caller)) = handshake.accept(stream, peer).await {
        let spoken = Spoken::agreed(stream.get_ref().1.alpn_protocol());
        held.caller = Some(caller);
        speak(stream, (spoken, Begun::default()), service, held).await;
    }
}

async fn speak<T, S, B>(stream: T, (spoken, begun): (Spoken, Begun), service: S, held: Held)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let handle = ConnectionHandle::new(held.draining.clone());
    let (stream, owner) = Watched::new(stream, begun, handle);
    match spoken {
        Spoken::Http1 => Box::pin(http1::speak(stream, owner, service, held)).await,
        Spoken::Http2 => Box::pin(http2::speak(stream, owner, service, held)).await,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;

    fn size_of_future<A, S, F: Future>(_serves: impl FnOnce(A, S) -> F, _service: &S) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_has_no_room_for_what_others_speak() {
        let service = tower::service_fn(async |_request: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let bytes = size_of_future(serve, &service);
        assert!(bytes < 3 * 1_024, "{bytes} bytes");
    }
}
