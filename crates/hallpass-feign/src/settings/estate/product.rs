//! Whose words are understood.

/// A product whose words are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Resilience4j,
    Hystrix,
    Sentinel,
    OpenFeign,
}

impl Product {
    pub(super) const ALL: [Self; 4] = [
        Self::Resilience4j,
        Self::Hystrix,
        Self::Sentinel,
        Self::OpenFeign,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Resilience4j => "resilience4j",
            Self::Hystrix => "hystrix",
            Self::Sentinel => "sentinel",
            Self::OpenFeign => "openfeign",
        }
    }

    pub(super) fn named(text: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|it| it.name() == text);
        known.ok_or("must be `resilience4j`, `hystrix`, `sentinel` or `openfeign`")
    }
}
