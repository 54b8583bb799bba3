//! How many calls may be under way to one instance, or to a whole service, so that a slow one does not take every task and
//! connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many calls may be under way to one instance or service, and how long a further one waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadSettings {
    /// Calls under way at once; default 256, at least 1.
    pub max_concurrent: usize,
    /// Wait of a call beyond these; default 100 ms. The call's own deadline holds as well.
    pub max_wait: Duration,
}

impl BulkheadSettings {
    /// Other limits than the defaults.
    #[must_use]
    pub const fn new(max_concurrent: usize, max_wait: Duration) -> Self {
        Self {
            max_concurrent,
            max_wait,
        }
    }

    /// The same, where calls share a connection of HTTP/2: 100 in place of the default of 256. So many requests at once a server takes at
    /// least (RFC 9113 section 6.5.2), and most take no more; a further one would wait unseen, on the connection, as if its instance were
    /// slow. What was set stays.
    #[must_use]
    pub const fn on_shared_connections(mut self) -> Self {
        if self.max_concurrent == DEFAULT_CONCURRENT {
            self.max_concurrent = SHARED_CONCURRENT;
        }
        self
    }
}

const DEFAULT_CONCURRENT: usize = 256;
const SHARED_CONCURRENT: usize = 100;

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self::new(DEFAULT_CONCURRENT, Duration::from_millis(100))
    }
}

/// The places of one instance or service.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    places: Arc<Semaphore>,
    count: usize,
    max_wait: Duration,
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// No place became free in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Bulkhead {
    pub(crate) fn new(settings: BulkheadSettings) -> Self {
        let count = settings.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(count)),
            count,
            max_wait: settings.max_wait,
        }
    }

    /// Places that are taken.
    pub(crate) fn in_use(&self) -> usize {
        self.count.saturating_sub(self.places.available_permits())
    }

    /// Whether a call would get a place now.
    pub(crate) fn has_room(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Takes a place, and waits for one when there is none. Calls that wait are served in order.
    pub(crate) async fn enter(&self) -> Result<Place, Full> {
        // The usual case asks for no timer.
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let waiting = timeout(self.max_wait, Arc::clone(&self.places).acquire_owned());
                waiting.await.map_err(|_| Full)?.map_err(|_| Full)?
            }
        };
        Ok(Place { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Bulkhead, BulkheadSettings, Full};

    const WAIT: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn a_call_beyond_the_limit_waits_and_then_gives_up() {
        let bulkhead = Bulkhead::new(BulkheadSettings::new(2, WAIT));
        let _first = bulkhead.enter().await.unwrap();
        let _second = bulkhead.enter().await.unwrap();
        let asked = Instant::now();
        assert_eq!(bulkhead.enter().await.unwrap_err(), Full);
        assert_eq!(asked.elapsed(), WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_goes_to_the_one_who_waits() {
        let bulkhead = Bulkhead::new(BulkheadSettings::new(1, WAIT));
        let first = bulkhead.enter().await.unwrap();
        let (second, ()) = tokio::join!(bulkhead.enter(), async {
            tokio::time::sleep(WAIT / 2).await;
            drop(first);
        });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_while_it_waits_takes_no_place() {
        let bulkhead = Bulkhead::new(BulkheadSettings::new(1, WAIT));
        let first = bulkhead.enter().await.unwrap();
        assert!(
            tokio::time::timeout(WAIT / 2, bulkhead.enter())
                .await
                .is_err()
        );
        drop(first);
        assert!(bulkhead.enter().await.is_ok());
    }
}
