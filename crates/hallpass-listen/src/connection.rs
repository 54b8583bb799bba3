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

use crate::handle::ConnectionHandle;
use crate::handshake::Handshake;
use crate::held::Held;
use crate::preface::{self, Begun, Spoken};
use crate::share::ShareHeld;
use crate::watched::Watched;
use crate::{http1, http2};

/// Counts an open connection and holds its place until it is dropped.
pub(crate) struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
    _share: ShareHeld,
}

impl Place {
    pub(crate) fn new(open: Gauge, permit: OwnedSemaphorePermit, share: ShareHeld) -> Self {
        open.inc();
        Self {
            open,
            _permit: permit,
            _share: share,
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
    pub(crate) place: Place,
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
        mut held,
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
        Some(handshake) => {
            if let Some((stream, caller)) = handshake.accept(stream, peer).await {
                let spoken = Spoken::agreed(stream.get_ref().1.alpn_protocol());
                held.caller = Some(caller);
                speak(stream, (spoken, Begun::default()), service, held).await;
            }
        }
    }
    drop(place);
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
        Spoken::Http1 => http1::speak(stream, owner, service, held).await,
        Spoken::Http2 => http2::speak(stream, owner, service, held).await,
    }
}
