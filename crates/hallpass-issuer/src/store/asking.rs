//! What a change wants when one of its commits gets no response: to hear of it, and to have it asked about for so long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

tokio::task_local! {
    static ASKING: Arc<Asking>;
}

/// Of one change.
#[derive(Debug)]
pub(crate) struct Asking {
    begun: Notify,
    at_most: Duration,
}

impl Asking {
    /// The outcome is asked about for at most so long.
    pub(crate) fn for_at_most(at_most: Duration) -> Arc<Self> {
        Arc::new(Self {
            begun: Notify::new(),
            at_most,
        })
    }

    /// Does `work`, all of it in the task that waits for this.
    pub(crate) async fn of<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        ASKING.scope(Arc::clone(self), work).await
    }

    /// Waits until a commit of the work is asked about.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }
}

/// Tells who wants to hear it that it is asked, and gives for how long: for as long as is `usual` where nobody says.
pub(super) fn begin(usual: Duration) -> Duration {
    let wanted = ASKING.try_with(|asking| {
        asking.begun.notify_one();
        asking.at_most
    });
    wanted.unwrap_or(usual)
}
