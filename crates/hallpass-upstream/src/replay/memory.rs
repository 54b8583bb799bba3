//! What was shown to this process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_clock::Clock;
use hallpass_token::{ReplayMemory, Seen};

use super::even_time::EvenTime;
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
    seen: Mutex<Remembered>,
    clock: Option<Arc<dyn Clock>>,
}

struct Remembered {
    messages: ReplayMemory,
    time: EvenTime,
}

impl MemoryReplays {
    /// For at most `capacity` messages; who has shown nothing always finds room ([`ReplayMemory`]). Some 40 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let remembered = Remembered {
            // They are grouped by their end, so none lives on after it.
            messages: ReplayMemory::new(capacity, Duration::ZERO),
            time: EvenTime::new(Duration::ZERO),
        };
        Self {
            seen: Mutex::new(remembered),
            clock: None,
        }
    }

    /// Holds the time of its messages, which count for `longest_life` at most, against `clock`: while that is ahead, and may yet be set
    /// back, nothing is forgotten by it. Without this a clock that leaps ahead for a moment makes all that was shown count once more.
    #[must_use]
    pub fn following(mut self, clock: Arc<dyn Clock>, longest_life: Duration) -> Self {
        self.seen().time = EvenTime::new(longest_life);
        self.clock = Some(clock);
        self
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
        let mut seen = self.seen();
        let forget_at = match &self.clock {
            Some(clock) => seen.time.at(*now, clock.monotonic()),
            None => *now,
        };
        seen.messages.see(owner, name, *until, forget_at)
    }

    /// How many messages are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen().messages.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen().messages.is_empty()
    }

    fn seen(&self) -> MutexGuard<'_, Remembered> {
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_token::{ReplayName, UnixTime};

    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn a_clock_that_leaps_ahead_for_a_moment_makes_nothing_count_again() {
        let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Arc::new(ManualClock::at(start));
        let memory = MemoryReplays::new(1_000).following(clock.clone(), LIFE);
        let see = |name: &[u8]| {
            let now = UnixTime::from(clock.now());
            memory.see(&ReplayMessage {
                owner: "order-service",
                name: ReplayName::of(&[name]),
                until: now.saturating_add(LIFE),
                now,
            })
        };
        assert_eq!(see(b"shown"), Seen::First);
        clock.set(start + Duration::from_secs(3_600));
        assert_eq!(see(b"by a clock that is ahead"), Seen::First);
        clock.set(start + Duration::from_secs(1));
        assert_eq!(see(b"shown"), Seen::Again);
        // Backwards as well.
        clock.set(start - Duration::from_secs(30));
        assert_eq!(see(b"shown"), Seen::Again);
        // One that stays ahead is believed in the end, so that nothing piles up.
        clock.set(start + Duration::from_secs(7_200));
        for number in 0_u32..100 {
            clock.advance_seconds(10);
            let _new = see(&number.to_be_bytes());
        }
        assert!(memory.len() < 20, "{}", memory.len());
    }
}
