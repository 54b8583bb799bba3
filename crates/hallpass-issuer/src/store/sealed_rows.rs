//! The tables with many rows, whose seal is a sum.

/// Which table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealedRows {
    Revocations,
    RefreshFamilies,
    Clients,
}

impl SealedRows {
    /// Those that had a seal from their first row on; clients were on a list.
    pub(super) const EVERY: [Self; 2] = [Self::Revocations, Self::RefreshFamilies];

    /// Where the seal stands in `store_meta`; it is bound to that.
    pub(super) const fn seal_name(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::RefreshFamilies => "refresh_families",
            // Where their list was: under the seal of all, which the version before this one holds against what it finds here too.
            Self::Clients => "rows_of_clients",
        }
    }

    /// What there is one of in each row.
    pub(super) const fn rows(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::RefreshFamilies => "refresh tokens",
            Self::Clients => "clients",
        }
    }
}
