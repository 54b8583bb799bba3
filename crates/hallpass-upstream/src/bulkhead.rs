//! How many calls may be under way to one instance, or to a whole service, so that a slow one does not take every task and
//! connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
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

pub(crate) const DEFAULT_CONCURRENT: usize = 256;
const SHARED_CONCURRENT: usize = 100;

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self::new(DEFAULT_CONCURRENT, Duration::from_millis(100))
    }
}

/// The places of one instance or service.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    places: Semaphore,
    count: usize,
    max_wait: Duration,
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Bulkhead>);

/// No place became free in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Bulkhead {
    pub(crate) fn new(settings: BulkheadSettings) -> Self {
        let count = settings.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Semaphore::new(count),
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

    /// Takes a place, and waits for one when there is none: whether that was so. Calls that wait are served in order. Whoever has it
    /// [gives it back](Self::leave).
    pub(crate) async fn enter(&self) -> Result<bool, Full> {
        // The usual case asks for no timer.
        let (permit, has_waited) = match self.places.try_acquire() {
            Ok(permit) => (permit, false),
            Err(_) => {
                let waiting = timeout(self.max_wait, self.places.acquire());
                (waiting.await.map_err(|_| Full)?.map_err(|_| Full)?, true)
            }
        };
        permit.forget();
        Ok(has_waited)
    }

    /// Gives back one place that was taken.
    pub(crate) fn leave(&self) {
        self.places.add_permits(1);
    }
}

impl Place {
    /// As [`Bulkhead::enter`], until it is dropped.
    pub(crate) async fn of(bulkhead: &Arc<Bulkhead>) -> Result<Self, Full> {
        bulkhead.enter().await?;
        Ok(Self(Arc::clone(bulkhead)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Arc, Bulkhead, BulkheadSettings, Full, Place};

    const WAIT: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn a_call_beyond_the_limit_waits_and_then_gives_up() {
        let bulkhead = Arc::new(Bulkhead::new(BulkheadSettings::new(2, WAIT)));
        let _first = Place::of(&bulkhead).await.unwrap();
        let _second = Place::of(&bulkhead).await.unwrap();
        let asked = Instant::now();
        assert_eq!(Place::of(&bulkhead).await.unwrap_err(), Full);
        assert_eq!(asked.elapsed(), WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_goes_to_the_one_who_waits() {
        let bulkhead = Arc::new(Bulkhead::new(BulkheadSettings::new(1, WAIT)));
        let first = Place::of(&bulkhead).await.unwrap();
        let (second, ()) = tokio::join!(Place::of(&bulkhead), async {
            tokio::time::sleep(WAIT / 2).await;
            drop(first);
        });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_while_it_waits_takes_no_place() {
        let bulkhead = Arc::new(Bulkhead::new(BulkheadSettings::new(1, WAIT)));
        let first = Place::of(&bulkhead).await.unwrap();
        assert!(
            tokio::time::timeout(WAIT / 2, Place::of(&bulkhead))
                .await
                .is_err()
        );
        drop(first);
        assert!(Place::of(&bulkhead).await.is_ok());
    }
}
