//! Who looks whether the only instance of a service has started: few, however many requests wait for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// So often at most. A process that starts has other things to do than to refuse thousands of connections.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What requests that wait for one instance know of each other. Relaxed: a look too many, or a pause too long, is all that may come of it.
#[derive(Debug)]
pub(crate) struct Looks {
    began: Instant,
    /// Whether the last look has found nobody.
    is_away: AtomicBool,
    /// When that was, in microseconds since `began`.
    looked_at: AtomicU64,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            is_away: AtomicBool::new(false),
            looked_at: AtomicU64::new(0),
        }
    }
}

impl Looks {
    /// Whether a request that has waited looks now; if not, another one has just been refused.
    pub(crate) fn may_look(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let before = self.looked_at.load(Ordering::Relaxed);
        let every = u64::try_from(LOOK_EVERY.as_micros()).unwrap_or(u64::MAX);
        if self.is_away.load(Ordering::Relaxed) && now.saturating_sub(before) < every {
            return false;
        }
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = self
            .looked_at
            .compare_exchange(before, now, order.0, order.1);
        taken.is_ok() || !self.is_away.load(Ordering::Relaxed)
    }

    /// A look has found the instance, or nobody.
    pub(crate) fn found(&self, is_there: bool) {
        self.is_away.store(!is_there, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn while_nobody_is_there_few_look_and_then_all_go() {
        let looks = Looks::default();
        tokio::time::advance(LOOK_EVERY).await;
        looks.found(false);
        let mut looked = 0;
        for _ in 0..10 {
            tokio::time::advance(LOOK_EVERY).await;
            looked += (0..1_000).filter(|_| looks.may_look()).count();
        }
        assert_eq!(looked, 10);
        looks.found(true);
        assert!((0..1_000).all(|_| looks.may_look()));
    }
}
