//! Clocks that a test drives and a network that misbehaves on demand, for tests of code that uses Hallpass.
//!
//! Nothing here is a mock: a proxy passes bytes or does not, a clock shows the time it was told.
//! What a test may steer is what the outside world steers: time ([`ManualClock`], [`TokioClock`])
//! and the network ([`FaultProxy`]).

mod clock;
mod fault_proxy;

pub use clock::{ManualClock, TokioClock};
pub use fault_proxy::{Fault, FaultProxy};
