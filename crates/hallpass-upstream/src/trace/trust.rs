//! Whose mark "sampled" counts.

/// Whose mark "sampled" counts as it came (`trace.trust-sampled`). Whoever's mark counts decides what is recorded and exported, here and by all that are
/// called for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustSampled {
    /// That of senders who have shown who they are.
    #[default]
    Authenticated,
    /// Everybody's.
    All,
    /// Nobody's.
    None,
}

impl TrustSampled {
    /// Whether the mark of such a sender counts as it came.
    #[must_use]
    pub const fn trusts(self, is_authenticated: bool) -> bool {
        match self {
            Self::Authenticated => is_authenticated,
            Self::All => true,
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_mark_counts_is_what_the_settings_say() {
        let trusts = |it: TrustSampled| (it.trusts(true), it.trusts(false));
        assert_eq!(trusts(TrustSampled::default()), (true, false));
        assert_eq!(trusts(TrustSampled::All), (true, true));
        assert_eq!(trusts(TrustSampled::None), (false, false));
    }
}
