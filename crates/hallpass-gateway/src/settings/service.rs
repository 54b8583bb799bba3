//! `gateway.services`: how each service is called.

use hallpass_upstream::{
    BalanceSettings, BreakerSettings, BulkheadSettings, EjectSettings, GuardSettings, Http2,
};

/// An entry of `services`: how a service is called, whichever route leads there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `http2`: whether requests are sent by HTTP/2; `never` unless it is said.
    pub http2: Option<Http2>,
    /// `breaker`: of each instance.
    pub breaker: BreakerSettings,
    /// `bulkhead`: of each instance.
    pub bulkhead: BulkheadSettings,
    /// `balance`: which instances are preferred.
    pub balance: BalanceSettings,
    /// `eject`: when an instance is left out for a while.
    pub eject: EjectSettings,
    /// `service`: what the service as a whole allows.
    pub guard: GuardSettings,
}
