//! A service that runs until it is stopped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hallpass::listen::{HttpServer, RunningServer};

/// How long [`Running::stop`] waits for what is under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A service that listens on its address, until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    server: RunningServer,
}

impl Running {
    /// Serves `router` by `server`, over TLS if that was made from settings that say so.
    pub fn start(server: HttpServer, router: Router) -> io::Result<Self> {
        let server = server.serve(move |_peer| router.clone())?;
        Ok(Self { server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Finishes what is under way, then refuses connections.
    pub async fn stop(self) {
        self.server.shutdown_within(DRAIN_LIMIT).await;
    }
}
