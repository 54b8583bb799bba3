//! `breaker`: when calls are stopped for a while.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

/// When calls to an instance that fails or crawls are stopped for a while.
///
/// It works as Resilience4j's does, with its defaults, except that 10 calls are enough for a rate (there: 100).
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
    /// `abandoned-calls`: so many calls in a row that were given up by their callers before any response came open it.
    pub abandoned_calls: u32,
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
            abandoned_calls: 20,
        }
    }
}

impl BreakerSettings {
    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
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
        Key::new(
            "abandoned-calls",
            Kind::count(1, 10_000),
            "So many calls in a row whose callers gave up before a response came, each sent after the one before was given \
            up and no good response between them, open it. What callers give up counts for nothing else.",
        )
        .or("20"),
        Key::not_ours("failure-rate-threshold", "here it is `failure-rate-percent`"),
        Key::not_ours("slow-call-rate-threshold", "here it is `slow-call-rate-percent`"),
        Key::not_ours("slow-call-duration-threshold", "here it is `slow-call-ms`, which takes a duration as it is"),
        Key::not_ours("sliding-window-size", "here it is `window`"),
        Key::not_ours("sliding-window-type", "here it is always a count of calls: leave it out"),
        Key::not_ours("minimum-number-of-calls", "here it is `minimum-calls`"),
        Key::not_ours("wait-duration-in-open-state", "here it is `open-ms`, which takes a duration as it is"),
        Key::not_ours("permitted-number-of-calls-in-half-open-state", "here it is `half-open-calls`"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let failure_rate = section.percent("failure-rate-percent");
        let slow_call_rate = section.percent("slow-call-rate-percent");
        let slow_call = section.millis("slow-call-ms");
        let window = section.count("window");
        let minimum_calls = section.count("minimum-calls");
        let open = section.millis("open-ms");
        let half_open_calls = section.count("half-open-calls");
        let abandoned_calls = section.count("abandoned-calls");
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
            abandoned_calls: abandoned_calls?,
        })
    }
}
