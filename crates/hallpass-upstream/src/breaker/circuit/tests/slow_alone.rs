//! A breaker that looks at slow calls alone.

use crate::settings::BreakerSettings;

use super::{BreakerState, Circuit, FAILED, SLOW, call, seconds, settings};

#[test]
fn where_failures_do_not_count_slow_calls_alone_open() {
    let settings = BreakerSettings {
        counts_failures: false,
        failures: 2,
        half_open_calls: 1,
        ..settings()
    };
    let mut circuit = Circuit::new(settings);
    for _ in 0..20 {
        call(&mut circuit, FAILED, seconds(0));
        assert_eq!(circuit.state(), BreakerState::Closed);
    }
    for _ in 0..8 {
        call(&mut circuit, SLOW, seconds(0));
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    call(&mut circuit, SLOW, seconds(30));
    assert_eq!(circuit.state(), BreakerState::Open);
    call(&mut circuit, FAILED, seconds(60));
    assert_eq!(circuit.state(), BreakerState::Closed);
}
