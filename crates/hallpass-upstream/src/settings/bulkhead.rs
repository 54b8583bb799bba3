//! `bulkhead`: how many calls are under way at once.

use hallpass_config::{Key, Kind, Section};

use crate::bulkhead::BulkheadSettings;

impl BulkheadSettings {
    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "max-concurrent",
            Kind::count(1, 100_000),
            "Calls under way at once.",
        )
        .or("256"),
        Key::new(
            "max-wait-ms",
            Kind::millis(0, 60_000),
            "How long a call beyond these waits for its turn; 0: not at all. Its deadline holds as well.",
        )
        .or("100"),
        Key::not_ours("max-concurrent-calls", "here it is `max-concurrent`"),
        Key::not_ours(
            "max-wait-duration",
            "here it is `max-wait-ms`, which takes a duration as it is",
        ),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let max_concurrent = section.count("max-concurrent");
        let max_wait = section.millis("max-wait-ms");
        let max_concurrent = usize::try_from(max_concurrent?).unwrap_or(usize::MAX);
        Some(Self::new(max_concurrent, max_wait?))
    }
}
