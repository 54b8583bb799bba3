//! The keys that are here, for who does not wait for others.

use std::sync::Arc;
use std::time::Duration;

use super::flight::FetchReason;
use super::{KeySnapshot, KeySource};

impl KeySource {
    /// The keys if they are fresh; otherwise (or when they should be renewed soon) [`KeySource::keys_for`] has work.
    pub(crate) fn fresh(&self) -> Option<Arc<KeySnapshot>> {
        self.fresh_at(self.shared.clock.monotonic())
    }

    /// The same, for who has just looked at the clock.
    pub(crate) fn fresh_at(&self, now: Duration) -> Option<Arc<KeySnapshot>> {
        let snapshot = self.shared.current.load();
        let snapshot = snapshot.as_ref()?;
        (now < snapshot.freshness.renew_at).then(|| Arc::clone(snapshot))
    }

    /// The keys that are here, whatever their age; where they should be renewed soon, that begins. Outside tokio nothing begins.
    pub(crate) fn here(&self) -> Option<Arc<KeySnapshot>> {
        let snapshot = self.shared.current.load_full()?;
        if self.shared.clock.monotonic() >= snapshot.freshness.renew_at {
            drop(self.begin(FetchReason::Renewal));
        }
        Some(snapshot)
    }
}
