//! Whether a peer reads what is written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

/// How long a peer may read nothing while the server stops: it must not decide how long that takes.
const DRAIN_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of the writes to one stream.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// The last one found no room.
    waits: AtomicBool,
    /// Those that did find room.
    done: AtomicU64,
}

impl Writes {
    pub(crate) fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_ready() {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        self.waits.store(written.is_pending(), Ordering::Relaxed);
        written
    }

    /// The count of writes at which the stream waits for its peer, if it does.
    fn waiting_at(&self) -> Option<u64> {
        let waits = self.waits.load(Ordering::Relaxed);
        waits.then(|| self.done.load(Ordering::Relaxed))
    }

    /// Whether something is written that the peer has not made room for.
    pub(crate) fn are_waiting(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Ready when the peer has read nothing for `limit`, or for a shorter time once `draining` is true.
    pub(crate) async fn without_progress(&self, limit: Duration, draining: watch::Receiver<bool>) {
        without_progress(|| self.waiting_at(), limit, draining).await;
    }
}

/// What is known of the data of all responses of a connection that speaks HTTP/2. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Data>);

#[derive(Debug, Default)]
struct Data {
    /// Parts that the service has given and that are not written.
    waiting: AtomicUsize,
    /// How often a part of one was written.
    moves: AtomicU64,
}

/// Data that may wait for the peer: none, or one part.
#[derive(Debug)]
pub(crate) struct Outstanding {
    pace: Pace,
    count: usize,
}

impl Pace {
    /// Data that is still to come.
    pub(crate) fn nothing(&self) -> Outstanding {
        Outstanding {
            pace: self.clone(),
            count: 0,
        }
    }

    /// Whether data waits for the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    fn waiting_at(&self) -> Option<u64> {
        self.is_waiting().then(|| self.moves())
    }

    /// How often a part of any of them was written, or began to wait.
    pub(crate) fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Relaxed)
    }

    /// Ready when the peer has taken nothing for `limit` while something waited, or for a shorter time once `draining` is true.
    pub(crate) async fn without_progress(&self, limit: Duration, draining: watch::Receiver<bool>) {
        without_progress(|| self.waiting_at(), limit, draining).await;
    }
}

impl Outstanding {
    /// One part, until it is dropped.
    pub(crate) fn one_more(&self) -> Self {
        self.pace.0.waiting.fetch_add(1, Ordering::Relaxed);
        // What begins to wait has not waited yet.
        self.moved();
        Self {
            pace: self.pace.clone(),
            count: 1,
        }
    }

    /// A part of it was written.
    pub(crate) fn moved(&self) {
        self.pace.0.moves.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.pace.0.waiting.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// Ready when `waiting_at` has given the same for `limit`, or for a shorter time once `draining` is true.
async fn without_progress(
    waiting_at: impl Fn() -> Option<u64>,
    limit: Duration,
    draining: watch::Receiver<bool>,
) {
    stands_still(waiting_at, |before, now| before == now, limit, draining).await;
}

/// Ready when something waits, and `is_stuck` says so of what `look` has given at the beginning and at the end of `limit`, or of a shorter time
/// once `draining` is true.
///
/// It looks once in that time, and not at each write: a busy connection pays for no timer.
pub(crate) async fn stands_still<T>(
    look: impl Fn() -> Option<T>,
    is_stuck: impl Fn(&T, &T) -> bool,
    limit: Duration,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let is_draining = *draining.borrow();
        let limit = if is_draining {
            limit.min(DRAIN_WRITE_TIMEOUT)
        } else {
            limit
        };
        let before = look();
        tokio::select! {
            () = tokio::time::sleep(limit) => {
                if let (Some(before), Some(now)) = (before, look())
                    && is_stuck(&before, &now)
                {
                    return;
                }
            }
            changed = draining.changed(), if !is_draining => {
                if changed.is_err() {
                    // The server is gone, and ends this connection.
                    return std::future::pending().await;
                }
            }
        }
    }
}
