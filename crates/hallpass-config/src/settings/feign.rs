//! `feign`: deadlines, retries and circuit breakers of outgoing calls.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{EndpointUrl, Percent};
use crate::key::{Key, Kind};
use crate::section::Section;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "defaults",
        Kind::Section(CLIENT_KEYS),
        "For every declared client that `clients` does not name.",
    ),
    Key::new(
        "clients",
        Kind::Named(CLIENT_KEYS),
        "By the name of the declared client. What an entry leaves out it inherits from `defaults`.",
    ),
];

const CLIENT_KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text { what: "`https://`, `lb://service/path`, or `http://` to loopback" },
        "Where to call instead of the service that the code names.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "identity",
        Kind::Choice(&["service", "relay", "exchange", "none"]),
        "Whose identity calls carry: that of this service, the caller's own token, the caller with this service as \
        the actor, or nobody's.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "audience",
        Kind::Text { what: "" },
        "The service that a service token for these calls is made for, where its name in tokens is another one here.",
    )
    .otherwise("as the code declares, else the client's name"),
    Key::new(
        "when-absent",
        Kind::Choice(&["fail", "service", "none"]),
        "What happens when that identity is missing: the call fails before anything is sent, goes out as this \
        service, or goes out without an identity.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "deadline-ms",
        Kind::millis(1, 3_600_000),
        "Longest time of a call, with all its attempts.",
    )
    .otherwise("as the code declares, else 5000"),
    Key::new("retry", Kind::Section(RETRY_KEYS), "When a failed attempt is made again."),
    Key::new(
        "breaker",
        Kind::Section(BREAKER_KEYS),
        "When calls to an instance that fails or crawls are stopped for a while. Names and defaults are those of \
        Resilience4j, except that 10 calls are enough for a rate (there: 100).",
    ),
];

const RETRY_KEYS: &[Key] = &[
    Key::new(
        "max-attempts",
        Kind::count(1, 10),
        "Attempts of one call; the first counts. Only calls that may be repeated safely are.",
    )
    .or("3"),
    Key::new(
        "budget-percent",
        Kind::percent(0),
        "Retries may add at most this share to the calls of the last seconds, so that they do not finish off a \
        service in trouble.",
    )
    .or("10"),
];

const BREAKER_KEYS: &[Key] = &[
    Key::new("enabled", Kind::Flag, "Whether there is one.").or("true"),
    Key::new(
        "failure-rate-percent",
        Kind::percent(1),
        "Share of failed calls that opens it.",
    )
    .or("50"),
    Key::new(
        "slow-call-rate-percent",
        Kind::percent(1),
        "Share of slow calls that opens it.",
    )
    .or("100"),
    Key::new(
        "slow-call-ms",
        Kind::millis(1, 3_600_000),
        "A call is slow from here on.",
    )
    .or("60000"),
    Key::new(
        "window",
        Kind::count(1, 10_000),
        "How many of the last calls are looked at.",
    )
    .or("100"),
    Key::new(
        "minimum-calls",
        Kind::count(1, 10_000),
        "Fewer calls than this open nothing. Must not be above `window`.",
    )
    .or("10"),
    Key::new(
        "open-ms",
        Kind::millis(1, 3_600_000),
        "How long it stays open before calls are tried again.",
    )
    .or("60000"),
    Key::new(
        "half-open-calls",
        Kind::count(1, 1_000),
        "How many are tried then.",
    )
    .or("10"),
];

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeignClientSettings {
    /// `url`: where to call instead of the service named in code.
    pub url: Option<EndpointUrl>,
    /// `identity`: whose identity calls carry; overrides what the code declares.
    pub identity: Option<CallIdentity>,
    /// `audience`: whom a service token for these calls is made for; overrides what the code declares.
    pub audience: Option<String>,
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

impl Feign {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let defaults_section = section.section("defaults");
        let defaults = FeignClientSettings::read(&defaults_section);
        let clients = section.named("clients").into_iter().map(|(name, client)| {
            let settings = FeignClientSettings::read(&client.inheriting(&defaults_section));
            settings.map(|settings| (name, settings))
        });
        let clients: Vec<_> = clients.collect();
        Some(Self {
            defaults: defaults?,
            clients: clients.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl FeignClientSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.parsed("url");
        let identity = section.choice("identity", CallIdentity::named);
        let audience = section.name("audience");
        let when_absent = section.choice("when-absent", IdentityAbsent::named);
        let deadline = section.millis("deadline-ms");
        let retry = RetrySettings::read(&section.section("retry"));
        let breaker = BreakerSettings::read(&section.section("breaker"));
        Some(Self {
            url,
            identity,
            audience,
            when_absent,
            deadline,
            retry: retry?,
            breaker: breaker?,
        })
    }
}

impl RetrySettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let max_attempts = section.count("max-attempts");
        let budget = section.percent("budget-percent");
        Some(Self {
            max_attempts: max_attempts?,
            budget: budget?,
        })
    }
}

impl BreakerSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let failure_rate = section.percent("failure-rate-percent");
        let slow_call_rate = section.percent("slow-call-rate-percent");
        let slow_call = section.millis("slow-call-ms");
        let window = section.count("window");
        let minimum_calls = section.count("minimum-calls");
        let open = section.millis("open-ms");
        let half_open_calls = section.count("half-open-calls");
        if minimum_calls > window && window.is_some() {
            section.problem(
                "minimum-calls",
                "must not be above window: so many calls are never looked at",
            );
        }
        Some(Self {
            enabled: enabled?,
            failure_rate: failure_rate?,
            slow_call_rate: slow_call_rate?,
            slow_call: slow_call?,
            window: window?,
            minimum_calls: minimum_calls?,
            open: open?,
            half_open_calls: half_open_calls?,
        })
    }
}

impl CallIdentity {
    const ALL: [Self; 4] = [Self::Service, Self::Relay, Self::Exchange, Self::None];

    /// The name in configuration and in code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Relay => "relay",
            Self::Exchange => "exchange",
            Self::None => "none",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|identity| identity.as_str() == name)
    }
}

impl fmt::Display for CallIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl IdentityAbsent {
    const ALL: [Self; 3] = [Self::Fail, Self::Service, Self::None];

    /// The name in configuration and in code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Service => "service",
            Self::None => "none",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|absent| absent.as_str() == name)
    }
}
