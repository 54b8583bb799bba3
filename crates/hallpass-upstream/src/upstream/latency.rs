//! How long an instance takes: a moving average that goes up at once and comes down slowly.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// After so long half of a peak is forgotten that stands alone. One that takes long each time it is tried is forgotten so much
/// slower, up to [`MOST_ROUNDS`] times: then it is its nature and no accident.
const HALF_LIFE: Duration = Duration::from_secs(1);
const MOST_ROUNDS: u32 = 7;
/// Each good call moves what is usual by this part of the difference.
const USUAL_PART: u64 = 8;

/// How many times slower than usual an instance is taken to be at most.
const MOST_UNUSUAL: u64 = 8;
/// Of two latencies that differ by less than this factor neither says anything: shares go by weights and calls under way
/// then, and not by who was lucky.
const ALIKE: u64 = 2;
/// Nor do latencies below this one, in nanoseconds (5 ms): a new connection, or a moment without a processor, takes as long.
const NO_MATTER: u64 = 5_000_000;

/// The peak-sensitive average of one instance.
///
/// It is read and written without a lock: of two calls that end at the same instant one may be lost, which the next one makes
/// good.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Nanoseconds; 0: nothing is known.
    value: AtomicU64,
    /// When it was measured last.
    at: AtomicU64,
    /// How often in a row it took long, where those under way together count once.
    rounds: AtomicU32,
    /// When it took long last.
    slow_at: AtomicU64,
}

impl Latency {
    /// Goes on with what another one knows.
    pub(super) fn begin_as(&self, other: &Self) {
        let times =
            |it: &Self| [&it.value, &it.at, &it.slow_at].map(|time| time.load(Ordering::Relaxed));
        let [value, at, slow_at] = times(other);
        self.value.store(value, Ordering::Relaxed);
        self.at.store(at, Ordering::Relaxed);
        self.slow_at.store(slow_at, Ordering::Relaxed);
        let rounds = other.rounds.load(Ordering::Relaxed);
        self.rounds.store(rounds, Ordering::Relaxed);
    }

    /// A response came after `took`; from `slow` on that is long.
    pub(super) fn observe(&self, took: Duration, now: Duration, slow: u64) {
        let took = nanos(took).max(1);
        let value = self.value.load(Ordering::Relaxed);
        let (age, half_life) = (self.age(now), self.half_life());
        let next = match took >= value || took >= decayed(value, age, half_life) {
            true => took,
            false => took.saturating_add(decayed(value.saturating_sub(took), age, half_life)),
        };
        match took >= slow {
            true => self.was_slow(took, now),
            false if self.rounds.load(Ordering::Relaxed) == 0 => {}
            false => self.rounds.store(0, Ordering::Relaxed),
        }
        self.store(next, now);
    }

    /// It takes at least so long: a call failed, or was given up. That it failed fast is no recommendation.
    pub(super) fn at_least(&self, took: Duration, now: Duration, slow: u64) {
        let (known, took) = (self.at(now), nanos(took));
        if took >= slow {
            self.was_slow(took, now);
        }
        self.store(known.max(took).max(1), now);
    }

    /// In nanoseconds; 0: nothing is known. What was measured long ago counts less and less, so that a slow instance is tried
    /// again.
    pub(super) fn at(&self, now: Duration) -> u64 {
        let value = self.value.load(Ordering::Relaxed);
        decayed(value, self.age(now), self.half_life())
    }

    /// As [`at`](Self::at), and what is more than `most` is forgotten: one call that takes long by itself, or the first one of a cold
    /// process, is no reason to stay away for minutes.
    pub(super) fn capped_at(&self, now: Duration, most: u64) -> u64 {
        let value = self.at(now);
        if value <= most {
            return value;
        }
        self.store(most, now);
        most
    }

    fn was_slow(&self, took: u64, now: Duration) {
        let now = nanos(now);
        if now.saturating_sub(took) >= self.slow_at.load(Ordering::Relaxed) {
            let rounds = self.rounds.load(Ordering::Relaxed);
            let rounds = rounds.saturating_add(1).min(MOST_ROUNDS);
            self.rounds.store(rounds, Ordering::Relaxed);
            self.slow_at.store(now, Ordering::Relaxed);
        }
    }

    fn half_life(&self) -> Duration {
        HALF_LIFE.saturating_mul(self.rounds.load(Ordering::Relaxed).max(1))
    }

    fn age(&self, now: Duration) -> u64 {
        nanos(now).saturating_sub(self.at.load(Ordering::Relaxed))
    }

    fn store(&self, value: u64, now: Duration) {
        self.value.store(value, Ordering::Relaxed);
        self.at.store(nanos(now), Ordering::Relaxed);
    }
}

/// What good calls to any instance of the service take.
#[derive(Debug, Default)]
pub(super) struct Usual(AtomicU64);

impl Usual {
    /// Goes on with what another one knows.
    pub(super) fn begin_as(&self, other: &Self) {
        self.0
            .store(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) fn observe(&self, took: Duration) {
        let (took, usual) = (nanos(took), self.0.load(Ordering::Relaxed));
        let next = match usual {
            0 => took,
            // One call that takes long does not change what is usual by much.
            usual => {
                let took = took.min(usual.saturating_mul(MOST_UNUSUAL));
                usual - usual / USUAL_PART + took / USUAL_PART
            }
        };
        self.0.store(next, Ordering::Relaxed);
    }

    /// The longest time, in nanoseconds, that makes a difference for an instance whose calls are good.
    pub(super) fn most(&self) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => u64::MAX,
            usual => usual.saturating_mul(MOST_UNUSUAL).max(ALIKE * NO_MATTER),
        }
    }

    /// From so long on, in nanoseconds, a call takes clearly longer than usual.
    pub(super) fn slow(&self) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => u64::MAX,
            usual => usual.saturating_mul(ALIKE).max(NO_MATTER),
        }
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Whether two latencies, in nanoseconds, say nothing about who answers first: nothing is known of one of them, or they differ by
/// little.
pub(super) fn are_alike(one: u64, other: u64) -> bool {
    let (fast, slow) = match one < other {
        true => (one, other),
        false => (other, one),
    };
    fast == 0 || slow <= fast.saturating_mul(ALIKE).max(NO_MATTER)
}

/// What is left of a value after `age`: halved by each half-life, and in between along a straight line.
pub(super) fn decayed(value: u64, age: u64, half_life: Duration) -> u64 {
    let half_life = nanos(half_life).max(1);
    let halved = u32::try_from(age / half_life).unwrap_or(u32::MAX);
    let value = value.checked_shr(halved).unwrap_or(0);
    let rest = age % half_life;
    // Nearly always within 64 bits, where a division takes a third of the time.
    let small = value.checked_mul(rest).zip(half_life.checked_mul(2));
    let part = match small {
        Some((product, twice)) => product.checked_div(twice),
        None => {
            let part = u128::from(value) * u128::from(rest) / (2 * u128::from(half_life));
            u64::try_from(part).ok()
        }
    };
    value.saturating_sub(part.unwrap_or(value))
}

/// More than five centuries do not count.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Nothing is slow.
    const ANY: u64 = u64::MAX;

    #[test]
    fn it_goes_up_at_once_and_comes_down_slowly() {
        let latency = Latency::default();
        let mut now = Duration::from_secs(100);
        assert_eq!(latency.at(now), 0);
        latency.observe(MS, now, ANY);
        latency.observe(MS * 100, now, ANY);
        assert_eq!(latency.at(now), nanos(MS * 100));
        // Half of the difference is left after a half-life of good calls.
        for _ in 0..1_000 {
            now += MS;
            latency.observe(MS, now, ANY);
        }
        let half = latency.at(now);
        assert!((nanos(MS * 48)..nanos(MS * 68)).contains(&half), "{half}");
        for _ in 0..20_000 {
            now += MS;
            latency.observe(MS, now, ANY);
        }
        assert!(latency.at(now) < nanos(MS * 2));
    }

    #[test]
    fn what_was_measured_long_ago_is_forgotten() {
        let latency = Latency::default();
        latency.observe(MS * 64, Duration::ZERO, ANY);
        assert_eq!(latency.at(HALF_LIFE), nanos(MS * 32));
        assert_eq!(latency.at(HALF_LIFE * 3 / 2), nanos(MS * 24));
        assert_eq!(latency.at(HALF_LIFE * 6), nanos(MS));
        assert_eq!(latency.at(Duration::MAX), 0);
    }

    #[test]
    fn one_that_takes_long_each_time_it_is_tried_is_forgotten_more_slowly() {
        let latency = Latency::default();
        let (slow, took) = (nanos(MS * 5), MS * 64);
        let mut now = HALF_LIFE;
        for rounds in (1..=MOST_ROUNDS).chain([MOST_ROUNDS]) {
            // All that were under way together tell of one event.
            (0..10).for_each(|_| latency.observe(took, now, slow));
            latency.at_least(took, now, slow);
            let half = now + HALF_LIFE * rounds;
            assert_eq!(latency.at(half), nanos(took) / 2, "{rounds}");
            now = half + took;
        }
        latency.observe(MS, now, slow);
        let left = latency.at(now);
        assert_eq!(latency.at(now + HALF_LIFE), left / 2);
    }

    #[test]
    fn what_is_far_more_than_usual_is_forgotten_sooner() {
        let usual = Usual::default();
        assert_eq!((usual.most(), usual.slow()), (u64::MAX, u64::MAX));
        (0..10).for_each(|_| usual.observe(MS * 2));
        assert_eq!(usual.slow(), NO_MATTER);
        usual.observe(MS * 60_000);
        assert!(usual.get() < MS * 4);
        let latency = Latency::default();
        latency.observe(MS * 60_000, Duration::ZERO, ANY);
        let most = nanos(MS * 16);
        assert_eq!(latency.capped_at(Duration::ZERO, most), most);
        assert_eq!(latency.at(HALF_LIFE * 3), nanos(MS * 2));
    }

    #[test]
    fn little_time_makes_no_difference_nor_does_a_small_part_of_much() {
        let alike = |one: u32, other: u32| are_alike(nanos(MS * one), nanos(MS * other));
        assert!(alike(0, 1_000) && alike(1, 5) && alike(100, 51));
        assert!(!alike(1, 6) && !alike(49, 100));
    }

    #[test]
    fn a_failure_makes_nobody_faster() {
        let latency = Latency::default();
        latency.observe(MS * 10, Duration::ZERO, ANY);
        latency.at_least(Duration::ZERO, Duration::ZERO, ANY);
        assert_eq!(latency.at(Duration::ZERO), nanos(MS * 10));
        latency.at_least(MS * 20, Duration::ZERO, ANY);
        assert_eq!(latency.at(Duration::ZERO), nanos(MS * 20));
    }

    #[test]
    fn what_is_usual_follows_the_good_calls() {
        let usual = Usual::default();
        (0..100).for_each(|_| usual.observe(MS * 8));
        assert_eq!(usual.get(), MS * 8);
        (0..100).for_each(|_| usual.observe(MS * 16));
        assert!(usual.get() > MS * 15);
    }
}
