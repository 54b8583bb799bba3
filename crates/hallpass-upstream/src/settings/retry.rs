//! `retry`: when a failed attempt is made again.

use hallpass_config::{Key, Kind, Percent, Section};

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
        "Retries may add at most this share to the calls of the last seconds, so that they do not finish off a \
        service in trouble.",
    )
    .or("10"),
];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let max_attempts = section.count("max-attempts");
        let budget = section.percent("budget-percent");
        Some(Self {
            max_attempts: max_attempts?,
            budget: budget?,
        })
    }
}
