//! `breaker`, `bulkhead` and `rate` of a whole service, or of one method.

use hallpass_config::{Key, Kind, Section};

use super::breaker::BreakerSettings;
use super::rate::RateSettings;
use crate::bulkhead::BulkheadSettings;

/// What guards a whole service, or one method of it, whatever instance its calls go to: what is not said is not there.
///
/// There may be several breakers and rates, as estates with several rules for one resource have them: each of them must let a
/// call through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// `breaker`: circuit breakers over all its calls.
    pub breakers: Vec<BreakerSettings>,
    /// `bulkhead`: its calls under way at once.
    pub bulkhead: Option<BulkheadSettings>,
    /// `rate`: how many of its calls begin in a second.
    pub rates: Vec<RateSettings>,
}

impl GuardSettings {
    /// Whether nothing is guarded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.breakers.is_empty() && self.bulkhead.is_none() && self.rates.is_empty()
    }

    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "breaker",
            Kind::Section(BreakerSettings::KEYS),
            "A circuit breaker over all calls, with their retries, whatever instance they go to. None without this section.",
        ),
        Key::new(
            "bulkhead",
            Kind::Section(BulkheadSettings::KEYS),
            "Calls under way at once, over all instances. No limit without this section.",
        ),
        Key::new(
            "rate",
            Kind::Section(RateSettings::KEYS),
            "Calls that begin in a second, over all instances. No limit without this section.",
        ),
    ];

    /// Reads such a section: one breaker, bulkhead and rate at most.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let breaker = given(section, "breaker", BreakerSettings::read);
        let bulkhead = given(section, "bulkhead", BulkheadSettings::read);
        let rate = given(section, "rate", RateSettings::read);
        Some(Self {
            breakers: breaker?.into_iter().collect(),
            bulkhead: bulkhead?,
            rates: rate?.into_iter().collect(),
        })
    }
}

/// What `read` makes of the section `key`, if it is there.
fn given<T>(
    section: &Section<'_>,
    key: &str,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Option<Option<T>> {
    let section = section.section(key);
    match section.is_given() {
        true => read(&section).map(Some),
        false => Some(None),
    }
}
