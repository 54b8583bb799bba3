//! In which table a rule stands.

use std::fmt;

/// Where a rule was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleOrigin {
    /// In the program.
    Code,
    /// Under `security.internal-jwt.routes`.
    Configuration,
    /// Under `security.internal-jwt.internal-only`.
    InternalOnlyPaths,
}

impl fmt::Display for RuleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::Configuration => "configuration",
            Self::InternalOnlyPaths => "internal-only paths",
        })
    }
}
