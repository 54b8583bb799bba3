//! What those who administer a running issuer need of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::Guard;

use crate::core::Core;
use crate::keys::record::KeyState;

impl Core {
    /// Lets count what this process has just written into the store: the version of the store tells of other writers only. Where it cannot be
    /// read now, the next look at the store takes it, as if a key were due.
    pub(crate) async fn take_own_change(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "a change is stored and does not count yet: the next look at the store takes it");
            self.next_moment.store(0, Ordering::Relaxed);
        }
    }

    /// The names of the keys, and the state of each.
    pub(crate) fn key_states(&self) -> Guard<Arc<Vec<(String, KeyState)>>> {
        self.key_states.load()
    }
}
