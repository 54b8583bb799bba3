//! When a token is renewed, when it is overdue, when it must not be sent any more.

use std::time::{Duration, SystemTime};

use crate::credential::cache_life::CacheLife;

/// A token is asked for again this long before its end at the latest: clocks differ and calls take time.
/// Never more than [`MARGIN_SHARE`] of the token's life.
const RENEWAL_SLACK: Duration = Duration::from_secs(30);
/// A token is not sent in the last moments of its life, so that it does not expire on its way.
/// Never more than [`MARGIN_SHARE`] of the token's life.
const SEND_MARGIN: Duration = Duration::from_secs(1);
/// One part in ten: the share of a token's life that no margin exceeds.
const MARGIN_SHARE: u32 = 10;
/// Renewal starts up to this share (one part in ten) of its waiting time earlier, at random, so that
/// processes started together do not renew together.
const JITTER_SHARE: u32 = 10;

/// The three moments of a token's life, on the monotonic clock, and the last one on the wall clock too:
/// a machine that slept or whose clock was set right must not send a token that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// From here on a use of the token starts its renewal in the background.
    pub(crate) renew_at: Duration,
    /// From here on a caller waits a moment for a new one before the old one is used.
    pub(crate) overdue_at: Duration,
    /// From here on the token is not used.
    pub(crate) ends_at: Duration,
    pub(crate) ends_at_wall: SystemTime,
}

/// Now, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) monotonic: Duration,
    pub(crate) wall: SystemTime,
}

/// How old a token is, of how long a life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) now: Now,
    /// As of `now`.
    pub(crate) age: Duration,
    pub(crate) life: Duration,
}

/// Where a token stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Due,
    Overdue,
    Ended,
}

impl Lifetime {
    /// The moments of a token.
    ///
    /// `jitter` is a random number from 0 to 1. Demanded life is
    /// min(cache-expire, life - slack), and renewal starts refresh-ahead before its end but never before
    /// half of it: else a refresh-ahead near a short token's life would renew on each call.
    pub(crate) fn new(age: Age, cache: CacheLife, jitter: f64) -> Self {
        let share = age.life / MARGIN_SHARE;
        let demanded = cache.expire().min(age.life - RENEWAL_SLACK.min(share));
        let ahead = cache.refresh_ahead().min(demanded / 2);
        let waiting = demanded - ahead;
        let earlier = (waiting / JITTER_SHARE).mul_f64(jitter);
        let sendable = age.life - SEND_MARGIN.min(share);
        let from_now = |moment: Duration| moment.saturating_sub(age.age);
        Self {
            renew_at: age.now.monotonic + from_now(waiting - earlier),
            overdue_at: age.now.monotonic + from_now(demanded),
            ends_at: age.now.monotonic + from_now(sendable),
            ends_at_wall: age.now.wall + from_now(sendable),
        }
    }

    /// The moments of a token that is in use, for another cache life. Its end stays where it is, on both clocks.
    pub(crate) fn with_cache_life(
        self,
        now: Now,
        life: Duration,
        cache: CacheLife,
        jitter: f64,
    ) -> Self {
        let sendable = life - SEND_MARGIN.min(life / MARGIN_SHARE);
        let remaining = self.ends_at.saturating_sub(now.monotonic);
        let age = sendable.saturating_sub(remaining);
        Self {
            ends_at: self.ends_at,
            ends_at_wall: self.ends_at_wall,
            ..Self::new(Age { now, age, life }, cache, jitter)
        }
    }

    /// The same life with its renewal due at once.
    pub(crate) const fn due_now(self) -> Self {
        Self {
            renew_at: Duration::ZERO,
            ..self
        }
    }

    /// How long the token may still be used; zero after its end.
    pub(crate) fn left(&self, now: Now) -> Duration {
        let wall = self.ends_at_wall.duration_since(now.wall);
        let left = self.ends_at.saturating_sub(now.monotonic);
        left.min(wall.unwrap_or_default())
    }

    pub(crate) fn phase(&self, now: Now) -> Phase {
        if now.monotonic >= self.ends_at || now.wall >= self.ends_at_wall {
            Phase::Ended
        } else if now.monotonic >= self.overdue_at {
            Phase::Overdue
        } else if now.monotonic >= self.renew_at {
            Phase::Due
        } else {
            Phase::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Now = Now {
        monotonic: Duration::from_secs(1_000),
        wall: SystemTime::UNIX_EPOCH,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn aged(age: u64, life: u64) -> Age {
        Age {
            now: START,
            age: seconds(age),
            life: seconds(life),
        }
    }

    fn after(life: Lifetime, elapsed: Duration) -> Phase {
        life.phase(Now {
            monotonic: START.monotonic + elapsed,
            wall: START.wall + elapsed,
        })
    }

    #[test]
    fn the_seeds_token_is_renewed_after_480_and_overdue_after_540_of_600_seconds() {
        let life = Lifetime::new(aged(0, 600), CacheLife::DEFAULT, 0.0);
        assert_eq!(after(life, seconds(479)), Phase::Fresh);
        assert_eq!(after(life, seconds(480)), Phase::Due);
        assert_eq!(after(life, seconds(540)), Phase::Overdue);
        assert_eq!(after(life, seconds(598)), Phase::Overdue);
        assert_eq!(after(life, seconds(599)), Phase::Ended);
        let jittered = Lifetime::new(aged(0, 600), CacheLife::DEFAULT, 1.0);
        assert_eq!(after(jittered, seconds(432)), Phase::Due);
    }

    #[test]
    fn a_sixty_second_token_is_not_renewed_on_each_call() {
        let life = Lifetime::new(aged(0, 60), CacheLife::DEFAULT, 0.0);
        assert_eq!(after(life, seconds(26)), Phase::Fresh);
        assert_eq!(after(life, seconds(27)), Phase::Due);
    }

    #[test]
    fn a_wall_clock_beyond_the_end_ends_the_token_even_if_the_monotonic_clock_slept() {
        let life = Lifetime::new(aged(0, 600), CacheLife::DEFAULT, 0.0);
        let woken = Now {
            monotonic: START.monotonic + seconds(1),
            wall: START.wall + seconds(700),
        };
        assert_eq!(life.phase(woken), Phase::Ended);
    }

    #[test]
    fn a_token_from_a_shared_tier_keeps_its_age() {
        let life = Lifetime::new(aged(500, 600), CacheLife::DEFAULT, 0.0);
        assert_eq!(after(life, seconds(0)), Phase::Due);
        assert_eq!(after(life, seconds(40)), Phase::Overdue);
        assert_eq!(after(life, seconds(99)), Phase::Ended);
        let old = Lifetime::new(aged(700, 600), CacheLife::DEFAULT, 0.0);
        assert_eq!(after(old, seconds(0)), Phase::Ended);
    }

    #[test]
    fn another_cache_life_moves_the_renewal_of_a_token_and_not_its_end() {
        let before = Lifetime::new(aged(0, 600), CacheLife::DEFAULT, 0.0);
        let later = Now {
            monotonic: START.monotonic + seconds(100),
            wall: START.wall + seconds(100),
        };
        let shorter = CacheLife::new(seconds(300), seconds(50)).unwrap();
        let life = before.with_cache_life(later, seconds(600), shorter, 0.0);
        assert_eq!(after(life, seconds(249)), Phase::Fresh);
        assert_eq!(after(life, seconds(250)), Phase::Due);
        assert_eq!(after(life, seconds(300)), Phase::Overdue);
        assert_eq!(after(life, seconds(598)), Phase::Overdue);
        assert_eq!(after(life, seconds(599)), Phase::Ended);
        let back = life.with_cache_life(later, seconds(600), CacheLife::DEFAULT, 0.0);
        assert_eq!(back, before);
    }

    #[test]
    fn another_cache_life_moves_no_end_where_the_wall_clock_was_set_meanwhile() {
        let before = Lifetime::new(aged(0, 600), CacheLife::DEFAULT, 0.0);
        let set = Now {
            monotonic: START.monotonic + seconds(100),
            wall: START.wall + seconds(150),
        };
        let life = before.with_cache_life(set, seconds(600), CacheLife::DEFAULT, 0.0);
        assert_eq!(life.ends_at, before.ends_at);
        assert_eq!(life.ends_at_wall, before.ends_at_wall);
    }

    #[test]
    fn a_token_of_a_few_seconds_keeps_its_age_when_its_cache_life_changes() {
        let before = Lifetime::new(aged(0, 5), CacheLife::DEFAULT, 0.0);
        let later = Now {
            monotonic: START.monotonic + seconds(1),
            wall: START.wall + seconds(1),
        };
        let life = before.with_cache_life(later, seconds(5), CacheLife::DEFAULT, 0.0);
        assert_eq!(life, before);
    }

    proptest! {
        #[test]
        fn the_moments_come_in_order_and_margins_stay_below_a_tenth(
            life in 1_u64..40_000_000, expire in 1_u64..100_000, ahead in 0_u64..100_000, jitter in 0.0..1.0_f64,
        ) {
            prop_assume!(ahead < expire);
            let cache = CacheLife::new(seconds(expire), seconds(ahead)).unwrap();
            let moments = Lifetime::new(aged(0, life), cache, jitter);
            prop_assert!(START.monotonic < moments.renew_at);
            prop_assert!(moments.renew_at <= moments.overdue_at);
            prop_assert!(moments.overdue_at <= moments.ends_at);
            prop_assert!(moments.ends_at - START.monotonic >= seconds(life).mul_f64(0.899));
            prop_assert!(moments.ends_at - START.monotonic < seconds(life));
        }
    }
}
