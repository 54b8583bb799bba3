//! A service that runs until it is stopped.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A service that listens on its address. When this is dropped, the service goes on until its runtime ends.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Serves `router` on `listener`.
    pub fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            // A sender that is dropped stops nothing.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Ok(Self {
            address,
            stop,
            serving: tokio::spawn(serving.into_future()),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes what is under way, then refuses connections.
    pub async fn stop(self) {
        // An error means that it has ended already.
        let _ended = self.stop.send(());
        let _result = self.serving.await;
    }
}
