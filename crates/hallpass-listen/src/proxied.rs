//! Connections that come by a proxy which says whom it has them from (PROXY protocol).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::address_limit::{AddressLimit, AddressPlace};
use crate::metrics::ConnectionMetrics;
use crate::networks::Networks;
use crate::proxy_header::{self, HeaderFault};
use crate::seldom::Seldom;

/// How long the header may take: a proxy sends it before anything else.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// What becomes of connections that come from proxies. A clone shares its state.
#[derive(Clone, Debug)]
pub(crate) struct Proxied(Arc<State>);

#[derive(Debug)]
struct State {
    from: Networks,
    limit: AddressLimit,
    metrics: ConnectionMetrics,
    /// What must not be said for each connection.
    said: Mutex<Seldom>,
}

impl Proxied {
    /// Those that come `from` there; it is the address that they say which `limit` counts.
    pub(crate) fn new(from: Networks, limit: AddressLimit, metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(State {
            from,
            limit,
            metrics,
            said: Mutex::default(),
        }))
    }

    pub(crate) fn is_from(&self, peer: SocketAddr) -> bool {
        self.0.from.contains(peer.ip())
    }

    /// Where the connection comes from, with its place among those of that address; `None` when it cannot be told, or has no place, or the
    /// server is to stop.
    pub(crate) async fn source(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        mut draining: watch::Receiver<bool>,
    ) -> Option<(SocketAddr, AddressPlace)> {
        let header = tokio::time::timeout(HEADER_TIMEOUT, proxy_header::read(stream));
        let header = tokio::select! {
            header = header => header.unwrap_or(Err(HeaderFault::Timeout)),
            // An error means that the server is gone.
            _stopping = draining.wait_for(|draining| *draining) => return None,
        };
        let state = &*self.0;
        let source = match header {
            // It speaks for itself: a probe, mostly.
            Ok(source) => source.unwrap_or(peer),
            Err(fault) => {
                self.refused(peer, fault);
                return None;
            }
        };
        let place = state.limit.take(source.ip())?;
        Some((source, place))
    }

    fn refused(&self, peer: SocketAddr, fault: HeaderFault) {
        self.0.metrics.proxy_header_failed(fault);
        if fault == HeaderFault::Closed {
            return;
        }
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = said.happened() {
            let fault = fault.name();
            tracing::warn!(times, %peer, fault, "connections refused: they come from a proxy and do not begin with a header of the PROXY protocol");
        }
    }
}
