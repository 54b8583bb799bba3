//! `retry`: when a failed attempt is made again.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

use crate::retry_statuses::RetryStatuses;

/// When a failed attempt is made again. Only calls that may be repeated safely are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// `max-attempts`: the first one counts.
    pub max_attempts: u32,
    /// `budget-percent`: retries may add at most this share to the calls, of which up to a thousand retries are saved up.
    pub budget: Percent,
    /// `base-ms`: longest wait before the first retry.
    pub base: Duration,
    /// `max-wait-ms`: longest wait before any retry that the callee does not ask for.
    pub max_wait: Duration,
    /// `multiplier`: how the longest wait grows with each retry.
    pub multiplier: u32,
    /// `statuses`: responses that are worth another attempt.
    pub statuses: RetryStatuses,
    /// `attempt-timeout-ms`: an attempt that takes longer, from the moment at which it is sent, is given up, and counts as a failure of its instance. `None`: it has
    /// what is left of the call.
    pub attempt_timeout: Option<Duration>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            budget: Percent::TENTH,
            base: Duration::from_millis(25),
            max_wait: Duration::from_secs(1),
            multiplier: 2,
            statuses: RetryStatuses::default(),
            attempt_timeout: None,
        }
    }
}

impl RetrySettings {
    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "max-attempts",
            Kind::count(1, 10),
            "Attempts of one call; the first counts. Only calls that may be repeated safely are.",
        )
        .or("3"),
        Key::new(
            "budget-percent",
            Kind::percent(0),
            "Retries may add at most this share to the calls (unused ones are saved up, a thousand at most), so that they do not finish off a \
            service in trouble.",
        )
        .or("10"),
        Key::new(
            "base-ms",
            Kind::millis(1, 60_000),
            "Longest wait before the first retry; each wait is random below the longest one.",
        )
        .or("25"),
        Key::new(
            "max-wait-ms",
            Kind::millis(1, 60_000),
            "Longest wait before any retry, unless the callee asks for more (`Retry-After`). No wait is as long as what is left \
            of the deadline.",
        )
        .or("1000"),
        Key::new(
            "multiplier",
            Kind::count(1, 10),
            "How many times longer the longest wait is with each retry.",
        )
        .or("2"),
        Key::new(
            "statuses",
            Kind::Texts {
                what: "statuses from 400 to 599, without 401 and 403",
            },
            "Responses that are worth another attempt. 429 is with `Retry-After` only.",
        )
        .or("425, 429, 502, 503, 504"),
        Key::new(
            "attempt-timeout-ms",
            Kind::millis(1, 3_600_000),
            "An attempt that takes longer from the moment at which it is sent is given up, counts as a failure of its instance, and is \
            made again if the call may be repeated.",
        )
        .otherwise("what is left of the deadline"),
        // Of Spring Cloud Gateway.
        Key::not_ours("retries", "here it is `max-attempts`, in which the first one counts: one more"),
        Key::not_ours("series", "here it is `statuses`, by numbers"),
        Key::not_ours("methods", "leave it out: only requests that may be repeated safely are sent again"),
        Key::not_ours("exceptions", "leave it out: what was not sent is sent again"),
        Key::not_ours("backoff", "here it is `base-ms`, `max-wait-ms` and `multiplier`"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let max_attempts = section.count("max-attempts");
        let budget = section.percent("budget-percent");
        let base = section.millis("base-ms");
        let max_wait = section.millis("max-wait-ms");
        let multiplier = section.count("multiplier");
        let statuses = section.texts("statuses", RetryStatuses::one);
        let attempt_timeout = section.millis("attempt-timeout-ms");
        Some(Self {
            max_attempts: max_attempts?,
            budget: budget?,
            base: base?,
            max_wait: max_wait?,
            multiplier: multiplier?,
            statuses: statuses?.into_iter().collect(),
            attempt_timeout,
        })
    }
}
