//! For how long a request waits for the store.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// All that one request waits: those who call have little more patience themselves, and are told when to come again.
const WHOLE: Duration = Duration::from_secs(2);
/// What a token waits that can go out without the store.
const LITTLE: Duration = Duration::from_secs(1);

/// What is left of it. Each step of a request takes from the same.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
}

impl Patience {
    /// Of a request that needs the store.
    pub(crate) const fn whole() -> Self {
        Self { left: WHOLE }
    }

    /// Of one that can do without it.
    pub(crate) const fn little() -> Self {
        Self { left: LITTLE }
    }

    /// What `work` gives, or nothing: then it was dropped where it stood.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let done = timeout(self.left, work).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        done.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_steps_of_a_request_take_from_the_same() {
        let mut patience = Patience::whole();
        let step = |millis| tokio::time::sleep(Duration::from_millis(millis));
        assert!(patience.wait(step(1_500)).await.is_some());
        // What is not a wait for the store costs none of it.
        step(60_000).await;
        assert!(patience.wait(step(400)).await.is_some());
        let begun = Instant::now();
        assert!(patience.wait(step(60_000)).await.is_none());
        assert!(begun.elapsed() <= Duration::from_millis(101));
    }
}
