//! What is told of a family that was revoked.

use crate::refresh::family::Family;

/// A family that was just revoked.
#[derive(Debug)]
pub(crate) struct EndedFamily {
    /// What stands for its name in logs.
    pub(crate) alias: String,
    /// How many access tokens that were alive are revoked with it.
    pub(crate) tokens: usize,
}

impl EndedFamily {
    pub(super) fn of(family: &Family, tokens: usize) -> Self {
        let alias = family.id.alias();
        Self { alias, tokens }
    }
}
