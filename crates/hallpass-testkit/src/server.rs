//! A real HTTP server on loopback.

use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Serves a router on loopback until it is stopped or dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<io::Result<()>>,
}

impl TestServer {
    /// Serves `router` on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(router: Router) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), router).await
    }

    /// Serves `router` at `address`: the one of a server that was stopped, for instance.
    ///
    /// # Errors
    /// When the address can not be bound.
    pub async fn start_at(address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        // Ends on a word and on the drop of the sender alike.
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _stopped_or_dropped = stopped.await;
        });
        let serving = tokio::spawn(serving.into_future());
        Ok(Self {
            address,
            stop: Some(stop),
            serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Finishes what is under way, closes all connections and the listening socket.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // An error means that the runtime is ending: it has stopped, then.
        let _result = self.serving.await;
    }
}
