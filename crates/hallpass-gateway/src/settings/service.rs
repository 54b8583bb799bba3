//! `gateway.services`: how each service is called.

use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::{
    BalanceSettings, BreakerSettings, BulkheadSettings, EjectSettings, GuardSettings, Http2,
};

use super::caller_bulkhead::CallerBulkheadSettings;

/// An entry of `services`: how a service is called, whichever route leads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `http2`: whether requests are sent by HTTP/2.
    pub http2: Http2,
    /// `breaker`: of each instance.
    pub breaker: BreakerSettings,
    /// `bulkhead`: of each instance.
    pub bulkhead: BulkheadSettings,
    /// `caller-bulkhead`: of each caller; `None`: no limit.
    pub caller_bulkhead: Option<CallerBulkheadSettings>,
    /// `balance`: which instances are preferred.
    pub balance: BalanceSettings,
    /// `eject`: when an instance is left out for a while.
    pub eject: EjectSettings,
    /// `service`: what the service as a whole allows.
    pub guard: GuardSettings,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            http2: Http2::default(),
            breaker: BreakerSettings::default(),
            bulkhead: BulkheadSettings::default(),
            caller_bulkhead: Some(CallerBulkheadSettings::default()),
            balance: BalanceSettings::default(),
            eject: EjectSettings::default(),
            guard: GuardSettings::default(),
        }
    }
}

impl ServiceSettings {
    /// The keys of an entry.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "http2",
            Kind::Choice(Http2::NAMES),
            "Whether requests are sent by HTTP/2, many on one connection: `auto` where the service takes it with TLS, `always` over \
            plain http too, for a service that is known to speak it (gRPC). WebSockets go by HTTP/1.1.",
        )
        .or("never"),
        Key::new(
            "breaker",
            Kind::Section(BreakerSettings::KEYS),
            "When requests to an instance that fails or crawls are stopped for a while.",
        ),
        Key::new(
            "bulkhead",
            Kind::Section(BulkheadSettings::KEYS),
            "How many requests are under way to one instance at once.",
        ),
        Key::new(
            "caller-bulkhead",
            Kind::Section(CallerBulkheadSettings::KEYS),
            "How many requests of one caller are under way to the service at once, whatever instance they go to, so that nobody alone takes all places. \
            Of each process for itself.",
        )
        .or_value_of("enabled"),
        Key::new(
            "balance",
            Kind::Section(BalanceSettings::KEYS),
            "Which of the instances that are well are preferred.",
        ),
        Key::new(
            "eject",
            Kind::Section(EjectSettings::KEYS),
            "When an instance that fails again and again is left out for a while.",
        ),
        Key::new(
            "guard",
            Kind::Section(GuardSettings::KEYS),
            "What the service as a whole allows, whatever instance is called.",
        ),
        Key::not_ours("circuitbreaker", "here it is `breaker`"),
        Key::not_ours("retry", "routes say when a request is sent again: `routes[].retry`, or `defaults.retry`"),
        Key::not_ours("timeouts", "routes say how long they wait: `routes[].timeouts`, or `defaults.timeouts`"),
        Key::not_ours("fallback", "there are no fallback routes here: callers get 502, 503 or 504 with a `code`"),
        Key::not_ours("fallback-uri", "there are no fallback routes here: callers get 502, 503 or 504 with a `code`"),
        Key::not_ours("max-connections", "here it is `bulkhead.max-concurrent`, of requests to one instance"),
        Key::not_ours("connect-timeout", "here it is `transport.connect-timeout-ms`, for all"),
        Key::not_ours("response-timeout", "here it is `timeouts.response-ms` of routes"),
    ];

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let http2 = section.choice("http2", Http2::named);
        let breaker = BreakerSettings::read(&section.section("breaker"));
        let bulkhead = BulkheadSettings::read(&section.section("bulkhead"));
        let caller_bulkhead =
            CallerBulkheadSettings::read(&section.section("caller-bulkhead"), bulkhead.as_ref());
        let balance = BalanceSettings::read(&section.section("balance"));
        let eject = EjectSettings::read(&section.section("eject"));
        let guard = GuardSettings::read(&section.section("guard"));
        Some(Self {
            http2: http2?,
            breaker: breaker?,
            bulkhead: bulkhead?,
            caller_bulkhead: caller_bulkhead?,
            balance: balance?,
            eject: eject?,
            guard: guard?,
        })
    }
}
