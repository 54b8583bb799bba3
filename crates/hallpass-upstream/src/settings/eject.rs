//! `eject`: when an instance is left out for a while.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

/// When an instance that fails again and again is left out for a while, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EjectSettings {
    /// `consecutive-failures`: so many in a row, without a good response between them; 0: none is ejected.
    pub consecutive_failures: u32,
    /// `base-ms`: for how long the first time; the second time in a row for twice as long, and so on up to ten times. After that
    /// it gets one call at a time until a good response has come.
    pub base: Duration,
    /// `max-percent`: at most this share of the instances is left out, by ejection and open breakers together, rounded up: when
    /// there are more, those that were left out first are called again.
    pub max: Percent,
}

impl Default for EjectSettings {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base: Duration::from_secs(30),
            max: Percent::HALF,
        }
    }
}

impl EjectSettings {
    /// No instance is ejected, and breakers may refuse all of them.
    #[must_use]
    pub fn off() -> Self {
        Self {
            consecutive_failures: 0,
            max: Percent::ALL,
            ..Self::default()
        }
    }

    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "consecutive-failures",
            Kind::count(0, 10_000),
            "So many failed calls in a row, without a good one between them, leave an instance out; 0: none is left out by this.",
        )
        .or("5"),
        Key::new(
            "base-ms",
            Kind::millis(1, 3_600_000),
            "For how long the first time; the second time in a row twice as long, up to ten times as long.",
        )
        .or("30000"),
        Key::new(
            "max-percent",
            Kind::percent(1),
            "At most this share of the instances is left out at once, by this and by open circuit breakers together (rounded up): when \
            there are more, those that were left out first are called again, a few calls at a time. A service with one instance has its \
            breaker alone. `100`: breakers may stop all calls.",
        )
        .or("50"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let consecutive_failures = section.count("consecutive-failures");
        let base = section.millis("base-ms");
        let max = section.percent("max-percent");
        Some(Self {
            consecutive_failures: consecutive_failures?,
            base: base?,
            max: max?,
        })
    }
}
