//! A real HTTP server on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use hallpass_listen::{HttpServer, RunningServer};
use tokio::net::TcpListener;

/// How long [`TestServer::stop`] waits for requests that are under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Serves a router on loopback until it is stopped or dropped.
#[derive(Debug)]
pub struct TestServer {
    running: RunningServer,
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
    /// When the address cannot be bound.
    pub async fn start_at(address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let running = HttpServer::new(listener).serve(move |_peer| router.clone())?;
        Ok(Self { running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    /// `http://address` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Finishes what is under way, within 10 s, and closes all connections and the listening socket.
    pub async fn stop(self) {
        self.running.shutdown_within(DRAIN_LIMIT).await;
    }
}
