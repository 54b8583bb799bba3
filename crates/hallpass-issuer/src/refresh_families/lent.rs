//! What is known of families while somebody works with it.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use tokio::sync::SemaphorePermit;

use super::metrics::RefreshMetrics;
use super::waiting::Place;
use crate::store::refresh_families::KnownFamilies;

/// What is known, for as long as somebody works with it; afterwards it is there again, also when he gave up.
pub(super) struct Lent<'a> {
    pub(super) known: KnownFamilies,
    /// Where it is put back.
    pub(super) home: &'a Mutex<KnownFamilies>,
    pub(super) metrics: &'a RefreshMetrics,
    /// Of the client whose turn it is.
    pub(super) place: Option<Place<'a>>,
    pub(super) _turn: Option<SemaphorePermit<'a>>,
}

impl Deref for Lent<'_> {
    type Target = KnownFamilies;

    fn deref(&self) -> &KnownFamilies {
        &self.known
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut KnownFamilies {
        &mut self.known
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.metrics.counts(self.known.len());
        let known = self.home.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.known);
    }
}
