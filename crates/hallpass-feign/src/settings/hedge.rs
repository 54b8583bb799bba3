//! `hedge`: a second attempt while the first one is under way.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

/// When a further attempt is made at another instance while the first is still under way; whichever answers first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HedgeSettings {
    /// `after-ms`: how long an attempt is waited for before a further one begins. Most answers should be there by then.
    pub after: Duration,
    /// `max-extra`: further attempts at most, beside the first.
    pub max_extra: u32,
    /// `budget-percent`: hedges may add at most this share to the calls of the last seconds.
    pub budget: Percent,
}

impl HedgeSettings {
    /// One further attempt after this time, within 5 % of the calls.
    #[must_use]
    pub fn after(after: Duration) -> Self {
        Self {
            after,
            max_extra: 1,
            budget: Percent::new(5).unwrap_or(Percent::TENTH),
        }
    }
}

pub(super) const HEDGE_KEYS: &[Key] = &[
    Key::new(
        "after-ms",
        Kind::millis(1, 60_000),
        "How long an attempt is waited for before a further one begins at another instance: longer than nearly all answers take.",
    )
    .required(),
    Key::new(
        "max-extra",
        Kind::count(1, 4),
        "Further attempts of one call beside the first.",
    )
    .or("1"),
    Key::new(
        "budget-percent",
        Kind::percent(1),
        "Hedges may add at most this share to the calls (unused ones are saved up, a thousand at most). Retries have a budget of their own.",
    )
    .or("5"),
];

impl HedgeSettings {
    /// Nothing without the section.
    pub(super) fn read(section: &Section<'_>) -> Option<Option<Self>> {
        if !section.is_given() {
            return Some(None);
        }
        let after = section.required("after-ms", Section::millis);
        let max_extra = section.count("max-extra");
        let budget = section.percent("budget-percent");
        Some(Some(Self {
            after: after?,
            max_extra: max_extra?,
            budget: budget?,
        }))
    }
}
