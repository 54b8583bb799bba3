//! `feign`: deadlines, retries and circuit breakers of outgoing calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{EndpointUrl, Percent};

/// Settings of the declared clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feign {
    /// `defaults`: for every client that `clients` does not name.
    pub defaults: FeignClientSettings,
    /// `clients`: by name; what an entry leaves out it inherits from `defaults`.
    pub clients: BTreeMap<String, FeignClientSettings>,
}

impl Feign {
    /// The settings of the client `name`, or the defaults.
    #[must_use]
    pub fn client(&self, name: &str) -> &FeignClientSettings {
        self.clients.get(name).unwrap_or(&self.defaults)
    }
}

/// How one declared client calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeignClientSettings {
    /// `url`: where to call instead of the service named in code.
    pub url: Option<EndpointUrl>,
    /// `identity`: whose identity calls carry; overrides what the code declares.
    pub identity: Option<CallIdentity>,
    /// `when-absent`: what happens when that identity is missing; overrides what the code declares.
    pub when_absent: Option<IdentityAbsent>,
    /// `deadline-ms`: for the whole call, with all its attempts. `None` leaves it to the code's declaration,
    /// which by default is [`DEFAULT_DEADLINE`](Self::DEFAULT_DEADLINE).
    pub deadline: Option<Duration>,
    /// `retry`.
    pub retry: RetrySettings,
    /// `breaker`.
    pub breaker: BreakerSettings,
}

impl FeignClientSettings {
    /// The deadline of a call when neither configuration nor code names one.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
}

impl Default for FeignClientSettings {
    fn default() -> Self {
        Self {
            url: None,
            identity: None,
            when_absent: None,
            deadline: None,
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// Whose identity an outgoing call carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallIdentity {
    /// `service`: that of the calling service.
    Service,
    /// `relay`: the caller's own token, unchanged.
    Relay,
    /// `exchange`: the user, with the calling service as the actor (RFC 8693).
    Exchange,
    /// `none`: nobody's.
    None,
}

/// What happens to a call whose identity is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentityAbsent {
    /// `fail`: the call fails before anything is sent.
    Fail,
    /// `service`: it goes out as the calling service.
    Service,
    /// `none`: it goes out without an identity.
    None,
}

/// When a failed attempt is made again. Only calls that may be repeated safely are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// `max-attempts`: the first one counts.
    pub max_attempts: u32,
    /// `budget-percent`: retries may add at most this share to the calls of the last seconds.
    pub budget: Percent,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            budget: Percent::TENTH,
        }
    }
}

/// When calls to an instance that fails or crawls are stopped for a while.
///
/// Names and defaults are those of Resilience4j, except that 10 calls are enough for a rate (there: 100).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// `enabled`.
    pub enabled: bool,
    /// `failure-rate-percent`: share of failed calls that opens the breaker.
    pub failure_rate: Percent,
    /// `slow-call-rate-percent`: share of slow calls that opens it.
    pub slow_call_rate: Percent,
    /// `slow-call-ms`: a call is slow from here on.
    pub slow_call: Duration,
    /// `window`: how many of the last calls are looked at.
    pub window: u32,
    /// `minimum-calls`: fewer calls than this open nothing; not above `window`.
    pub minimum_calls: u32,
    /// `open-ms`: how long it stays open before calls are tried again.
    pub open: Duration,
    /// `half-open-calls`: how many are tried then.
    pub half_open_calls: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_rate: Percent::HALF,
            slow_call_rate: Percent::ALL,
            slow_call: Duration::from_secs(60),
            window: 100,
            minimum_calls: 10,
            open: Duration::from_secs(60),
            half_open_calls: 10,
        }
    }
}
