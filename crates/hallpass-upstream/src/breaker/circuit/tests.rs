mod early;
mod slow_alone;

use std::time::Duration;

use crate::settings::{BreakerSettings, WindowType};
use hallpass_config::Percent;
use proptest::prelude::*;

use super::{Admitted, BreakerState, Circuit};
use crate::breaker::window::CallRecord;

const FAILED: CallRecord = CallRecord {
    failed: true,
    slow: false,
};
const SLOW: CallRecord = CallRecord {
    failed: false,
    slow: true,
};
const GOOD: CallRecord = CallRecord {
    failed: false,
    slow: false,
};

fn settings() -> BreakerSettings {
    BreakerSettings {
        failure_rate: Percent::HALF,
        slow_call_rate: Percent::new(80).unwrap(),
        slow_call: Duration::from_secs(1),
        window: 10,
        minimum_calls: 4,
        open: Duration::from_secs(30),
        half_open_calls: 3,
        abandoned_calls: 5,
        ..BreakerSettings::default()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn call(circuit: &mut Circuit, outcome: CallRecord, now: Duration) {
    let admitted = circuit.admit(now).unwrap();
    circuit.settle(admitted, outcome, (now, now));
}

fn opened() -> Circuit {
    let mut circuit = Circuit::new(settings());
    for _ in 0..4 {
        call(&mut circuit, FAILED, seconds(0));
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    circuit
}

fn abandon(circuit: &mut Circuit, from: u64, until: u64) {
    let admitted = circuit.admit(seconds(from)).unwrap();
    circuit.abandon(admitted, seconds(from), seconds(until));
}

#[test]
fn opens_when_callers_gave_up_many_times_in_a_row_and_nothing_ever_came() {
    let mut circuit = Circuit::new(settings());
    for number in 0..5 {
        assert_eq!(circuit.state(), BreakerState::Closed);
        abandon(&mut circuit, number, number + 1);
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    // And again from half-open.
    for number in 40..45 {
        abandon(&mut circuit, number, number + 1);
    }
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn callers_that_gave_up_count_for_nothing_once_a_good_response_has_come() {
    let mut circuit = Circuit::new(settings());
    for number in 0..100 {
        abandon(&mut circuit, number, number + 1);
        if number % 4 == 3 {
            call(&mut circuit, GOOD, seconds(number + 1));
        }
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
}

#[test]
fn of_calls_that_were_given_up_together_one_counts() {
    let mut circuit = Circuit::new(settings());
    let burst: Vec<Admitted> = (0..100)
        .map(|_| circuit.admit(seconds(0)).unwrap())
        .collect();
    for admitted in burst {
        circuit.abandon(admitted, seconds(0), seconds(1));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    for number in 1..5 {
        abandon(&mut circuit, number, number + 1);
    }
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn stays_closed_below_the_minimum_number_of_calls() {
    let mut circuit = Circuit::new(settings());
    for _ in 0..3 {
        call(&mut circuit, FAILED, seconds(0));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
}

#[test]
fn opens_when_the_failure_rate_is_reached() {
    let mut circuit = Circuit::new(settings());
    for outcome in [GOOD, GOOD, FAILED] {
        call(&mut circuit, outcome, seconds(0));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    call(&mut circuit, FAILED, seconds(0));
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn opens_when_the_slow_call_rate_is_reached_though_every_call_succeeds() {
    let mut circuit = Circuit::new(settings());
    for outcome in [GOOD, SLOW, SLOW, SLOW] {
        call(&mut circuit, outcome, seconds(0));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    call(&mut circuit, SLOW, seconds(0));
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn a_minimum_above_the_window_counts_as_the_window() {
    let mut circuit = Circuit::new(BreakerSettings {
        window: 2,
        minimum_calls: 100,
        ..settings()
    });
    call(&mut circuit, FAILED, seconds(0));
    call(&mut circuit, FAILED, seconds(0));
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn so_many_failures_open_whatever_their_share() {
    let settings = BreakerSettings {
        failures: 3,
        window: 100,
        half_open_calls: 1,
        ..settings()
    };
    let mut circuit = Circuit::new(settings);
    let good = [GOOD; 20];
    for outcome in good.iter().chain(&[FAILED, GOOD, FAILED, GOOD, GOOD]) {
        call(&mut circuit, *outcome, seconds(0));
        assert_eq!(circuit.state(), BreakerState::Closed);
    }
    call(&mut circuit, FAILED, seconds(0));
    assert_eq!(circuit.state(), BreakerState::Open);
    // One call is tried then, and one that fails is enough.
    call(&mut circuit, FAILED, seconds(30));
    assert_eq!(circuit.state(), BreakerState::Open);
    call(&mut circuit, GOOD, seconds(60));
    assert_eq!(circuit.state(), BreakerState::Closed);
}

#[test]
fn in_a_window_of_time_failures_of_long_ago_open_nothing() {
    let settings = BreakerSettings {
        window_type: WindowType::Time,
        window_time: seconds(10),
        window: 1,
        ..settings()
    };
    let mut circuit = Circuit::new(settings);
    for second in [0, 11, 22, 33, 44] {
        for _ in 0..3 {
            call(&mut circuit, FAILED, seconds(second));
        }
        assert_eq!(circuit.state(), BreakerState::Closed);
    }
    call(&mut circuit, FAILED, seconds(50));
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn an_open_circuit_may_be_tried_before_its_time_by_the_permitted_number_of_calls() {
    let mut circuit = opened();
    assert_eq!(circuit.opened_at(), Some(seconds(0)));
    for _ in 0..3 {
        circuit.admit_early(seconds(1)).unwrap();
    }
    assert_eq!(circuit.opened_at(), Some(seconds(1)), "all are under way");
    assert!(circuit.admit_early(seconds(2)).is_err());
}

#[test]
fn calls_that_hang_in_half_open_are_no_reason_to_let_nobody_else_try() {
    let mut circuit = opened();
    let hung = [1, 1, 1].map(|at| circuit.admit_early(seconds(at)).unwrap());
    assert!(circuit.admit(seconds(5)).is_err(), "only where it is early");
    for _ in 0..3 {
        let admitted = circuit.admit_early(seconds(3)).unwrap();
        circuit.settle(admitted, GOOD, (seconds(3), seconds(3)));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    circuit.settle(hung[0], FAILED, (seconds(9), seconds(9)));
    assert_eq!(circuit.state(), BreakerState::Closed);
}

#[test]
fn a_half_open_circuit_whose_calls_do_not_come_back_opens_again_after_its_wait() {
    let settings = BreakerSettings {
        half_open_wait: seconds(5),
        ..settings()
    };
    let mut circuit = Circuit::new(settings);
    for _ in 0..4 {
        call(&mut circuit, FAILED, seconds(0));
    }
    let lost: Vec<_> = (0..3)
        .map(|_| circuit.admit(seconds(30)).unwrap())
        .collect();
    assert!(circuit.admit(seconds(34)).is_err());
    let again = |now| seconds(30 + 5 + 30 - now);
    for now in [35, 64] {
        let refused = circuit.refuses(seconds(now)).unwrap();
        assert_eq!(refused.retry_after, again(now));
        assert_eq!(circuit.admit(seconds(now)).unwrap_err(), refused);
        assert_eq!(circuit.state(), BreakerState::Open);
    }
    assert_eq!(circuit.refuses(seconds(65)), None);
    let admitted = circuit.admit(seconds(65)).unwrap();
    // What comes back at last says nothing about this time.
    for call in lost {
        circuit.settle(call, FAILED, (seconds(65), seconds(65)));
    }
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
    circuit.settle(admitted, GOOD, (seconds(65), seconds(65)));
}

#[test]
fn an_open_circuit_refuses_and_says_how_long() {
    let mut circuit = opened();
    assert_eq!(
        circuit.admit(seconds(10)).unwrap_err().retry_after,
        seconds(20)
    );
    assert_eq!(
        circuit.refuses(seconds(10)).unwrap().retry_after,
        seconds(20)
    );
}

#[test]
fn half_open_lets_in_the_permitted_number_and_no_more() {
    let mut circuit = opened();
    for _ in 0..3 {
        circuit.admit(seconds(30)).unwrap();
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
    }
    assert!(circuit.admit(seconds(30)).is_err());
    assert!(circuit.refuses(seconds(30)).is_some());
}

#[test]
fn half_open_closes_after_good_calls_and_opens_again_after_bad_ones() {
    let mut circuit = opened();
    for outcome in [GOOD, FAILED, GOOD] {
        call(&mut circuit, outcome, seconds(30));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);

    let mut circuit = opened();
    for outcome in [GOOD, FAILED, FAILED] {
        call(&mut circuit, outcome, seconds(30));
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    assert_eq!(
        circuit.admit(seconds(31)).unwrap_err().retry_after,
        seconds(29)
    );
}

#[test]
fn a_call_dropped_in_half_open_gives_its_permit_back() {
    let mut circuit = opened();
    let permits: Vec<Admitted> = (0..3)
        .map(|_| circuit.admit(seconds(30)).unwrap())
        .collect();
    assert!(circuit.admit(seconds(30)).is_err());
    circuit.release(permits[0]);
    assert!(circuit.admit(seconds(30)).is_ok());
    assert!(circuit.admit(seconds(30)).is_err());
}

#[test]
fn a_call_from_before_the_circuit_opened_says_nothing_about_half_open() {
    let mut circuit = Circuit::new(settings());
    let early: Vec<Admitted> = (0..6).map(|_| circuit.admit(seconds(0)).unwrap()).collect();
    for admitted in &early[..4] {
        circuit.settle(*admitted, FAILED, (seconds(0), seconds(0)));
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    circuit.admit(seconds(30)).unwrap();
    for _ in 0..10 {
        circuit.settle(early[4], FAILED, (seconds(30), seconds(30)));
        circuit.release(early[5]);
    }
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
    assert!(circuit.admit(seconds(30)).is_ok());
    assert!(circuit.admit(seconds(30)).is_ok());
    assert!(circuit.admit(seconds(30)).is_err());
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Settle { which: usize, outcome: CallRecord },
    Release { which: usize },
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Admit),
        3 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, failed, slow)| Step::Settle { which, outcome: CallRecord { failed, slow } }),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => (0_u64..20).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    /// Whatever the order of calls: never more under way in one half-open phase than are permitted, nothing is let
    /// in while open, and the circuit can always come back (no permit is ever lost).
    #[test]
    fn invariants_hold_for_any_schedule(steps in prop::collection::vec(step(), 0..300)) {
        let permitted = settings().half_open_calls as usize;
        let mut circuit = Circuit::new(settings());
        let mut under_way: Vec<Admitted> = Vec::new();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Admit => {
                    let refused_before = circuit.refuses(now);
                    match circuit.admit(now) {
                        Ok(admitted) => {
                            prop_assert_eq!(refused_before, None);
                            prop_assert_ne!(circuit.state(), BreakerState::Open);
                            under_way.push(admitted);
                        }
                        Err(refused) => prop_assert_eq!(refused_before, Some(refused)),
                    }
                }
                Step::Settle { which, outcome } if !under_way.is_empty() => {
                    let admitted = under_way.swap_remove(which % under_way.len());
                    circuit.settle(admitted, outcome, (now, now));
                }
                Step::Release { which } if !under_way.is_empty() => {
                    let admitted = under_way.swap_remove(which % under_way.len());
                    circuit.release(admitted);
                }
                Step::Settle { .. } | Step::Release { .. } => {}
                Step::Wait { seconds } => now += Duration::from_secs(seconds),
            }
            if circuit.state() == BreakerState::HalfOpen {
                let probing = under_way.iter().filter(|call| call.generation == circuit.generation).count();
                prop_assert!(probing <= permitted, "{} calls in half-open", probing);
            }
        }
        for admitted in under_way {
            circuit.release(admitted);
        }
        for _ in 0..permitted {
            now += settings().open;
            if let Ok(admitted) = circuit.admit(now) {
                circuit.settle(admitted, GOOD, (now, now));
            }
        }
        now += settings().open;
        prop_assert!(circuit.admit(now).is_ok(), "stuck in {:?}", circuit.state());
    }
}
