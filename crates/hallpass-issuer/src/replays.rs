//! What the instances of one issuer share of the messages that were shown to them and count once.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{ReplayName, Seen, UnixTime};
use hallpass_upstream::{
    MemoryReplays, ReplayKind, ReplayMessage, ReplayMetrics, ReplaySharing, ReplayStore,
    SharedReplays, StoreAway,
};
use prometheus_client::registry::Registry;

use crate::http::public_urls::PublicUrls;
use crate::settings::dpop::DpopSettings;

/// A message that counts once and was new to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// What it is called among those of this issuer.
    pub(crate) name: ReplayName,
    /// Nobody takes it after this moment.
    pub(crate) until: UnixTime,
}

impl Used {
    /// Whether this process knows it; it does from now on.
    pub(crate) fn see(self, memory: &MemoryReplays, owner: &str, now: UnixTime) -> Seen {
        memory.see(&ReplayMessage {
            owner,
            name: self.name,
            until: self.until,
            now,
        })
    }
}

/// What the instances share. A process that starts again finds there what it knew before.
#[derive(Debug)]
pub(crate) struct Replays {
    /// The name of the issuer, which its instances have in common.
    issuer: Box<str>,
    shared: SharedReplays,
    sharing: ReplaySharing,
    metrics: ReplayMetrics,
    clock: Arc<dyn Clock>,
}

impl Replays {
    pub(crate) fn new(
        urls: &PublicUrls,
        settings: &DpopSettings,
        store: Option<Arc<dyn ReplayStore>>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let metrics = ReplayMetrics::default();
        Self {
            issuer: urls.issuer.as_str().into(),
            shared: SharedReplays::new(store, metrics.clone()),
            sharing: settings.sharing,
            metrics,
            clock: Arc::clone(clock),
        }
    }

    /// What this process remembers by itself, of messages that count for `longest_life` at most.
    pub(crate) fn memory(&self, capacity: usize, longest_life: Duration) -> MemoryReplays {
        MemoryReplays::new(capacity).following(Arc::clone(&self.clock), longest_life)
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let metrics = ReplayMetrics::default();
        Self {
            issuer: "test".into(),
            shared: SharedReplays::new(None, metrics.clone()),
            sharing: ReplaySharing::OrRefuse,
            metrics,
            clock: Arc::new(hallpass_clock::SystemClock::new()),
        }
    }

    /// Under the full names: `registry` has no prefix.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Whether a message that is new to this process is new to the other instances, too. It waits 30 ms at most.
    ///
    /// # Errors
    /// [`StoreAway`] where that cannot be known and the settings say that it must not count then.
    pub(crate) async fn is_first(
        &self,
        kind: ReplayKind,
        owner: &str,
        used: Used,
        now: UnixTime,
    ) -> Result<bool, StoreAway> {
        let message = ReplayMessage {
            owner,
            name: ReplayName::of(&[b"issuer", self.issuer.as_bytes(), used.name.as_bytes()]),
            until: used.until,
            now,
        };
        self.shared.is_first(kind, message, self.sharing).await
    }
}
