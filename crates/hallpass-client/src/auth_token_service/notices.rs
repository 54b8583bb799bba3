//! Following what other processes say of evicted tokens.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_core::stream::BoxStream;
use hallpass_clock::Clock;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::entries::Entries;
use super::entry::Heeded;
use super::tiers::Tiers;
use super::tiers::metrics::{CacheMetrics, NoticeResult};
use crate::internal_token_cache::eviction_notice::{EvictionNotice, TierEvent};
use crate::internal_token_cache::{InternalTokenCache, TokenKey};

/// First wait before a tier whose notices have ended is asked for them again; twice as long each time that none came.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Follows the notices of each tier in a task of its own, from the first token request on. The tasks end with this.
#[derive(Debug)]
pub(crate) struct Notices {
    told: Arc<Told>,
    /// One a tier.
    following: Mutex<Vec<Following>>,
}

/// What a notice is applied to.
#[derive(Debug)]
struct Told {
    entries: Arc<Entries>,
    clock: Arc<dyn Clock>,
    metrics: CacheMetrics,
}

#[derive(Debug)]
enum Following {
    /// The tier announces nothing.
    Nothing,
    By(AbortHandle),
}

impl Notices {
    pub(crate) fn new(entries: Arc<Entries>, clock: Arc<dyn Clock>, metrics: CacheMetrics) -> Self {
        let told = Told {
            entries,
            clock,
            metrics,
        };
        Self {
            told: Arc::new(told),
            following: Mutex::default(),
        }
    }

    /// Follows each tier that is not followed yet, or no more because the runtime has ended that did.
    pub(crate) fn follow(&self, tiers: &Tiers, runtime: &Handle) {
        if tiers.is_empty() {
            return;
        }
        let following = self.following.lock();
        let mut following = following.unwrap_or_else(PoisonError::into_inner);
        for (number, cache) in tiers.caches().enumerate() {
            match following.get_mut(number) {
                None => following.push(self.start(cache, runtime)),
                Some(Following::By(task)) if task.is_finished() => {
                    let again = self.start(cache, runtime);
                    if let Some(slot) = following.get_mut(number) {
                        *slot = again;
                    }
                    self.told.missed();
                }
                Some(Following::By(_) | Following::Nothing) => {}
            }
        }
    }

    fn start(&self, cache: &Arc<dyn InternalTokenCache>, runtime: &Handle) -> Following {
        let Some(events) = cache.events() else {
            return Following::Nothing;
        };
        let task = follow(Arc::clone(cache), events, Arc::downgrade(&self.told));
        Following::By(runtime.spawn(task).abort_handle())
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        let following = self.following.get_mut();
        for following in following.unwrap_or_else(PoisonError::into_inner) {
            if let Following::By(task) = following {
                task.abort();
            }
        }
    }
}

async fn follow(
    cache: Arc<dyn InternalTokenCache>,
    mut events: BoxStream<'static, TierEvent>,
    told: Weak<Told>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        while let Some(event) = poll_fn(|cx| events.as_mut().poll_next(cx)).await {
            let Some(told) = told.upgrade() else { return };
            told.hears(&event);
            wait = FIRST_WAIT;
        }
        tracing::debug!(tier = cache.name(), "notices of evictions have ended");
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        let Some(again) = cache.events() else { return };
        events = again;
        let Some(told) = told.upgrade() else { return };
        told.missed();
    }
}

impl Told {
    fn hears(&self, event: &TierEvent) {
        match event {
            TierEvent::Evicted(notice) => {
                let result = self.evicted(notice);
                self.metrics.noticed(result);
            }
            TierEvent::Missed => self.missed(),
        }
    }

    fn evicted(&self, notice: &EvictionNotice) -> NoticeResult {
        let Some(key) = TokenKey::from_bytes(notice.key_bytes()) else {
            return NoticeResult::Refused;
        };
        let now = self.clock.now().into();
        let Some(entry) = self.entries.lock().noticed(&key, notice, now) else {
            return NoticeResult::Known;
        };
        match entry.heeds(notice, now) {
            Heeded::Followed => NoticeResult::Followed,
            Heeded::Known => NoticeResult::Known,
            Heeded::Refused => NoticeResult::Refused,
        }
    }

    /// What was missed is not known, so each token is compared with the tiers at its next use.
    fn missed(&self) {
        self.metrics.noticed(NoticeResult::Missed);
        let entries = self.entries.lock().all();
        for entry in entries {
            entry.doubt();
        }
    }
}
