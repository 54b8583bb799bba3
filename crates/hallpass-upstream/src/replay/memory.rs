//! What was shown to this process.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_token::{ReplayMemory, Seen};

use super::store::{ReplayMessage, ReplayStore, ReplayStoreError};

/// The messages that were shown to this process, as long as they count. Bounded; nothing that still counts is forgotten for room.
///
/// ```
/// use hallpass_token::{ReplayName, Seen, UnixTime};
/// use hallpass_upstream::{MemoryReplays, ReplayMessage};
///
/// let now = UnixTime::from_secs(1_700_000_000);
/// let message = ReplayMessage {
///     owner: "order-service",
///     name: ReplayName::of(&[b"assertion", b"order-service", b"jti"]),
///     until: UnixTime::from_secs(1_700_000_060),
///     now,
/// };
/// let memory = MemoryReplays::new(1_000);
/// assert_eq!(memory.see(&message), Seen::First);
/// assert_eq!(memory.see(&message), Seen::Again);
/// ```
pub struct MemoryReplays {
    /// Locked for a look-up, never across an await.
    seen: Mutex<ReplayMemory>,
}

impl MemoryReplays {
    /// For at most `capacity` messages; who has shown nothing always finds room ([`ReplayMemory`]). Some 40 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        // They are grouped by their end, so none lives on after it.
        Self {
            seen: Mutex::new(ReplayMemory::new(capacity, Duration::ZERO)),
        }
    }

    /// Whether the message was shown here before; from now on it was. Two threads that ask at once are told apart.
    #[must_use]
    pub fn see(&self, message: &ReplayMessage<'_>) -> Seen {
        let ReplayMessage {
            owner,
            name,
            until,
            now,
        } = message;
        self.seen().see(owner, name, *until, *now)
    }

    /// How many messages are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen().is_empty()
    }

    fn seen(&self) -> MutexGuard<'_, ReplayMemory> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayStore for MemoryReplays {
    fn is_first<'a>(
        &'a self,
        message: ReplayMessage<'a>,
    ) -> BoxFuture<'a, Result<bool, ReplayStoreError>> {
        Box::pin(async move {
            match self.see(&message) {
                Seen::First => Ok(true),
                Seen::Again => Ok(false),
                Seen::Full => Err(ReplayStoreError::new(Full)),
            }
        })
    }
}

/// There is no room for a message.
#[derive(Debug, thiserror::Error)]
#[error("this owner has as many messages remembered as it may have")]
struct Full;

impl fmt::Debug for MemoryReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplays")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
