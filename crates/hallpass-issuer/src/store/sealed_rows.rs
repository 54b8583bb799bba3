//! The tables with many rows, whose seal is a sum.

/// Which table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealedRows {
    Revocations,
    RefreshFamilies,
}

impl SealedRows {
    pub(super) const EVERY: [Self; 2] = [Self::Revocations, Self::RefreshFamilies];

    /// Where the seal stands in `store_meta`; it is bound to that.
    pub(super) const fn seal_name(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::RefreshFamilies => "refresh_families",
        }
    }

    /// What there is one of in each row.
    pub(super) const fn rows(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::RefreshFamilies => "refresh tokens",
        }
    }
}
