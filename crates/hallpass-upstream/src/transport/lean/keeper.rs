//! Looks after connections that nobody uses: closes those that have been unused for too long, and those that the server has closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Before each look, whatever happens: in use, connections call all the time, most often for nothing that matters here, and come and go.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// What is looked after.
pub(super) trait Kept: Send + Sync + 'static {
    /// Closes what is to be closed, and says when to look again; `None` while there is nothing.
    fn sweep(&self) -> Option<Duration>;

    /// Whether there is anything.
    fn is_empty(&self) -> bool;
}

/// How unused connections call for the task that looks after them.
///
/// The order of all accesses to `is_heard` and to what [`Kept::is_empty`] looks at is one for all threads: either the task that is about to leave
/// sees what was put there, or whoever put it there sees that the task has left.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Notify,
    /// Whether the task is there.
    is_heard: AtomicBool,
}

impl Bell {
    /// Has somebody look after `kept` for as long as there is anything. `false` where that is not possible: outside of a runtime.
    pub(super) fn watch_over<K: Kept>(self: &Arc<Self>, kept: &Arc<K>) -> bool {
        if self.is_heard.load(Ordering::SeqCst) {
            return true;
        }
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        if self.claims() {
            // The runtime may end before `kept` does: then the next one takes over.
            let presence = Presence(Some(Arc::clone(self)));
            runtime.spawn(keep(Arc::downgrade(kept), presence));
        }
        true
    }

    /// Whether the task is not there and whoever asks is the one who sees to it.
    fn claims(&self) -> bool {
        !self.is_heard.swap(true, Ordering::SeqCst)
    }

    /// Something has happened to one of them, or they are gone.
    pub(super) fn ring(&self) {
        self.rung.notify_one();
    }
}

/// The task is there for as long as this is.
struct Presence(Option<Arc<Bell>>);

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(bell) = &self.0 {
            bell.is_heard.store(false, Ordering::SeqCst);
        }
    }
}

async fn keep<K: Kept>(kept: Weak<K>, mut presence: Presence) {
    while let Some(bell) = presence.0.clone() {
        sleep(SHORTEST_WAIT).await;
        let Some(wait) = look(&kept, &bell) else {
            // Another one may be there already.
            presence.0 = None;
            return;
        };
        // Both ends of it say the same.
        let _early = timeout(wait.saturating_sub(SHORTEST_WAIT), bell.rung.notified()).await;
    }
}

/// When to look again; `None`: the task is not needed.
fn look<K: Kept>(kept: &Weak<K>, bell: &Bell) -> Option<Duration> {
    let kept = kept.upgrade()?;
    loop {
        if let Some(wait) = kept.sweep() {
            return Some(wait);
        }
        bell.is_heard.store(false, Ordering::SeqCst);
        if kept.is_empty() || !bell.claims() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests;
