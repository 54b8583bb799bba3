//! How many connections several listeners of a process hold together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::descriptors;

/// Of what a process may have open, what monitoring may take: a sixteenth.
const MONITORING_PART: usize = 16;

/// Places for connections. Listeners with clones of one share them.
///
/// What the system lets a process have open (`ulimit -n`) is one for all its listeners. By default each keeps to three quarters of
/// it by itself, so two of them could take all, and nothing could be read or asked any more.
///
/// ```
/// use hallpass_listen::{ConnectionPlaces, HttpServer};
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let places = ConnectionPlaces::new(4_096);
/// let http = HttpServer::new(TcpListener::bind("127.0.0.1:0").await?).places(places.clone());
/// let grpc = HttpServer::new(TcpListener::bind("127.0.0.1:0").await?).places(places);
/// # let _ = (http, grpc);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionPlaces {
    count: usize,
    places: Arc<Semaphore>,
}

impl ConnectionPlaces {
    /// `connections` of them, and never more than three quarters of what this process may have open; fewer are said in the log.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let in_reach = descriptors::connections_in_reach();
        if in_reach < connections {
            tracing::warn!(
                connections = in_reach,
                "fewer connections than configured are served: this process may not open more; raise its limit (`ulimit -n`, `LimitNOFILE`)"
            );
        }
        Self::of(connections.min(in_reach))
    }

    /// For health and metrics, beside listeners that may take three quarters: `connections`, and at most a sixteenth of what this process may
    /// have open.
    #[must_use]
    pub fn for_monitoring(connections: usize) -> Self {
        let most = descriptors::in_reach() / MONITORING_PART;
        Self::of(connections.min(most.max(1)))
    }

    fn of(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            count,
            places: Arc::new(Semaphore::new(count)),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether there is none left.
    pub(crate) fn are_taken(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// One of them, until it is dropped; `None` when all are taken.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_what_is_given_back_is_there_again() {
        let places = ConnectionPlaces::new(2);
        let other = places.clone();
        let held = (places.take(), other.take());
        assert!(held.0.is_some() && held.1.is_some());
        assert!(places.take().is_none() && other.take().is_none());
        drop(held.0);
        assert!(other.take().is_some());
    }

    #[test]
    fn monitoring_never_has_none() {
        assert_eq!(ConnectionPlaces::for_monitoring(1).count(), 1);
        assert_eq!(ConnectionPlaces::new(7).count(), 7);
    }
}
