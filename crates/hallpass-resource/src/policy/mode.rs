//! How far verification is rolled out.

/// How far verification is rolled out; the stricter is the greater.
///
/// In every mode a good token gives its identity, and none other ever does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// `off`: every request passes, and none is counted as one that would be denied.
    Off,
    /// `report`: a request that would be denied passes, and is counted.
    Report,
    /// `enforce`: a request that fails is denied.
    #[default]
    Enforce,
}

impl Mode {
    /// The mode with that name in configuration; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "report" => Some(Self::Report),
            "enforce" => Some(Self::Enforce),
            _ => None,
        }
    }

    /// The name of the mode, as configuration, metrics and the audit event have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Report => "report",
            Self::Enforce => "enforce",
        }
    }
}
