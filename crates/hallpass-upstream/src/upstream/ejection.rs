//! Leaves an instance out that fails again and again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::latency::nanos;
use crate::settings::EjectSettings;

/// Failures in a row that are counted where none are too many.
const MOST_COUNTED: u32 = 64;
/// An ejection lasts at most so many times its base.
const MOST_TIMES: u32 = 10;

/// When a call that was to decide was given up before it did, the next one is made after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Failures of one instance in a row, and what came of them. No clock: times are arguments.
#[derive(Debug)]
pub(super) struct Ejection {
    settings: EjectSettings,
    failures: AtomicU32,
    /// When it comes back, in nanoseconds; 0: it is not left out.
    until: AtomicU64,
    /// When the newest call began that had a good response, in nanoseconds.
    good: AtomicU64,
    /// Locked when something changes, and never across an await.
    last: Mutex<Last>,
}

/// The last ejection.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    since: Duration,
    until: Duration,
    /// When it failed last, by a call that was let in all the same.
    tried: Duration,
    /// When that call began.
    began: Duration,
    /// No trial before its time until then.
    rests_until: Duration,
    /// How many there were, each soon after the one before.
    times: u32,
}

/// Why an instance is not called like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// Its time is not over; it failed last at this moment.
    Out { since: Duration },
    /// Its time is over, or there is another reason to look: the next call decides.
    OnTrial,
}

/// What a call has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The instance is left out until then.
    Ejected(Duration),
    /// It is back.
    Returned,
}

impl Ejection {
    pub(super) fn new(settings: EjectSettings) -> Self {
        Self {
            settings,
            failures: AtomicU32::new(0),
            until: AtomicU64::new(0),
            good: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// Goes on with what another one of the same settings knows.
    pub(super) fn begin_as(&self, other: &Self) {
        let last = *other.last();
        *self.last() = last;
        let failures = other.failures.load(Ordering::Relaxed);
        self.failures.store(failures, Ordering::Relaxed);
        let until = other.until.load(Ordering::Relaxed);
        self.until.store(until, Ordering::Relaxed);
        let good = other.good.load(Ordering::Relaxed);
        self.good.store(good, Ordering::Relaxed);
    }

    /// Whether it is left out, or on trial.
    pub(super) fn is_marked(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    /// Why it is not called like others; `None` when it is. What failed by a call that began before `all_clear` may have been the
    /// trouble of all, and over, though that call hung for long after it.
    pub(super) fn exclusion(&self, now: Duration, all_clear: Duration) -> Option<Exclusion> {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return None;
        }
        let last = *self.last();
        let is_early = last.began < all_clear && last.rests_until <= now;
        Some(match until <= nanos(now) || is_early {
            true => Exclusion::OnTrial,
            false => Exclusion::Out { since: last.tried },
        })
    }

    /// A call that began at `began` had a good response.
    pub(super) fn succeeded(&self, began: Duration) -> Option<Change> {
        self.good.fetch_max(nanos(began), Ordering::Relaxed);
        // What began before says nothing about the time since: it does not bring it back, and a trial that fails is enough still.
        if self.is_marked() && began < self.last().tried {
            return None;
        }
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        let is_back = self.is_marked() && self.until.swap(0, Ordering::Relaxed) != 0;
        is_back.then_some(Change::Returned)
    }

    /// A call that began at `began` was given up before anybody could say how it ends.
    pub(super) fn undecided(&self, began: Duration, now: Duration) {
        if !self.is_marked() {
            return;
        }
        let mut last = self.last();
        if began < last.tried {
            return;
        }
        last.tried = now;
        last.rests_until = now.saturating_add(PAUSE);
        if last.until <= now && self.is_marked() {
            last.until = last.rests_until;
            self.until
                .store(nanos(last.until).max(1), Ordering::Relaxed);
        }
    }

    /// Failures in a row where none are too many, at most 64; 0 where so many leave it out.
    pub(super) fn tolerated(&self) -> u32 {
        match self.settings.consecutive_failures {
            0 => self.failures.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    /// A call that began at `began` failed. One that began before a call that was good says nothing about the time since: of a moment
    /// in which all hang, the calls end when it is over.
    pub(super) fn failed(&self, began: Duration, now: Duration) -> Option<Change> {
        if nanos(began) < self.good.load(Ordering::Relaxed) {
            return None;
        }
        let threshold = self.settings.consecutive_failures;
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        if threshold == 0 {
            self.failures
                .store(failures.min(MOST_COUNTED), Ordering::Relaxed);
            return None;
        }
        if failures < threshold {
            self.failures.store(failures, Ordering::Relaxed);
            return None;
        }
        let mut last = self.last();
        // Of many that were under way together, the first ones have brought it here.
        if last.times > 0 && began < last.tried {
            return None;
        }
        self.failures.store(threshold, Ordering::Relaxed);
        last.tried = now;
        last.began = began;
        // One that is called before its time is up: that it fails is no news. Else a moment in which all fail would take them out
        // for as long as can be, each by the calls that go on meanwhile.
        if self.is_marked() && now < last.until {
            return None;
        }
        let lasted = last.until.saturating_sub(last.since);
        let is_long_ago = now.saturating_sub(last.until) > lasted;
        last.times = match is_long_ago {
            true => 1,
            false => last.times.saturating_add(1).min(MOST_TIMES),
        };
        last.since = now;
        last.until = now.saturating_add(self.settings.base.saturating_mul(last.times));
        self.until
            .store(nanos(last.until).max(1), Ordering::Relaxed);
        Some(Change::Ejected(last.until))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ejection() -> Ejection {
        Ejection::new(EjectSettings {
            consecutive_failures: 3,
            base: SECOND * 10,
            ..EjectSettings::default()
        })
    }

    /// Calls at `at` that take no time.
    fn fail(ejection: &Ejection, at: u32, times: usize) -> Option<Change> {
        let at = SECOND * at;
        (0..times).fold(None, |_, _| ejection.failed(at, at))
    }

    #[test]
    fn so_many_failures_in_a_row_leave_it_out_and_a_good_call_between_them_does_not() {
        let it = ejection();
        assert_eq!(fail(&it, 100, 2), None);
        assert_eq!(it.succeeded(SECOND * 100), None);
        assert_eq!(fail(&it, 100, 2), None);
        assert_eq!(fail(&it, 101, 1), Some(Change::Ejected(SECOND * 111)));
        let since = SECOND * 101;
        let out = |at| it.exclusion(SECOND * at, Duration::ZERO);
        assert_eq!(out(110), Some(Exclusion::Out { since }));
    }

    #[test]
    fn when_its_time_is_over_the_next_call_decides() {
        let it = ejection();
        fail(&it, 100, 3);
        let out = |at| it.exclusion(SECOND * at, Duration::ZERO);
        for at in [110, 500] {
            assert_eq!(out(at), Some(Exclusion::OnTrial));
        }
        assert_eq!(it.succeeded(SECOND * 99), None, "it began before");
        assert_eq!(it.succeeded(SECOND * 500), Some(Change::Returned));
        assert_eq!(out(500), None);
    }

    #[test]
    fn a_good_response_from_before_leaves_one_failed_trial_enough() {
        let it = ejection();
        fail(&it, 100, 3);
        assert_eq!(it.succeeded(SECOND * 99), None, "it began before");
        let ends = SECOND * 130;
        assert_eq!(fail(&it, 110, 1), Some(Change::Ejected(ends)));
    }

    #[test]
    fn a_trial_that_is_given_up_is_made_again_a_little_later() {
        let it = ejection();
        fail(&it, 100, 3);
        let out = |at| it.exclusion(SECOND * at, Duration::ZERO);
        it.undecided(SECOND * 99, SECOND * 120);
        assert_eq!(out(120), Some(Exclusion::OnTrial), "it began before");
        it.undecided(SECOND * 119, SECOND * 120);
        let since = SECOND * 120;
        assert_eq!(out(120), Some(Exclusion::Out { since }));
        assert_eq!(out(121), Some(Exclusion::OnTrial));
        assert_eq!(it.succeeded(SECOND * 121), Some(Change::Returned));
        it.undecided(SECOND * 122, SECOND * 122);
        assert_eq!(out(122), None);
    }

    #[test]
    fn it_is_tried_before_its_time_when_the_trouble_of_all_may_be_over() {
        let it = ejection();
        fail(&it, 100, 3);
        let out = |at, clear| it.exclusion(SECOND * at, SECOND * clear);
        assert_eq!(out(102, 101), Some(Exclusion::OnTrial));
        assert_eq!(fail(&it, 102, 1), None);
        let since = SECOND * 102;
        assert_eq!(out(102, 101), Some(Exclusion::Out { since }));
        assert_eq!(out(110, 101), Some(Exclusion::OnTrial), "no later");
    }

    #[test]
    fn a_trial_before_its_time_that_is_given_up_is_made_again_a_little_later() {
        let it = ejection();
        fail(&it, 100, 3);
        let out = |at| it.exclusion(SECOND * at, SECOND * 101);
        assert_eq!(out(102), Some(Exclusion::OnTrial));
        it.undecided(SECOND * 102, SECOND * 102);
        let since = SECOND * 102;
        assert_eq!(out(102), Some(Exclusion::Out { since }));
        assert_eq!(out(103), Some(Exclusion::OnTrial));
    }

    #[test]
    fn an_ejection_lasts_longer_each_time_and_as_long_as_at_first_when_it_was_well_between() {
        let it = ejection();
        fail(&it, 100, 3);
        let mut now = 110;
        for times in (2..=10).chain([10]) {
            // One call is enough for one that has not been well since.
            let until = now + 10 * times;
            assert_eq!(fail(&it, now, 1), Some(Change::Ejected(SECOND * until)));
            now = until;
        }
        now += 101;
        it.succeeded(SECOND * now);
        let until = SECOND * (now + 10);
        assert_eq!(fail(&it, now, 3), Some(Change::Ejected(until)));
    }

    #[test]
    fn calls_that_began_before_say_nothing_about_it() {
        let it = ejection();
        fail(&it, 100, 3);
        let early = SECOND * 99;
        assert_eq!(it.failed(early, SECOND * 105), None);
        assert_eq!(it.succeeded(early), None);
        assert!(it.is_marked());
    }

    #[test]
    fn one_that_is_called_again_early_is_back_by_a_good_call_and_stays_out_by_a_bad_one() {
        let it = ejection();
        fail(&it, 100, 3);
        assert_eq!(fail(&it, 105, 1), None);
        let since = SECOND * 105;
        let out = |at| it.exclusion(SECOND * at, Duration::ZERO);
        assert_eq!(out(106), Some(Exclusion::Out { since }));
        assert_eq!(out(110), Some(Exclusion::OnTrial), "no longer than before");
        assert_eq!(it.succeeded(SECOND * 106), Some(Change::Returned));
        assert_eq!(out(106), None);
    }

    #[test]
    fn calls_that_began_before_a_good_one_say_nothing_about_it_however_late_they_fail() {
        let it = ejection();
        it.succeeded(SECOND * 100);
        // Two good calls, of which the older one ends last.
        it.succeeded(SECOND * 98);
        for _ in 0..3 {
            assert_eq!(it.failed(SECOND * 99, SECOND * 101), None);
        }
        assert!(!it.is_marked());
        assert_eq!(fail(&it, 102, 3), Some(Change::Ejected(SECOND * 112)));
    }

    #[test]
    fn it_is_tried_before_its_time_though_its_last_call_hung_until_after_the_trouble_of_all() {
        let it = ejection();
        for _ in 0..3 {
            it.failed(SECOND * 100, SECOND * 103);
        }
        let out = |clear| it.exclusion(SECOND * 104, SECOND * clear);
        let since = SECOND * 103;
        assert_eq!(out(100), Some(Exclusion::Out { since }));
        assert_eq!(out(102), Some(Exclusion::OnTrial));
        // The trial hangs as well: it began after that.
        it.failed(SECOND * 104, SECOND * 105);
        let since = SECOND * 105;
        assert_eq!(out(102), Some(Exclusion::Out { since }));
    }

    #[test]
    fn none_is_left_out_where_that_is_off() {
        let it = Ejection::new(EjectSettings::off());
        assert_eq!(fail(&it, 1, 1_000), None);
    }
}
