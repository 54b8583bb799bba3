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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hallpass_config::{Configuration, Loaded, Loader, Problems};

    use super::super::{BreakerControl, RateBehaviour, WindowType};
    use super::*;

    /// A program that reads such a section.
    #[derive(Debug)]
    struct Guarded(GuardSettings);

    impl Configuration for Guarded {
        fn keys() -> Vec<Key> {
            vec![Key::new("guard", Kind::Section(GuardSettings::KEYS), "")]
        }

        fn read(root: &Section<'_>) -> Option<Self> {
            let section = root.section("guard");
            section.read_all(GuardSettings::read).map(Self)
        }
    }

    fn read(guard: &str) -> Result<GuardSettings, Vec<String>> {
        let text = format!("hallpass: {{ guard: {guard} }}");
        let loaded = Loader::new("hallpass").text("t", text).load::<Guarded>();
        let lines = |problems: Problems| {
            let lines = problems.iter().map(ToString::to_string);
            lines
                .map(|line| line.replace("hallpass.guard.", ""))
                .collect()
        };
        let settings = loaded.map(Loaded::into_settings);
        settings.map(|Guarded(settings)| settings).map_err(lines)
    }

    #[test]
    fn what_is_not_said_is_not_there_and_what_is_has_its_defaults() {
        let nothing = read("{}").unwrap();
        assert!(nothing.is_empty());
        assert_eq!(nothing, GuardSettings::default());
        let all = read(
            "{ breaker: { enabled: true }, bulkhead: { max-wait-ms: 0 }, rate: { per-second: 200 } }",
        );
        let all = all.unwrap();
        assert_eq!(all.breakers, [BreakerSettings::default()]);
        let bulkhead = BulkheadSettings::new(256, Duration::ZERO);
        assert_eq!(all.bulkhead, Some(bulkhead));
        let rate = RateSettings::new(200, Duration::from_secs(1));
        assert_eq!(all.rates, [rate]);
        assert!(!all.is_empty());
    }

    #[test]
    fn every_key_is_read() {
        let all = read(
            "{ breaker: { window-type: time, window-seconds: 10, minimum-calls: 20, failures: 7, state: forced-open, half-open-wait-ms: 5s }, \
             bulkhead: { max-concurrent: 25, max-wait-ms: 10 }, \
             rate: { per-second: 50, behaviour: warm-up-queue, warm-up-seconds: 3, max-wait-ms: 20 } }",
        )
        .unwrap();
        let breaker = BreakerSettings {
            window_type: WindowType::Time,
            window_time: Duration::from_secs(10),
            minimum_calls: 20,
            failures: 7,
            state: BreakerControl::ForcedOpen,
            half_open_wait: Duration::from_secs(5),
            ..BreakerSettings::default()
        };
        assert_eq!(all.breakers, [breaker]);
        let bulkhead = BulkheadSettings::new(25, Duration::from_millis(10));
        assert_eq!(all.bulkhead, Some(bulkhead));
        let rate = RateSettings {
            behaviour: RateBehaviour::WarmUpQueue,
            warm_up: Duration::from_secs(3),
            max_wait: Duration::from_millis(20),
            ..RateSettings::new(50, Duration::from_secs(1))
        };
        assert_eq!(all.rates, [rate]);
    }

    #[test]
    fn what_cannot_be_meant_is_said_all_at_once() {
        let problems = read(
            "{ breaker: { window: 10, minimum-calls: 11, state: on }, bulkhead: { max-concurrent: 0 }, rate: { behaviour: queue } }",
        )
        .unwrap_err();
        let about = |key: &str| problems.iter().any(|line| line.contains(key));
        let keys = [
            "breaker.minimum-calls",
            "breaker.state",
            "bulkhead.max-concurrent",
            "rate.per-second",
        ];
        assert!(keys.iter().all(|key| about(key)), "{problems:?}");
        assert_eq!(problems.len(), 4, "{problems:?}");
        // More calls than the window counts are seen in a span of time.
        assert!(read("{ breaker: { window: 10, window-type: time, minimum-calls: 11 } }").is_ok());
        let theirs = read("{ rate: { per-second: 1, limit-for-period: 5 } }").unwrap_err();
        assert!(theirs[0].contains("per-second"), "{theirs:?}");
    }
}
