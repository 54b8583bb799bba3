//! Where a rule is written.

use std::sync::Arc;

/// The file and line of a rule, for those who look for it; nowhere for a rule in code.
///
/// It is no part of what the rule says: a rule that has moved to another line is the same rule, so any two are equal.
#[derive(Clone, Debug, Default)]
pub struct RulePlace(Option<Arc<str>>);

impl RulePlace {
    pub(super) fn new(place: &str) -> Self {
        Self(Some(place.into()))
    }

    /// As `file:line`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl PartialEq for RulePlace {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RulePlace {}
