use std::time::Duration;

use super::Rate;
use crate::settings::{RateBehaviour, RateSettings};

const SECOND: Duration = Duration::from_secs(1);

fn rate(calls: u32, behaviour: RateBehaviour) -> Rate {
    Rate::new(RateSettings {
        behaviour,
        ..RateSettings::new(calls, SECOND)
    })
}

fn warming(calls: u32, seconds: u64) -> Rate {
    Rate::new(RateSettings {
        behaviour: RateBehaviour::WarmUp,
        warm_up: Duration::from_secs(seconds),
        ..RateSettings::new(calls, SECOND)
    })
}

/// How many of `asked` calls at one moment go through.
fn let_through(rate: &Rate, asked: usize, now: Duration) -> usize {
    (0..asked).filter(|_| rate.take(now).is_ok()).count()
}

#[test]
fn what_comes_too_early_is_refused_and_told_when_to_come_again() {
    let rate = rate(4, RateBehaviour::Reject);
    assert_eq!(let_through(&rate, 10, SECOND), 4, "a burst");
    assert_eq!(rate.take(SECOND), Err(SECOND / 4));
    assert_eq!(let_through(&rate, 10, SECOND + SECOND / 2), 2);
    assert_eq!(
        let_through(&rate, 10, SECOND * 60),
        4,
        "no more is saved up"
    );
}

#[test]
fn over_a_long_time_no_more_are_let_through_than_the_rate_says() {
    for behaviour in [
        RateBehaviour::Reject,
        RateBehaviour::Queue,
        RateBehaviour::BurstQueue,
    ] {
        let rate = rate(50, behaviour);
        let mut passed = 0;
        for millis in 0..60_000 {
            passed += let_through(&rate, 1, Duration::from_millis(millis));
        }
        // A burst, and the turns that are still waited for.
        assert!((3_000..=3_075).contains(&passed), "{passed}");
    }
}

#[test]
fn a_rate_below_one_a_second_is_kept_too() {
    let rate = Rate::new(RateSettings::new(1, SECOND * 2));
    let seconds = (0..10).filter(|second| rate.take(SECOND * *second).is_ok());
    assert_eq!(seconds.collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    let nothing = Rate::new(RateSettings::new(0, SECOND));
    assert_eq!(nothing.take(SECOND), Err(SECOND));
}

/// As many calls a second as Sentinel's WarmUpController (cold factor 3) lets through under more load than that: its
/// arithmetic, written down apart from ours.
#[test]
fn a_warm_up_lets_a_third_through_and_then_all_as_sentinel_does() {
    let hundred = [33, 34, 36, 38, 41, 44, 47, 52, 58, 68, 83, 100, 100, 100];
    let rate = warming(100, 10);
    for (second, expected) in (1000..).zip(hundred) {
        assert_eq!(let_through(&rate, 1_000, SECOND * second), expected);
    }
    // After a quiet time it is cold again.
    for (second, expected) in (1030..).zip(hundred) {
        assert_eq!(let_through(&rate, 1_000, SECOND * second), expected);
    }
    let thirty = [10, 10, 12, 13, 16, 21, 30, 30, 30];
    let rate = warming(30, 5);
    for (second, expected) in (0..).zip(thirty) {
        assert_eq!(let_through(&rate, 1_000, SECOND * second), expected);
    }
    // Too short for a single token.
    assert_eq!(let_through(&warming(1, 1), 10, SECOND), 1);
}

#[test]
fn a_call_that_a_warm_up_refuses_is_told_of_the_next_second() {
    let rate = warming(3, 10);
    assert_eq!(let_through(&rate, 9, SECOND), 1);
    assert_eq!(rate.take(SECOND + SECOND / 4), Err(SECOND / 4 * 3));
}

#[test]
fn calls_that_queue_are_let_through_one_after_the_other_and_do_not_wait_for_long() {
    let rate = Rate::new(RateSettings {
        behaviour: RateBehaviour::Queue,
        max_wait: SECOND / 2,
        ..RateSettings::new(4, SECOND)
    });
    let waits: Vec<_> = (0..5).map(|_| rate.take(SECOND)).collect();
    let quarter = SECOND / 4;
    let expected = [
        Ok(Duration::ZERO),
        Ok(quarter),
        Ok(quarter * 2),
        Err(quarter),
        Err(quarter),
    ];
    assert_eq!(waits, expected);
    rate.give_back(SECOND);
    assert_eq!(rate.take(SECOND), Ok(quarter * 2));
}

#[test]
fn the_calls_of_a_period_go_through_at_once_and_later_ones_wait() {
    let rate = Rate::new(RateSettings {
        behaviour: RateBehaviour::BurstQueue,
        max_wait: SECOND / 2,
        ..RateSettings::new(4, SECOND)
    });
    let quarter = SECOND / 4;
    let waits: Vec<_> = (0..7).map(|_| rate.take(SECOND)).collect();
    let expected = [
        Ok(Duration::ZERO),
        Ok(Duration::ZERO),
        Ok(Duration::ZERO),
        Ok(Duration::ZERO),
        Ok(quarter),
        Ok(quarter * 2),
        Err(quarter),
    ];
    assert_eq!(waits, expected);
    rate.give_back(SECOND);
    assert_eq!(rate.take(SECOND), Ok(quarter * 2));
    assert_eq!(rate.take(SECOND * 10), Ok(Duration::ZERO), "saved up again");
}

#[test]
fn a_queue_has_an_end_whatever_wait_is_set() {
    let rate = Rate::new(RateSettings {
        behaviour: RateBehaviour::Queue,
        max_wait: SECOND * 3_600,
        ..RateSettings::new(1_000_000, SECOND)
    });
    assert_eq!(let_through(&rate, 20_000, SECOND), 10_001);
}

#[test]
fn a_cold_queue_has_three_times_the_interval() {
    let rate = rate(100, RateBehaviour::WarmUpQueue);
    assert_eq!(rate.take(SECOND), Ok(Duration::ZERO));
    let second = rate.take(SECOND).unwrap();
    assert!((29..=30).contains(&second.as_millis()), "{second:?}");
    // Under load it becomes warm.
    let mut now = SECOND;
    for _ in 0..3_000 {
        now += rate.take(now).unwrap();
    }
    let warm = rate.take(now).unwrap();
    assert_eq!(warm, Duration::from_millis(10));
}

#[test]
fn what_was_taken_and_not_used_is_for_the_next() {
    for behaviour in [RateBehaviour::Reject, RateBehaviour::WarmUp] {
        let rate = rate(3, behaviour);
        let all = let_through(&rate, 10, SECOND);
        assert!(rate.take(SECOND).is_err());
        rate.give_back(SECOND);
        assert_eq!(let_through(&rate, 10, SECOND), 1, "{behaviour:?} of {all}");
    }
}
