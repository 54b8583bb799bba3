//! Where a TCP connection may go.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::{Uri, uri::Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::silence::Stream;
use crate::body::BoxError;
use crate::resolver::{LOOK_UP_TIMEOUT, Resolver};

const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take. A process that is frozen, or has no room for one more connection, takes a connection and says nothing: who waited for
/// as long as for a response could not be sent elsewhere in time. Some tens of milliseconds are usual.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes TCP connections: anywhere for `https`, whose TLS is made on top of them, and for `http` only to addresses of the
/// loopback interface unless that was lifted. A name counts as what it resolves to.
#[derive(Clone)]
pub(super) struct Connector {
    anywhere: HttpConnector<Addresses>,
    loopback: HttpConnector<Addresses>,
    plain_http_anywhere: bool,
    /// Whether many requests share a connection.
    is_shared: bool,
}

impl Connector {
    pub(super) fn new(resolver: &Resolver, connect_timeout: Duration) -> Self {
        let tcp = |loopback_only| {
            let resolver = resolver.clone();
            let mut tcp = HttpConnector::new_with_resolver(Addresses {
                resolver,
                loopback_only,
            });
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_connect_timeout(Some(connect_timeout));
            tcp.set_keepalive(Some(TCP_KEEPALIVE));
            tcp
        };
        Self {
            anywhere: tcp(false),
            loopback: tcp(true),
            plain_http_anywhere: false,
            is_shared: false,
        }
    }

    /// The same, for connections that many requests share.
    pub(super) fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// The same, for what may go anywhere without TLS.
    pub(super) fn plain_http_anywhere(mut self) -> Self {
        self.plain_http_anywhere = true;
        self
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Those below are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let is_free = self.plain_http_anywhere || uri.scheme() == Some(&Scheme::HTTPS);
        if !is_free && address(&uri).is_some_and(|address| !is_loopback(address)) {
            return Box::pin(std::future::ready(Err(PlainHttp.into())));
        }
        let tcp = if is_free {
            &mut self.anywhere
        } else {
            &mut self.loopback
        };
        let connecting = tcp.call(uri);
        let is_shared = self.is_shared;
        Box::pin(async move {
            let io = connecting.await?;
            Ok(Stream::new(io, is_shared))
        })
    }
}

/// The address that stands in the place of a host name: for it nobody is asked.
fn address(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// An IPv4 address in the clothes of IPv6 is what it is below them.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Plain http would have left this machine.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the address is plain http and not on loopback: use https there")]
pub(super) struct PlainHttp;

/// The server has not shaken hands.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server did not take part in the TLS handshake for {} s", HANDSHAKE_TIMEOUT.as_secs())]
pub(super) struct HandshakeTimeout;

/// Looks names up for a connector.
#[derive(Clone)]
struct Addresses {
    resolver: Resolver,
    loopback_only: bool,
}

impl Service<Name> for Addresses {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolver, loopback_only) = (self.resolver.clone(), self.loopback_only);
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str(), LOOK_UP_TIMEOUT).await?;
            let may_be_used = |address: &&IpAddr| !loopback_only || is_loopback(**address);
            let usable: Vec<_> = addresses
                .iter()
                .filter(may_be_used)
                // The connector puts the port in.
                .map(|address| SocketAddr::new(*address, 0))
                .collect();
            if usable.is_empty() {
                return Err(PlainHttp.into());
            }
            Ok(usable.into_iter())
        })
    }
}

/// Whether `error` is a look-up, a connection or a handshake that took too long.
pub(super) fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_late = |error: &(dyn std::error::Error + 'static)| {
        let io = error.downcast_ref::<io::Error>();
        let look_up = error.downcast_ref::<crate::resolver::LookUpError>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
            || error.is::<HandshakeTimeout>()
            || look_up == Some(&crate::resolver::LookUpError::TooLong)
    };
    std::iter::successors(Some(error), |error| error.source()).any(is_late)
}
