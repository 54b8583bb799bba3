//! What the processes share of the messages that were shown to them, and what happens while it is away.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::store::{ReplayMessage, ReplayStore};
use crate::reminders::Reminders;

/// Whether a message that is new to this process is looked for in what the processes share, and what becomes of it while that
/// cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplaySharing {
    /// It is not looked for: each process takes a message once.
    Off,
    /// While nobody can be asked, the memory of this process counts alone: then each process takes a message once.
    #[default]
    OrOwnMemory,
    /// While nobody can be asked, nothing is taken.
    OrRefuse,
}

impl ReplaySharing {
    /// As two settings have it.
    #[must_use]
    pub const fn of(is_shared: bool, refuses: bool) -> Self {
        match (is_shared, refuses) {
            (false, _) => Self::Off,
            (true, false) => Self::OrOwnMemory,
            (true, true) => Self::OrRefuse,
        }
    }
}

/// What kind of message, for metrics and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayKind {
    /// A proof of possession (RFC 9449).
    Proof,
    /// What a client has signed, or had signed (RFC 7523).
    Assertion,
}

impl ReplayKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Assertion => "assertion",
        }
    }
}

/// Nobody could say whether a message was shown to another process, and it must not count then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreAway;

/// What the processes share of the messages that were shown to them; without a store each has its own memory alone. Ask
/// [`MemoryReplays`](crate::MemoryReplays) first: it knows those of this process, and keeps one owner from filling what is shared.
#[derive(Debug, Default)]
pub struct SharedReplays {
    store: Option<Arc<dyn ReplayStore>>,
    metrics: ReplayMetrics,
    said: Reminders,
}

impl SharedReplays {
    /// Over this store, counted in `metrics`.
    #[must_use]
    pub fn new(store: Option<Arc<dyn ReplayStore>>, metrics: ReplayMetrics) -> Self {
        Self {
            store,
            metrics,
            said: Reminders::default(),
        }
    }

    /// Whether there is anything that the processes share.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// Whether a message that is new to this process is new to all others too; from now on it is to nobody.
    ///
    /// # Errors
    /// [`StoreAway`] where that could not be known, and `sharing` says that it must not count then.
    pub async fn is_first(
        &self,
        kind: ReplayKind,
        message: ReplayMessage<'_>,
        sharing: ReplaySharing,
    ) -> Result<bool, StoreAway> {
        let Some(store) = self
            .store
            .as_ref()
            .filter(|_| sharing != ReplaySharing::Off)
        else {
            return Ok(true);
        };
        let answer = store.is_first(message).await;
        let refuses = sharing == ReplaySharing::OrRefuse;
        let result = match &answer {
            Ok(true) => "first",
            Ok(false) => "again",
            Err(_) if refuses => "refused",
            Err(_) => "unchecked",
        };
        self.metrics.asked(kind, result);
        match answer {
            Ok(is_first) => {
                if !self.metrics.is_available() {
                    self.said.over();
                    tracing::info!(
                        "messages that count once are looked for in what the processes share again"
                    );
                }
                self.metrics.set_available(true);
                Ok(is_first)
            }
            Err(error) => {
                self.metrics.set_available(false);
                self.say_away(kind, &error, refuses);
                if refuses { Err(StoreAway) } else { Ok(true) }
            }
        }
    }

    fn say_away(&self, kind: ReplayKind, error: &dyn std::error::Error, refuses: bool) {
        let kind = kind.name();
        match (self.said.is_due(kind), refuses) {
            (false, _) => {
                tracing::debug!(kind, %error, "what the processes share of shown messages is away");
            }
            (true, true) => tracing::error!(
                kind,
                %error,
                "what the processes share of shown messages is away: calls with one are refused until it is back"
            ),
            (true, false) => tracing::error!(
                kind,
                %error,
                "what the processes share of shown messages is away: until it is back, each process takes a message once, so \
                 that one may count as often as there are processes"
            ),
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AskedLabels {
    kind: &'static str,
    result: &'static str,
}

/// How often the store was asked, and what it said. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct ReplayMetrics {
    messages: Family<AskedLabels, Counter>,
    available: Gauge,
}

impl Default for ReplayMetrics {
    fn default() -> Self {
        let available = Gauge::default();
        available.set(1);
        Self {
            messages: Family::default(),
            available,
        }
    }
}

impl ReplayMetrics {
    /// Adds them to `registry`, which should have no prefix: the names begin with `hallpass_replay_store_`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_replay_store_messages",
            "Messages that count once and were new to this process, by what the store said that processes share",
            self.messages.clone(),
        );
        registry.register(
            "hallpass_replay_store_available",
            "Whether the store that processes share responded when it was asked last",
            self.available.clone(),
        );
    }

    fn asked(&self, kind: ReplayKind, result: &'static str) {
        let kind = kind.name();
        let labels = AskedLabels { kind, result };
        self.messages.get_or_create(&labels).inc();
    }

    fn set_available(&self, is: bool) {
        self.available.set(i64::from(is));
    }

    fn is_available(&self) -> bool {
        self.available.get() == 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_core::future::BoxFuture;
    use hallpass_token::{ReplayName, UnixTime};

    use super::*;
    use crate::replay::{CLOCKS_DIFFER_BY, MemoryReplays, ReplayStoreError};

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn message(number: u32) -> ReplayMessage<'static> {
        ReplayMessage {
            owner: "order-service",
            name: ReplayName::of(&[b"proof", &number.to_be_bytes()]),
            until: NOW.saturating_add(Duration::from_secs(60)),
            now: NOW,
        }
    }

    #[derive(Debug)]
    struct Away;

    impl ReplayStore for Away {
        fn is_first<'a>(
            &'a self,
            _message: ReplayMessage<'a>,
        ) -> BoxFuture<'a, Result<bool, ReplayStoreError>> {
            Box::pin(async { Err(ReplayStoreError::new(std::fmt::Error)) })
        }
    }

    fn over(store: Option<Arc<dyn ReplayStore>>) -> SharedReplays {
        SharedReplays::new(store, ReplayMetrics::default())
    }

    #[tokio::test]
    async fn a_message_is_new_to_one_of_all_who_share_a_store() {
        let store: Arc<dyn ReplayStore> = Arc::new(MemoryReplays::new(100));
        let (one, other) = (over(Some(Arc::clone(&store))), over(Some(store)));
        let sharing = ReplaySharing::OrRefuse;
        let ask = async |it: &SharedReplays, number| {
            it.is_first(ReplayKind::Proof, message(number), sharing)
                .await
        };
        assert_eq!(ask(&one, 1).await, Ok(true));
        assert_eq!(ask(&other, 1).await, Ok(false));
        assert_eq!(ask(&other, 2).await, Ok(true));
        let off = other.is_first(ReplayKind::Proof, message(1), ReplaySharing::Off);
        assert_eq!(off.await, Ok(true), "nobody was asked");
    }

    #[tokio::test]
    async fn while_the_store_is_away_the_setting_decides_and_a_metric_says_so() {
        let shared = over(Some(Arc::new(Away)));
        let ask = |sharing| shared.is_first(ReplayKind::Assertion, message(1), sharing);
        assert_eq!(ask(ReplaySharing::OrOwnMemory).await, Ok(true));
        assert_eq!(ask(ReplaySharing::OrRefuse).await, Err(StoreAway));
        let mut registry = Registry::default();
        shared.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"replay_store_messages_total{kind="assertion",result="unchecked"} 1"#,
            r#"replay_store_messages_total{kind="assertion",result="refused"} 1"#,
            "replay_store_available 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[tokio::test]
    async fn without_a_store_each_process_has_its_own_memory() {
        let shared = over(None);
        assert!(!shared.has_store());
        let ask = || shared.is_first(ReplayKind::Proof, message(1), ReplaySharing::OrRefuse);
        assert_eq!(ask().await, Ok(true));
        assert_eq!(ask().await, Ok(true));
    }

    #[test]
    fn what_is_shared_is_kept_until_it_counts_by_no_clock() {
        let message = message(1);
        assert_eq!(
            message.keep_for(),
            Duration::from_secs(60) + CLOCKS_DIFFER_BY
        );
        let late = ReplayMessage {
            now: NOW.saturating_add(Duration::from_secs(600)),
            ..message
        };
        assert_eq!(late.keep_for(), CLOCKS_DIFFER_BY);
    }
}
