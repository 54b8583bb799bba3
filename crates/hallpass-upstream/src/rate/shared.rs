//! One quota for all processes, of which each has some in hand, so that most requests ask nobody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::keyed::{KeyedRates, Left, Quota};
use super::shards::Shards;
use super::store::{Grant, RateStore};
use crate::reminders::Reminders;

/// This part of a quota is taken at once: a twentieth.
const PARTS_OF_QUOTA: u32 = 20;
/// So much of a store's refusal is believed at most without asking again: others may give up what they have in hand.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// What holds while the store is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RatesAway {
    /// Each process counts the whole quota by itself.
    #[default]
    CountAlone,
    /// Nothing is let through.
    Refuse,
}

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRefusal {
    /// The quota is used up for so long.
    UsedUp(Duration),
    /// The store is away, and [`RatesAway::Refuse`] was chosen.
    Away,
}

/// How a request was decided about, for who counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateAsked {
    /// Nobody was asked: there was some in hand, or a refusal that is still believed.
    InHand,
    /// The store has answered.
    Store,
    /// It has not.
    Away,
}

/// A quota for each name, which all processes share over a [`RateStore`].
///
/// A twentieth of a quota, one request at least, is taken at once and used from memory; what is not used of it within the time of the quota is
/// lost. So all processes together are granted no more than the quota, and use up to a twentieth for each process less of it. What is in
/// hand may be used so much later than it was granted: within one such time they let through up to a twentieth for each process more.
#[derive(Debug)]
pub struct SharedRates {
    store: Arc<dyn RateStore>,
    away: RatesAway,
    batch: u32,
    in_hand: Shards<InHand>,
    alone: KeyedRates,
    said: Reminders,
}

#[derive(Clone, Copy)]
struct InHand {
    count: u32,
    /// What the store had beside it when it was asked last.
    beyond: u32,
    /// When what is in hand is lost.
    until: Duration,
    /// Nothing is to be had before this.
    refused_until: Duration,
}

impl fmt::Debug for InHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)
    }
}

impl SharedRates {
    /// This quota for each name over `store`.
    #[must_use]
    pub fn new(quota: Quota, store: Arc<dyn RateStore>, away: RatesAway) -> Self {
        Self {
            store,
            away,
            batch: (quota.count / PARTS_OF_QUOTA).clamp(1, quota.burst.max(1)),
            in_hand: Shards::new(),
            alone: KeyedRates::new(quota),
            said: Reminders::default(),
        }
    }

    /// The quota of each name.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.alone.quota()
    }

    /// How many names are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_hand.len()
    }

    /// Whether no name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes one request from the quota of `name`, and says who was asked. `now` is of a monotonic clock.
    pub async fn take(&self, name: &[u8], now: Duration) -> (Result<Left, RateRefusal>, RateAsked) {
        if let Some(known) = self.take_from_hand(name, now) {
            return (known, RateAsked::InHand);
        }
        match self.store.take(name, self.quota(), self.batch).await {
            Ok(grant) => {
                self.said.over();
                let taken = self.keep(name, grant, now);
                (taken, RateAsked::Store)
            }
            Err(error) => {
                if let Some(times) = self.said.times("away") {
                    tracing::warn!(%error, times, "what the processes share of rates is away");
                }
                let taken = match self.away {
                    RatesAway::CountAlone => {
                        let taken = self.alone.take(name, now);
                        taken.map_err(RateRefusal::UsedUp)
                    }
                    RatesAway::Refuse => Err(RateRefusal::Away),
                };
                (taken, RateAsked::Away)
            }
        }
    }

    fn take_from_hand(&self, name: &[u8], now: Duration) -> Option<Result<Left, RateRefusal>> {
        let key = self.in_hand.key(name);
        let taken = self.in_hand.with(key, now, is_idle(now), |known| {
            let Some(known) = known else {
                return (None, None);
            };
            if known.count > 0 && known.until > now {
                known.count -= 1;
                let remaining = known.count.saturating_add(known.beyond);
                return (Some(Ok(Left { remaining })), None);
            }
            let wait = known.refused_until.saturating_sub(now);
            let refused = !wait.is_zero();
            (refused.then_some(Err(RateRefusal::UsedUp(wait))), None)
        });
        // Where there is no room for a name, the store is asked each time.
        taken.flatten()
    }

    fn keep(&self, name: &[u8], grant: Grant, now: Duration) -> Result<Left, RateRefusal> {
        let Grant {
            granted,
            retry_after,
            left: beyond,
        } = grant;
        let until = now.saturating_add(self.quota().per);
        let new = match granted.checked_sub(1) {
            Some(count) => InHand {
                count,
                beyond,
                until,
                refused_until: Duration::ZERO,
            },
            None => InHand {
                count: 0,
                beyond: 0,
                until: Duration::ZERO,
                refused_until: now.saturating_add(retry_after.min(BELIEVED_FOR)),
            },
        };
        let key = self.in_hand.key(name);
        // Others may have asked meanwhile, and have some in hand.
        let kept = self
            .in_hand
            .with(key, now, is_idle(now), |known| match known {
                Some(known) => {
                    let living = if known.until > now { known.count } else { 0 };
                    *known = InHand {
                        count: living.saturating_add(new.count),
                        until: new.until.max(known.until),
                        ..new
                    };
                    ((), None)
                }
                None => ((), Some(new)),
            });
        match granted {
            0 => Err(RateRefusal::UsedUp(retry_after)),
            // Without room only one of what was granted is used.
            _ if kept.is_none() => Ok(Left { remaining: beyond }),
            _ => Ok(Left {
                remaining: new.count.saturating_add(beyond),
            }),
        }
    }
}

fn is_idle(now: Duration) -> impl Fn(&InHand) -> bool {
    move |it| it.refused_until <= now && (it.count == 0 || it.until <= now)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use futures_core::future::BoxFuture;

    use super::super::store::RateStoreError;
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    /// One memory that two processes share, which counts how often it is asked.
    #[derive(Debug, Default)]
    struct Memory {
        left: Mutex<HashMap<Vec<u8>, u32>>,
        asked: AtomicU32,
        is_away: AtomicBool,
    }

    impl RateStore for Memory {
        fn take<'a>(
            &'a self,
            name: &'a [u8],
            quota: Quota,
            count: u32,
        ) -> BoxFuture<'a, Result<Grant, RateStoreError>> {
            Box::pin(async move {
                self.asked.fetch_add(1, Ordering::Relaxed);
                if self.is_away.load(Ordering::Relaxed) {
                    return Err(RateStoreError::new(std::io::Error::other("away")));
                }
                let mut left = self.left.lock().unwrap();
                let left = left.entry(name.to_vec()).or_insert(quota.burst);
                let granted = count.min(*left);
                *left -= granted;
                Ok(Grant {
                    granted,
                    retry_after: quota.interval(),
                    left: *left,
                })
            })
        }
    }

    fn quota(count: u32) -> Quota {
        Quota {
            count,
            per: Duration::from_secs(10),
            burst: count,
        }
    }

    async fn passed(rates: &SharedRates, name: &[u8], requests: u32) -> u32 {
        let mut passed = 0;
        for _ in 0..requests {
            passed += u32::from(rates.take(name, NOW).await.0.is_ok());
        }
        passed
    }

    #[tokio::test]
    async fn two_processes_share_one_quota_and_ask_seldom() {
        let memory = Arc::new(Memory::default());
        let make = || SharedRates::new(quota(100), memory.clone(), RatesAway::CountAlone);
        let (one, other) = (make(), make());
        let mut both = 0;
        for _ in 0..80 {
            both += passed(&one, b"a", 1).await + passed(&other, b"a", 1).await;
        }
        assert_eq!(both, 100);
        // Twenty times five, and a refusal each that is believed.
        assert_eq!(memory.asked.load(Ordering::Relaxed), 22);
        assert_eq!(passed(&one, b"b", 10).await, 10, "another has its own");
    }

    #[tokio::test]
    async fn what_is_left_is_what_is_in_hand_and_what_the_store_had_beside_it() {
        let memory = Arc::new(Memory::default());
        let rates = SharedRates::new(quota(100), memory.clone(), RatesAway::CountAlone);
        let left = async || {
            let taken = rates.take(b"a", NOW).await.0;
            taken.unwrap().remaining
        };
        for expected in (90..100).rev() {
            assert_eq!(left().await, expected);
        }
        assert_eq!(passed(&rates, b"a", 89).await, 89);
        assert_eq!(left().await, 0);
    }

    #[tokio::test]
    async fn while_the_store_is_away_each_holds_the_quota_alone_or_nothing_passes() {
        let memory = Arc::new(Memory::default());
        memory.is_away.store(true, Ordering::Relaxed);
        let alone = SharedRates::new(quota(5), memory.clone(), RatesAway::CountAlone);
        assert_eq!(passed(&alone, b"a", 20).await, 5);
        let refusing = SharedRates::new(quota(5), memory.clone(), RatesAway::Refuse);
        let refused = refusing.take(b"a", NOW).await;
        assert_eq!(refused, (Err(RateRefusal::Away), RateAsked::Away));
        memory.is_away.store(false, Ordering::Relaxed);
        assert_eq!(passed(&refusing, b"a", 20).await, 5);
    }

    #[tokio::test]
    async fn what_is_in_hand_is_lost_after_the_time_of_the_quota() {
        let memory = Arc::new(Memory::default());
        let rates = SharedRates::new(quota(40), memory.clone(), RatesAway::CountAlone);
        assert!(rates.take(b"a", NOW).await.0.is_ok());
        assert_eq!(rates.take(b"a", NOW).await.1, RateAsked::InHand);
        let asked = rates.take(b"a", NOW).await;
        assert_eq!(asked.1, RateAsked::Store, "two were taken at once");
        let later = NOW + Duration::from_secs(11);
        assert_eq!(rates.take(b"a", later).await.1, RateAsked::Store);
    }
}
