//! What settings of two products can be about.

use hallpass_config::Section;

/// Something that a call is bounded by. Of one topic one product speaks for a client: what two say about it cannot be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Breaker,
    Bulkhead,
    Rate,
    Deadline,
    Retry,
}

/// How a window is told apart: what says one of these says what the others mean.
const WINDOW: [&str; 3] = [
    "service.breaker.window-type",
    "service.breaker.window",
    "service.breaker.window-seconds",
];

impl Topic {
    pub(super) const ALL: [Self; 5] = [
        Self::Breaker,
        Self::Bulkhead,
        Self::Rate,
        Self::Deadline,
        Self::Retry,
    ];

    /// Its name, for messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Bulkhead => "bulkhead",
            Self::Rate => "rate",
            Self::Deadline => "deadline",
            Self::Retry => "retry",
        }
    }

    /// Whether a section of ours says anything about it.
    pub(super) fn is_in(self, section: &Section<'_>) -> bool {
        match self {
            Self::Deadline => section.has("deadline-ms"),
            Self::Retry => section.section("retry").is_given(),
            Self::Breaker => section.section("service").section("breaker").is_given(),
            Self::Bulkhead => section.section("service").section("bulkhead").is_given(),
            Self::Rate => section.section("service").section("rate").is_given(),
        }
    }

    /// The keys that nobody else may say where a section of ours says one of them.
    pub(super) fn taken_in(self, section: &Section<'_>) -> &'static [&'static str] {
        let breaker = || section.section("service").section("breaker");
        let says = |key: &&str| key.rsplit('.').next().is_some_and(|key| breaker().has(key));
        match self {
            Self::Breaker if WINDOW.iter().any(says) => &WINDOW,
            _ => &[],
        }
    }
}
