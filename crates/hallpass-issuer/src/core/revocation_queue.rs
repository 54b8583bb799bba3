//! Revocations that are written together.
//!
//! A transaction of the store waits for the disk, whatever it writes. Those that come while one is under way share the next.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hallpass_token::Revocation;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Most that are written together.
const MAX_TOGETHER: usize = 256;
/// Most that wait; each of those beyond is written alone.
const MAX_WAITING: usize = 4_096;

/// Who waits, in the order in which they came.
#[derive(Debug)]
pub(super) struct RevocationQueue {
    waiting: Mutex<VecDeque<Waiting>>,
    turn: Semaphore,
}

/// An entry, and who wants to know that it is written. Dropped when it was not.
pub(super) type Waiting = (Revocation, Sender<()>);

impl RevocationQueue {
    pub(super) const fn new() -> Self {
        Self {
            waiting: Mutex::new(VecDeque::new()),
            turn: Semaphore::const_new(1),
        }
    }

    /// Puts `entry` at the end. What comes back is closed at once when there is no place.
    pub(super) fn put(&self, entry: Revocation) -> Receiver<()> {
        let (tell, told) = channel();
        let waiting = self.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.push_back((entry, tell));
        }
        told
    }

    /// One writes at a time.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turn.acquire().await.ok()
    }

    /// Those that waited longest.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let waiting = self.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(MAX_TOGETHER);
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{RevocationDigest, RevocationKind, UnixTime};
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    #[test]
    fn so_many_wait_in_their_order_and_the_others_are_told_at_once() {
        let queue = RevocationQueue::new();
        let put = |number: u64| {
            queue.put(Revocation {
                kind: RevocationKind::Token,
                digest: RevocationDigest::new(RevocationKind::Token, "a"),
                issued_before: None,
                ends_at: UnixTime::from_secs(number),
            })
        };
        let mut told: Vec<_> = (0..4_096).map(put).collect();
        assert_eq!(put(4_096).try_recv(), Err(TryRecvError::Closed));
        let (batch, mut rest) = (queue.take(), 0);
        let ends: Vec<_> = batch.iter().map(|(it, _)| it.ends_at.as_secs()).collect();
        assert_eq!(ends, (0..256).collect::<Vec<_>>());
        assert_eq!(told[255].try_recv(), Err(TryRecvError::Empty));
        drop(batch);
        assert_eq!(told[255].try_recv(), Err(TryRecvError::Closed));
        assert_eq!(told[256].try_recv(), Err(TryRecvError::Empty));
        while !queue.take().is_empty() {
            rest += 1;
        }
        assert_eq!(rest, 15);
    }
}
