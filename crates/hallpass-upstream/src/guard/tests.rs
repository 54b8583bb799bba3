use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_clock::{ManualClock, TokioClock};
use tokio::time::{Instant, timeout};

use super::{Guard, GuardPass};
use crate::breaker::BreakerState;
use crate::bulkhead::BulkheadSettings;
use crate::outcome::Refusal;
use crate::settings::{
    BreakerControl, BreakerSettings, GuardSettings, RateBehaviour, RateSettings,
};

const SECOND: Duration = Duration::from_secs(1);

/// Two failures open it for 10 s; one call decides then.
fn breaker() -> BreakerSettings {
    BreakerSettings {
        window: 2,
        minimum_calls: 2,
        half_open_calls: 1,
        open: SECOND * 10,
        ..BreakerSettings::default()
    }
}

struct Fixture {
    guard: Guard,
    clock: ManualClock,
    states: Arc<Mutex<Vec<BreakerState>>>,
}

fn guard(settings: GuardSettings) -> Fixture {
    guard_at(ManualClock::new(), settings)
}

fn guard_at(clock: ManualClock, settings: GuardSettings) -> Fixture {
    let states: Arc<Mutex<Vec<BreakerState>>> = Arc::default();
    let told = Arc::clone(&states);
    let on_change = Box::new(move |state| told.lock().unwrap().push(state));
    Fixture {
        guard: Guard::new(
            "orders".into(),
            settings,
            Arc::new(clock.clone()),
            on_change,
        ),
        clock,
        states,
    }
}

impl Fixture {
    async fn call(&self, failed: bool) -> Result<(), Refusal> {
        let pass = self.guard.enter().await?;
        pass.settle(Some(failed), Duration::ZERO);
        Ok(())
    }

    /// In its place, by other settings.
    fn followed_by(&self, settings: GuardSettings) -> Self {
        let next = guard_at(self.clock.clone(), settings);
        Self {
            guard: next.guard.succeeding(&self.guard),
            ..next
        }
    }

    fn states(&self) -> Vec<BreakerState> {
        self.states.lock().unwrap().clone()
    }
}

fn service() -> Arc<str> {
    "orders".into()
}

#[tokio::test]
async fn a_guard_of_nothing_lets_everything_through() {
    let guard = guard(GuardSettings::default()).guard;
    let passes: Vec<GuardPass> = {
        let mut passes = Vec::new();
        for _ in 0..1_000 {
            passes.push(guard.enter().await.unwrap());
        }
        passes
    };
    for pass in passes {
        pass.settle(Some(true), SECOND);
    }
    assert!(guard.enter().await.is_ok());
}

#[tokio::test]
async fn a_breaker_over_all_calls_opens_by_their_outcomes() {
    let it = guard(GuardSettings {
        breakers: vec![breaker()],
        ..GuardSettings::default()
    });
    // No outcome, no failure.
    for _ in 0..5 {
        it.guard.enter().await.unwrap().settle(None, SECOND);
        drop(it.guard.enter().await.unwrap());
    }
    for _ in 0..2 {
        it.call(true).await.unwrap();
    }
    it.clock.advance(SECOND * 4);
    let open = Refusal::BreakerOpen {
        service: service(),
        retry_after: SECOND * 6,
    };
    assert_eq!(it.call(true).await, Err(open));
    it.clock.advance(SECOND * 6);
    it.call(false).await.unwrap();
    let [closed, half, open] = [
        BreakerState::Closed,
        BreakerState::HalfOpen,
        BreakerState::Open,
    ];
    assert_eq!(it.states(), [open, half, closed]);
}

#[tokio::test]
async fn of_several_breakers_each_may_refuse_and_the_strictest_is_shown() {
    let slow = BreakerSettings {
        window: 3,
        minimum_calls: 3,
        open: SECOND * 20,
        ..breaker()
    };
    let it = guard(GuardSettings {
        breakers: vec![slow, breaker()],
        ..GuardSettings::default()
    });
    let early = it.guard.enter().await.unwrap();
    for _ in 0..2 {
        it.call(true).await.unwrap();
    }
    assert_eq!(it.states(), [BreakerState::Open]);
    assert!(it.call(false).await.is_err());
    early.settle(Some(true), SECOND);
    it.clock.advance(SECOND * 10);
    let refused = it.call(false).await.unwrap_err();
    assert!(
        matches!(refused, Refusal::BreakerOpen { retry_after, .. } if retry_after == SECOND * 10)
    );
    // The permit of the first one went back: nothing is stuck when both wait no longer.
    it.clock.advance(SECOND * 10);
    it.call(false).await.unwrap();
    assert_eq!(it.states().last(), Some(&BreakerState::Closed));
}

#[tokio::test]
async fn a_breaker_may_be_forced() {
    let forced = |state| {
        let breakers = vec![BreakerSettings { state, ..breaker() }];
        guard(GuardSettings {
            breakers,
            ..GuardSettings::default()
        })
    };
    let open = forced(BreakerControl::ForcedOpen);
    assert!(open.call(false).await.is_err());
    open.clock.advance(SECOND * 3_600);
    assert!(open.call(false).await.is_err());
    assert_eq!(open.states(), [BreakerState::Open]);
    for control in [BreakerControl::ForcedClosed, BreakerControl::Disabled] {
        let it = forced(control);
        for _ in 0..100 {
            it.call(true).await.unwrap();
        }
        assert!(it.states().is_empty());
    }
}

#[tokio::test]
async fn a_rule_that_is_changed_leaves_the_others_what_they_know() {
    let other_breaker = |open| BreakerSettings {
        open: SECOND * open,
        ..breaker()
    };
    let settings = |rate, open| GuardSettings {
        rates: vec![
            RateSettings::new(rate, SECOND),
            RateSettings::new(4, SECOND),
        ],
        breakers: vec![other_breaker(open), breaker()],
        ..GuardSettings::default()
    };
    let it = guard(settings(100, 7));
    for _ in 0..2 {
        it.call(true).await.unwrap();
    }
    // Another rate, and another breaker before it.
    let next = it.followed_by(settings(50, 3));
    let open = next.call(false).await.unwrap_err();
    assert!(matches!(open, Refusal::BreakerOpen { retry_after, .. } if retry_after == SECOND * 10));
    assert_eq!(next.states(), [BreakerState::Open], "it is shown");
    // Without the breakers: two turns of four are used.
    let rates = GuardSettings {
        breakers: Vec::new(),
        ..settings(50, 3)
    };
    let next = next.followed_by(rates);
    for _ in 0..2 {
        next.call(false).await.unwrap();
    }
    let limited = next.call(false).await.unwrap_err();
    assert!(
        matches!(limited, Refusal::RateLimited { .. }),
        "{limited:?}"
    );
}

#[tokio::test]
async fn more_calls_than_the_rate_are_refused_and_told_when_to_come_again() {
    let it = guard(GuardSettings {
        rates: vec![RateSettings::new(100, SECOND), RateSettings::new(2, SECOND)],
        ..GuardSettings::default()
    });
    for _ in 0..2 {
        it.call(false).await.unwrap();
    }
    let limited = Refusal::RateLimited {
        service: service(),
        retry_after: SECOND / 2,
    };
    assert_eq!(it.call(false).await, Err(limited));
    it.clock.advance(SECOND / 2);
    it.call(false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_guard_took_goes_back_when_the_next_one_refuses() {
    let it = guard(GuardSettings {
        breakers: vec![breaker()],
        bulkhead: Some(BulkheadSettings::new(1, Duration::ZERO)),
        rates: vec![RateSettings::new(3, SECOND)],
    });
    let first = it.guard.enter().await.unwrap();
    assert_eq!(it.guard.places_in_use(), 1);
    // Each refused by the bulkhead: neither a turn nor a permit is gone.
    for _ in 0..10 {
        let full = it.guard.enter().await.unwrap_err();
        assert_eq!(full, Refusal::BulkheadFull { service: service() });
    }
    first.settle(Some(true), SECOND);
    assert_eq!(it.guard.places_in_use(), 0);
    it.call(true).await.unwrap();
    // Each refused by the breaker: the last turn stays.
    for _ in 0..10 {
        let open = it.guard.enter().await.unwrap_err();
        assert!(matches!(open, Refusal::BreakerOpen { .. }));
    }
    it.clock.advance(SECOND * 10);
    let probe = it.guard.enter().await.unwrap();
    assert!(it.guard.enter().await.is_err());
    drop(probe);
    it.call(false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_queues_waits_for_its_turn_and_gives_it_back_when_it_goes_away() {
    let rate = RateSettings {
        behaviour: RateBehaviour::Queue,
        max_wait: SECOND * 10,
        ..RateSettings::new(1, SECOND)
    };
    let settings = GuardSettings {
        rates: vec![rate],
        ..GuardSettings::default()
    };
    let clock = Arc::new(TokioClock::new());
    let guard = Guard::new(service(), settings, clock, Box::new(|_| ()));
    let asked = Instant::now();
    drop(guard.enter().await.unwrap());
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert!(timeout(SECOND / 2, guard.enter()).await.is_err());
    drop(guard.enter().await.unwrap());
    assert_eq!(asked.elapsed(), SECOND);
    drop(guard.enter().await.unwrap());
    assert_eq!(asked.elapsed(), SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_call_ends_and_waited_for() {
    let settings = GuardSettings {
        bulkhead: Some(BulkheadSettings::new(1, SECOND)),
        ..GuardSettings::default()
    };
    let guard = guard(settings).guard;
    let first = guard.enter().await.unwrap();
    let (second, ()) = tokio::join!(guard.enter(), async {
        tokio::time::sleep(SECOND / 2).await;
        first.settle(Some(false), SECOND / 2);
    });
    assert!(second.is_ok());
}
