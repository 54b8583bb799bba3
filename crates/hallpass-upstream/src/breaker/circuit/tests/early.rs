//! One that is asked before its time.

use super::*;

#[test]
fn one_that_is_half_open_before_its_time_opens_by_its_first_failure_and_for_no_longer() {
    let mut circuit = opened();
    for at in [5, 6] {
        let first = circuit.admit_early(seconds(at)).unwrap();
        let second = circuit.admit_early(seconds(at)).unwrap();
        circuit.settle(first, FAILED, (seconds(at), seconds(at + 1)));
        assert_eq!(circuit.opened_at(), Some(seconds(at)), "by this call");
        let refused = circuit.refuses(seconds(10)).unwrap();
        assert_eq!(refused.retry_after, seconds(20), "as before");
        // Of before.
        circuit.settle(second, GOOD, (seconds(at), seconds(at + 1)));
        assert_eq!(circuit.state(), BreakerState::Open);
    }
    // A failure after a good call is one of those that a circuit may have.
    for outcome in [GOOD, FAILED, GOOD] {
        let admitted = circuit.admit_early(seconds(10)).unwrap();
        circuit.settle(admitted, outcome, (seconds(10), seconds(10)));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    // In its time it opens by what comes of all its calls.
    let mut circuit = opened();
    call(&mut circuit, FAILED, seconds(30));
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
}

#[test]
fn it_is_open_since_the_call_began_that_opened_it() {
    let mut circuit = Circuit::new(settings());
    for _ in 0..4 {
        let admitted = circuit.admit(seconds(10)).unwrap();
        circuit.settle(admitted, FAILED, (seconds(10), seconds(15)));
    }
    assert_eq!(circuit.opened_at(), Some(seconds(10)));
    let refused = circuit.refuses(seconds(15)).unwrap();
    assert_eq!(refused.retry_after, seconds(30));
}
