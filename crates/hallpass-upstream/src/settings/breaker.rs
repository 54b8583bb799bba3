//! `breaker`: when calls are stopped for a while.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

/// What a breaker does with what it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BreakerControl {
    /// `auto`: it opens and closes by itself.
    #[default]
    Auto,
    /// `forced-open`: it lets nothing through.
    ForcedOpen,
    /// `forced-closed`: it lets everything through, whatever comes of it.
    ForcedClosed,
    /// `disabled`: there is none. For calls the same as `forced-closed`.
    Disabled,
}

impl BreakerControl {
    fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "forced-open" => Some(Self::ForcedOpen),
            "forced-closed" => Some(Self::ForcedClosed),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// Which calls a breaker looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WindowType {
    /// `count`: the last [`window`](BreakerSettings::window) calls.
    #[default]
    Count,
    /// `time`: those of the last [`window_time`](BreakerSettings::window_time).
    Time,
}

impl WindowType {
    fn named(name: &str) -> Option<Self> {
        match name {
            "count" => Some(Self::Count),
            "time" => Some(Self::Time),
            _ => None,
        }
    }
}

/// When calls to an instance that fails or crawls are stopped for a while.
///
/// It works as Resilience4j's does, with its defaults, except that 10 calls are enough for a rate (there: 100).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// `enabled`; `false` is the same as [`BreakerControl::Disabled`].
    pub enabled: bool,
    /// `state`: whether it opens and closes by itself.
    pub state: BreakerControl,
    /// `failure-rate-percent`: share of failed calls that opens the breaker.
    pub failure_rate: Percent,
    /// `failures`: so many failed calls in the window open it too; 0: their number alone never does. In half-open no more of
    /// them are needed than calls are tried.
    pub failures: u32,
    /// Whether failures open it, which no key says: without, calls that are slow do alone.
    pub counts_failures: bool,
    /// `slow-call-rate-percent`: share of slow calls that opens it.
    pub slow_call_rate: Percent,
    /// `slow-call-ms`: a call is slow from here on.
    pub slow_call: Duration,
    /// `window-type`: which calls are looked at.
    pub window_type: WindowType,
    /// `window`: how many of the last calls are looked at, by a window that counts.
    pub window: u32,
    /// `window-seconds`: how far back calls are looked at, by a window of time; what is older leaves it a tenth at a time.
    pub window_time: Duration,
    /// `minimum-calls`: fewer calls than this open nothing; not above `window` in a window that counts.
    pub minimum_calls: u32,
    /// `open-ms`: how long it stays open before calls are tried again.
    pub open: Duration,
    /// `half-open-calls`: how many are tried then.
    pub half_open_calls: u32,
    /// `half-open-wait-ms`: after so long without an answer from these it opens again; zero: it waits for them.
    pub half_open_wait: Duration,
    /// `abandoned-calls`: so many calls in a row that were given up by their callers before any response came open it.
    pub abandoned_calls: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            state: BreakerControl::Auto,
            failure_rate: Percent::HALF,
            failures: 0,
            counts_failures: true,
            slow_call_rate: Percent::ALL,
            slow_call: Duration::from_secs(60),
            window_type: WindowType::Count,
            window: 100,
            window_time: Duration::from_secs(60),
            minimum_calls: 10,
            open: Duration::from_secs(60),
            half_open_calls: 10,
            half_open_wait: Duration::ZERO,
            abandoned_calls: 20,
        }
    }
}

impl BreakerSettings {
    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new("enabled", Kind::Flag, "Whether there is one.").or("true"),
        Key::new(
            "state",
            Kind::Choice(&["auto", "forced-open", "forced-closed", "disabled"]),
            "`forced-open` lets nothing through; `forced-closed` and `disabled` let everything through, whatever comes of it.",
        )
        .or("auto"),
        Key::new(
            "failure-rate-percent",
            Kind::percent(1),
            "Share of failed calls that opens it.",
        )
        .or("50"),
        Key::new(
            "failures",
            Kind::count(0, 1_000_000),
            "So many failed calls in the window open it too, whatever their share; 0: only their share counts. After the open time no \
            more of them are needed than calls are tried.",
        )
        .or("0"),
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
            "window-type",
            Kind::Choice(&["count", "time"]),
            "Which calls are looked at: the last `window` ones, or those of the last `window-seconds`.",
        )
        .or("count"),
        Key::new(
            "window",
            Kind::count(1, 10_000),
            "How many of the last calls are looked at, with `window-type: count`.",
        )
        .or("100"),
        Key::new(
            "window-seconds",
            Kind::seconds(1, 3_600),
            "How far back calls are looked at, with `window-type: time`. What is older leaves the window a tenth at a time.",
        )
        .or("60"),
        Key::new(
            "minimum-calls",
            Kind::count(1, 10_000),
            "Fewer calls than this open nothing. Must not be above `window` with `window-type: count`.",
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
            "half-open-wait-ms",
            Kind::millis(0, 3_600_000),
            "After so long without an answer from these it opens again; 0: it waits for them.",
        )
        .or("0"),
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
        Key::not_ours("sliding-window-size", "here it is `window`, or `window-seconds` with `window-type: time`"),
        Key::not_ours("sliding-window-type", "here it is `window-type`, `count` or `time`"),
        Key::not_ours("minimum-number-of-calls", "here it is `minimum-calls`"),
        Key::not_ours("wait-duration-in-open-state", "here it is `open-ms`, which takes a duration as it is"),
        Key::not_ours("permitted-number-of-calls-in-half-open-state", "here it is `half-open-calls`"),
        Key::not_ours(
            "max-wait-duration-in-half-open-state",
            "here it is `half-open-wait-ms`, which takes a duration as it is",
        ),
        Key::not_ours("initial-state", "here it is `state`"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let state = section.choice("state", BreakerControl::named);
        let failure_rate = section.percent("failure-rate-percent");
        let failures = section.count("failures");
        let slow_call_rate = section.percent("slow-call-rate-percent");
        let slow_call = section.millis("slow-call-ms");
        let window_type = section.choice("window-type", WindowType::named);
        let window = section.count("window");
        let window_time = section.seconds("window-seconds");
        let minimum_calls = section.count("minimum-calls");
        let open = section.millis("open-ms");
        let half_open_calls = section.count("half-open-calls");
        let half_open_wait = section.millis("half-open-wait-ms");
        let abandoned_calls = section.count("abandoned-calls");
        if window_type == Some(WindowType::Count) && minimum_calls > window && window.is_some() {
            section.problem(
                "minimum-calls",
                "must not be above window: so many calls are never looked at",
            );
        }
        Some(Self {
            enabled: enabled?,
            state: state?,
            failure_rate: failure_rate?,
            failures: failures?,
            counts_failures: true,
            slow_call_rate: slow_call_rate?,
            slow_call: slow_call?,
            window_type: window_type?,
            window: window?,
            window_time: window_time?,
            minimum_calls: minimum_calls?,
            open: open?,
            half_open_calls: half_open_calls?,
            half_open_wait: half_open_wait?,
            abandoned_calls: abandoned_calls?,
        })
    }
}
