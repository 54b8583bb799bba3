//! Telling tiers, and through them other processes, of evictions: until they were told.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hallpass_upstream::random_fraction;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::backoff;
use super::entry::Entry;
use super::moment::Moment;
use super::seals::Evicted;
use super::tiers::Tiers;
use crate::internal_token_cache::SealedToken;

/// First wait before an eviction is told again that a tier did not take; each further one is twice as long, up to [`LONGEST_WAIT`]. Of each
/// a half or more is waited, by chance.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest such wait: when the tier is back, the others hear of it within that time.
const LONGEST_WAIT: Duration = Duration::from_millis(800);
/// Longest time for which an eviction is told again. It is shorter where tokens are used for a shorter time, after which nobody has the
/// evicted one any more.
const LONGEST_TELLING: Duration = Duration::from_secs(60 * 60);
/// Pause before a tier that has forgotten a token, but cannot tell others, is asked to forget it once more.
const FORGET_AGAIN: Duration = Duration::from_secs(10);
/// Evictions at a time that are told again. Those beyond are not.
const MAX_TELLING: usize = 1_000;

/// Tells tiers of evictions.
#[derive(Debug)]
pub(crate) struct Purge {
    tiers: Arc<Tiers>,
    telling: Arc<Semaphore>,
}

impl Purge {
    pub(crate) fn new(tiers: Arc<Tiers>) -> Self {
        let telling = Arc::new(Semaphore::new(MAX_TELLING));
        Self { tiers, telling }
    }

    /// Has the tiers and all processes that share them forget tokens of `entry`. `evicted` is known here already. Where a tier cannot
    /// be told now it is told again in the background.
    pub(crate) async fn evict(&self, entry: &Arc<Entry>, evicted: Evicted) {
        if entry.source.is_private() {
            // No tier and no other process has it.
            return;
        }
        let evicted = match evicted {
            Evicted::UpTo(moment) => Evicted::UpTo(self.found_in_tiers(entry, moment).await),
            old_secret @ Evicted::OfOldSecret(_) => old_secret,
        };
        let mut forgotten = None;
        if !tell(&self.tiers, entry, evicted, &mut forgotten).await {
            self.tell_later(entry, evicted, forgotten);
        }
    }

    /// Has the tiers forget tokens of `entry`.
    pub(crate) async fn forget(&self, entry: &Entry, evicted: Evicted) {
        forget(&self.tiers, entry, evicted).await;
    }

    /// `moment`, or the later one of a token that a tier has: the clock of the process that put it there may be ahead.
    async fn found_in_tiers(&self, entry: &Entry, moment: Moment) -> Moment {
        let seals = entry.source.seals();
        let mut found = moment;
        let note = |sealed: SealedToken| {
            let stored = seals.open(&entry.key, &sealed)?;
            if entry.evict_found(stored.moment) {
                found = found.max(stored.moment);
            }
            None::<()>
        };
        // A tier that does not say what it has is told to forget it in any case.
        _ = self.tiers.find_again(&entry.key, note).await;
        found
    }

    fn tell_later(&self, entry: &Arc<Entry>, evicted: Evicted, forgotten: Option<Instant>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Ok(permit) = Arc::clone(&self.telling).try_acquire_owned() else {
            tracing::warn!(key = ?entry.key, "an eviction is told to nobody else: a tier does not take it, as many others before");
            return;
        };
        tracing::warn!(key = ?entry.key, "a tier does not take an eviction now, it is told again until it does");
        let (tiers, entry) = (Arc::downgrade(&self.tiers), Arc::clone(entry));
        runtime.spawn(async move {
            tell_again(&tiers, &entry, evicted, forgotten).await;
            drop(permit);
        });
    }
}

async fn tell_again(
    tiers: &Weak<Tiers>,
    entry: &Entry,
    evicted: Evicted,
    mut forgotten: Option<Instant>,
) {
    let start = Instant::now();
    let tell_for = entry.source.cache_life().expire().min(LONGEST_TELLING);
    let mut wait = FIRST_WAIT;
    while start.elapsed() < tell_for {
        tokio::time::sleep(backoff::half_or_more(wait, random_fraction())).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        let Some(tiers) = tiers.upgrade() else { return };
        if let Evicted::UpTo(moment) = evicted
            && entry.evicted_at() > Some(moment)
        {
            // A later eviction says this one too, and is told by who made it.
            return;
        }
        if tell(&tiers, entry, evicted, &mut forgotten).await {
            tracing::info!(key = ?entry.key, "the tiers have taken the eviction");
            return;
        }
    }
    tracing::warn!(key = ?entry.key, "an eviction is told no longer: its tokens have ended");
}

/// Whether each tier has taken it. `forgotten`: when the tiers have last forgotten the tokens.
async fn tell(
    tiers: &Tiers,
    entry: &Entry,
    evicted: Evicted,
    forgotten: &mut Option<Instant>,
) -> bool {
    // First, so that a process that is about to put an old token there learns that it must not.
    let is_announced = match entry.source.seals().notice(&entry.key, evicted) {
        Some(notice) => tiers.announce(&notice).await,
        // The library could not seal it, and will not.
        None => true,
    };
    // Where nobody may be told, which can last, a process that has not heard may put an old token there again.
    let is_due = forgotten.is_none_or(|since| since.elapsed() >= FORGET_AGAIN);
    if is_announced || is_due {
        let is_done = forget(tiers, entry, evicted).await;
        *forgotten = is_done.then(Instant::now);
    }
    forgotten.is_some() && is_announced
}

async fn forget(tiers: &Tiers, entry: &Entry, evicted: Evicted) -> bool {
    let seals = entry.source.seals();
    let goes = |sealed: &SealedToken| match (seals.open(&entry.key, sealed), evicted) {
        (Some(stored), Evicted::UpTo(moment)) => stored.moment <= moment,
        (None, Evicted::UpTo(_)) => true,
        (opened, Evicted::OfOldSecret(_)) => opened.is_some(),
    };
    tiers.evict(&entry.key, goes).await
}
