//! `caller-bulkhead`: how many requests of one caller are under way to a service at once.

use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::BulkheadSettings;

/// `caller-bulkhead` of a service: how many requests of one caller are under way to it at once, so that nobody alone takes all places of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerBulkheadSettings {
    /// `by`: whose requests are counted together.
    pub by: CallerBulkheadBy,
    /// `max-concurrent`; half of `bulkhead.max-concurrent` of the service, and at least one, where it is not said.
    pub max_concurrent: Option<u32>,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerBulkheadBy {
    /// `caller`: those of one subject of one issuer; of one address where nobody is named.
    #[default]
    Caller,
    /// `client`: those of one client of one issuer; of one address where nobody is named.
    Client,
    /// `address`: those of one address, or of one network of 64 bits with IPv6.
    Address,
}

impl CallerBulkheadSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new("enabled", Kind::Flag, "Whether there is such a limit.").or("true"),
        Key::new(
            "by",
            Kind::Choice(&["caller", "client", "address"]),
            "Whose requests are counted together: those of one user (issuer and `sub`), of one client, or of one address (with IPv6 its network of \
            64 bits). Where nobody is verified the address counts.",
        )
        .or("caller"),
        Key::new(
            "max-concurrent",
            Kind::count(1, 100_000),
            "Requests of one caller under way at once, each until the end of its response or of its WebSocket. More get 429.",
        )
        .otherwise("half of `bulkhead.max-concurrent`"),
    ];

    /// `Some(None)` where it is switched off.
    pub(super) fn read(
        section: &Section<'_>,
        bulkhead: Option<&BulkheadSettings>,
    ) -> Option<Option<Self>> {
        let enabled = section.flag("enabled");
        let by = section.choice("by", |name| match name {
            "caller" => Some(CallerBulkheadBy::Caller),
            "client" => Some(CallerBulkheadBy::Client),
            "address" => Some(CallerBulkheadBy::Address),
            _ => None,
        });
        let max_concurrent = match section.has("max-concurrent") {
            true => section.count("max-concurrent").map(Some),
            false => Some(None),
        };
        let settings = Self {
            by: by?,
            max_concurrent: max_concurrent?,
        };
        let enabled = enabled?;
        if enabled
            && let (Some(most), Some(bulkhead)) = (settings.max_concurrent, bulkhead)
            && usize::try_from(most).is_ok_and(|most| most >= bulkhead.max_concurrent)
        {
            section.warn(
                "max-concurrent",
                "leaves one caller all places of an instance (`bulkhead.max-concurrent`): nobody else is answered while it holds them",
            );
        }
        Some(enabled.then_some(settings))
    }

    /// How many requests of one caller may be under way, beside this bulkhead of each instance.
    pub(crate) fn most(&self, bulkhead: &BulkheadSettings) -> u32 {
        self.max_concurrent.unwrap_or_else(|| {
            let half = bulkhead.max_concurrent / 2;
            u32::try_from(half).unwrap_or(u32::MAX).max(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn unless_it_is_said_one_caller_has_half_of_the_places_of_an_instance() {
        let most = |places| {
            let bulkhead = BulkheadSettings::new(places, Duration::ZERO);
            CallerBulkheadSettings::default().most(&bulkhead)
        };
        assert_eq!([256, 100, 3, 1].map(most), [128, 50, 1, 1]);
        let said = CallerBulkheadSettings {
            max_concurrent: Some(7),
            ..CallerBulkheadSettings::default()
        };
        assert_eq!(said.most(&BulkheadSettings::default()), 7);
    }
}
