//! The begin of a stop, as a connection sees it.

use std::time::Duration;

use tokio::sync::watch;

/// How long a stop waits before it closes connections on which nothing was read: a request may have come and be unread.
const UNREAD: Duration = Duration::from_millis(50);

/// Ready when the server stops, and what had come before is read.
pub(crate) async fn has_come(mut draining: watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        // The server is gone, and ends this connection.
        return std::future::pending().await;
    }
    tokio::time::sleep(UNREAD).await;
}
