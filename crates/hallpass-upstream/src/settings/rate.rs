//! `rate`: how many calls a second begin.

use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

/// What becomes of a call that comes too early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RateBehaviour {
    /// `reject`: it is refused. Calls may come in a burst, as many as a [period](RateSettings::period) has.
    #[default]
    Reject,
    /// `warm-up`: as `reject`, and after a quiet time a third of the calls is let through first, and all of them only when
    /// [`warm_up`](RateSettings::warm_up) has passed under load.
    WarmUp,
    /// `queue`: it waits for its turn, at most [`max_wait`](RateSettings::max_wait). Calls begin at even intervals.
    Queue,
    /// `burst-queue`: as `reject`, and what comes too early waits, at most [`max_wait`](RateSettings::max_wait). After a quiet time
    /// as many calls as a [period](RateSettings::period) has begin at once, and later ones at even intervals.
    BurstQueue,
    /// `warm-up-queue`: both: calls wait, at intervals that are three times as long after a quiet time.
    WarmUpQueue,
}

impl RateBehaviour {
    fn named(name: &str) -> Option<Self> {
        match name {
            "reject" => Some(Self::Reject),
            "warm-up" => Some(Self::WarmUp),
            "queue" => Some(Self::Queue),
            "burst-queue" => Some(Self::BurstQueue),
            "warm-up-queue" => Some(Self::WarmUpQueue),
            _ => None,
        }
    }
}

/// How many calls begin in a period. The behaviours, and the numbers of the warm-up, are those of Sentinel's flow rules.
///
/// ```
/// use std::time::Duration;
/// use hallpass_upstream::RateSettings;
///
/// let every_other_second = RateSettings::new(1, Duration::from_secs(2));
/// assert_eq!(every_other_second.calls, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateSettings {
    /// Calls in a period; 0: none is let through.
    pub calls: u32,
    /// How long a period is; at least a millisecond counts.
    pub period: Duration,
    /// `behaviour`: what becomes of a call that comes too early.
    pub behaviour: RateBehaviour,
    /// `warm-up-seconds`: how long it takes under load until all calls are let through.
    pub warm_up: Duration,
    /// `max-wait-ms`: how long a call waits for its turn. The call's own deadline holds as well.
    pub max_wait: Duration,
}

impl RateSettings {
    /// So many calls in each period; what comes too early is refused. Where another behaviour is set, a warm-up takes 10 s
    /// and a call waits 500 ms.
    #[must_use]
    pub const fn new(calls: u32, period: Duration) -> Self {
        Self {
            calls,
            period,
            behaviour: RateBehaviour::Reject,
            warm_up: Duration::from_secs(10),
            max_wait: Duration::from_millis(500),
        }
    }

    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "per-second",
            Kind::count(1, 1_000_000),
            "Calls that begin in a second.",
        )
        .required(),
        Key::new(
            "behaviour",
            Kind::Choice(&["reject", "warm-up", "queue", "burst-queue", "warm-up-queue"]),
            "What becomes of a call that comes too early: it is refused (`reject`), or waits (`queue`, at even intervals from the first call on; \
            `burst-queue`, where the calls of a second may come at once). With `warm-up` a third of the \
            calls is let through after a quiet time, and all of them only after `warm-up-seconds` under load.",
        )
        .or("reject"),
        Key::new(
            "warm-up-seconds",
            Kind::seconds(1, 3_600),
            "How long a warm-up takes.",
        )
        .or("10"),
        Key::new(
            "max-wait-ms",
            Kind::millis(0, 60_000),
            "How long a call waits for its turn, with `queue` and its kin. Its deadline holds as well, and no more than 10000 calls wait.",
        )
        .or("500"),
        Key::not_ours("limit-for-period", "here it is `per-second`"),
        Key::not_ours("limit-refresh-period", "here it is a second: see `per-second`"),
        Key::not_ours(
            "timeout-duration",
            "here it is `max-wait-ms`, with `behaviour: queue`",
        ),
        Key::not_ours("control-behavior", "here it is `behaviour`"),
        Key::not_ours("warm-up-period-sec", "here it is `warm-up-seconds`"),
        Key::not_ours("max-queueing-time-ms", "here it is `max-wait-ms`"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let calls = section.required("per-second", Section::count);
        let behaviour = section.choice("behaviour", RateBehaviour::named);
        let warm_up = section.seconds("warm-up-seconds");
        let max_wait = section.millis("max-wait-ms");
        Some(Self {
            behaviour: behaviour?,
            warm_up: warm_up?,
            max_wait: max_wait?,
            ..Self::new(calls?, Duration::from_secs(1))
        })
    }
}
