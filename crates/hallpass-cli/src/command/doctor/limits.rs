//! For how long things are waited for.

use std::time::Duration;

/// What must wait for what before it, at most: documents, then configuration, then the way to the issuer, then a token; and one step to spare.
const STEPS: u32 = 5;

/// How long everything may take together, and each step of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) total: Duration,
    pub(super) step: Duration,
}

impl Limits {
    pub(super) fn new(total: Duration) -> Self {
        Self {
            total,
            step: total / STEPS,
        }
    }

    /// For what is waited for within a step: it ends first, and says better what was wrong.
    pub(super) fn inner(&self) -> Duration {
        self.step.mul_f64(0.75)
    }

    /// The output of `future`, or none where it takes longer than a step.
    pub(super) async fn within<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::time::timeout(self.step, future).await.ok()
    }

    /// What `work` gives, on a thread of its own: a disk may have stalled.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let work = tokio::task::spawn_blocking(work);
        self.within(work).await?.ok()
    }
}

/// As people say it.
pub(super) fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..10_000 if millis % 1_000 != 0 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} s", duration.as_secs()),
    }
}
