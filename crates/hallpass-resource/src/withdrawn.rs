//! A token that counts no more for what goes on with it, as this service knows before its issuer says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it was taken back here. Clones share it, and so do all that was found of one token as long as it is remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Withdrawn(Arc<AtomicBool>);

impl Withdrawn {
    /// From now on it is.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
