//! Why a token is wanted.

use super::issued::IssuedToken;
use super::lifetime::Phase;

/// Why a token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is none, or it is overdue.
    Miss,
    /// It is due for renewal.
    Age,
    /// The callee rejected the token of this generation.
    Rejected { generation: u64 },
}

impl Reason {
    pub(crate) fn is_met_by(self, token: &IssuedToken, phase: Phase) -> bool {
        match self {
            Self::Miss => matches!(phase, Phase::Fresh | Phase::Due),
            Self::Age => phase == Phase::Fresh,
            Self::Rejected { generation } => {
                token.generation() > generation && phase != Phase::Ended
            }
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Age => "age",
            Self::Rejected { .. } => "rejected",
        }
    }
}
