//! A quota for each of very many, in bounded memory.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::shards::Shards;

/// So many requests in a time, and so many at once after a quiet time.
///
/// ```
/// use std::time::Duration;
/// use hallpass_upstream::Quota;
///
/// let quota = Quota { count: 100, per: Duration::from_secs(1), burst: 200 };
/// assert_eq!(quota.interval(), Duration::from_millis(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests in `per`; at least one counts.
    pub count: u32,
    /// The time that `count` is for.
    pub per: Duration,
    /// Most at once; at least one counts.
    pub burst: u32,
}

impl Quota {
    /// After so long a time the quota has room for one request more; a nanosecond at least.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let interval = self.per.checked_div(self.count.max(1)).unwrap_or(self.per);
        interval.max(Duration::from_nanos(1))
    }

    /// How far ahead of its time the quota may be used.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        self.interval().saturating_mul(self.burst.max(1))
    }
}

/// A request was taken from a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// So many more may come now; of a quota that processes share, as far as this one knows.
    pub remaining: u32,
}

/// A quota for each name, by the generic cell rate algorithm: one number a name, the moment at which the quota is whole again.
///
/// **Bounded**: 65,536 names. A name whose quota is whole again is forgotten when room is needed; where there is none, new names share one
/// quota, so that no number of names makes room for more requests than they would have had.
///
/// ```
/// use std::time::Duration;
/// use hallpass_upstream::{KeyedRates, Quota};
///
/// let rates = KeyedRates::new(Quota { count: 1, per: Duration::from_secs(1), burst: 1 });
/// let now = Duration::from_secs(5);
/// assert!(rates.take(b"alice", now).is_ok());
/// assert_eq!(rates.take(b"alice", now), Err(Duration::from_secs(1)));
/// assert!(rates.take(b"bob", now).is_ok());
/// ```
pub struct KeyedRates {
    quota: Quota,
    /// The moment at which each quota is whole again.
    names: Shards<Duration>,
    /// Of all names that there is no room for.
    overflow: Mutex<Duration>,
}

impl KeyedRates {
    /// This quota for each name.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            quota,
            names: Shards::new(),
            overflow: Mutex::new(Duration::ZERO),
        }
    }

    /// The quota of each name.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one request from the quota of `name`. `now` is of a monotonic clock.
    ///
    /// # Errors
    /// How long it takes until there is room for one; nothing was taken.
    pub fn take(&self, name: &[u8], now: Duration) -> Result<Left, Duration> {
        let key = self.names.key(name);
        let is_whole = |whole_at: &Duration| *whole_at <= now;
        let taken = self.names.with(key, now, is_whole, |known| match known {
            Some(whole_at) => (self.take_from(whole_at, now), None),
            None => {
                let mut whole_at = now;
                let taken = self.take_from(&mut whole_at, now);
                (taken, Some(whole_at))
            }
        });
        taken.unwrap_or_else(|| {
            let overflow = self.overflow.lock();
            let mut whole_at = overflow.unwrap_or_else(PoisonError::into_inner);
            self.take_from(&mut whole_at, now)
        })
    }

    fn take_from(&self, whole_at: &mut Duration, now: Duration) -> Result<Left, Duration> {
        let (interval, ahead) = (self.quota.interval(), self.quota.ahead());
        let next = (*whole_at).max(now).saturating_add(interval);
        let used = next.saturating_sub(now);
        if used > ahead {
            return Err(used.saturating_sub(ahead));
        }
        *whole_at = next;
        let free = ahead.saturating_sub(used);
        let remaining = free.as_nanos() / interval.as_nanos().max(1);
        Ok(Left {
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        })
    }

    /// How many names are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for KeyedRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRates")
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates(count: u32, burst: u32) -> KeyedRates {
        KeyedRates::new(Quota {
            count,
            per: SECOND,
            burst,
        })
    }

    #[test]
    fn a_burst_passes_and_what_follows_comes_at_the_rate() {
        let rates = rates(10, 3);
        let mut now = Duration::from_secs(100);
        let remaining = |now| rates.take(b"a", now).map(|it| it.remaining);
        assert_eq!(remaining(now), Ok(2));
        assert_eq!(remaining(now), Ok(1));
        assert_eq!(remaining(now), Ok(0));
        assert_eq!(remaining(now), Err(SECOND / 10));
        // Who is refused has used nothing.
        now += SECOND / 10;
        assert_eq!(remaining(now), Ok(0));
        assert_eq!(remaining(now), Err(SECOND / 10));
        now += SECOND * 60;
        assert_eq!(remaining(now), Ok(2));
    }

    #[test]
    fn each_name_has_its_own_quota() {
        let rates = rates(1, 1);
        for name in 0..1_000_u32 {
            assert!(rates.take(&name.to_be_bytes(), SECOND).is_ok(), "{name}");
            assert!(rates.take(&name.to_be_bytes(), SECOND).is_err(), "{name}");
        }
    }

    #[test]
    fn over_a_long_time_the_rate_is_held_exactly() {
        let rates = rates(7, 7);
        let mut passed = 0;
        for step in 0..10_000_u64 {
            let now = SECOND + Duration::from_millis(step);
            passed += u32::from(rates.take(b"a", now).is_ok());
        }
        // 7 at once, and 7 in each of the 10 seconds.
        assert!((76..=77).contains(&passed), "{passed}");
    }

    #[test]
    fn a_million_names_take_no_more_memory_and_no_more_requests() {
        let rates = rates(1, 1);
        let mut passed = 0;
        for name in 0..1_000_000_u32 {
            passed += u32::from(rates.take(&name.to_be_bytes(), SECOND).is_ok());
        }
        assert!(rates.len() <= 65_536, "{}", rates.len());
        // Each that found room, and one for all others together.
        assert!(passed <= 65_537, "{passed}");
        // When their quotas are whole again there is room for others.
        let later = SECOND * 3;
        assert!(rates.take(b"late", later).is_ok());
        assert!(rates.take(b"late", later).is_err());
        assert!(rates.take(b"later", later).is_ok());
    }
}
