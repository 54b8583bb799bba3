//! What is revoked: between the store, where it is written, and the deny-list, where it counts.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use hallpass_token::Revocation;

use crate::core::Core;
use crate::deny_list;
use crate::error::Error;
use crate::keys::record::KeyRecord;
use crate::store::revocations::StoredRevocations;

impl Core {
    /// Reads what is new, which does not count before [`publish_revocations`](Self::publish_revocations). Only in one's turn.
    pub(super) async fn read_revocations(&self) -> Result<(), Error> {
        let mut known = mem::take(&mut *self.stored_revocations());
        // Before the read: what is written after it is to be read again.
        self.revocations_behind.store(false, Ordering::Relaxed);
        let read = self.store.read_revocations(&mut known).await;
        if read.is_err() {
            self.expect_revocations();
        }
        *self.stored_revocations() = known;
        read
    }

    /// Lets count what was read, beside the tainted ones of `keys`. Only in one's turn.
    pub(super) fn publish_revocations(&self, keys: &[KeyRecord]) {
        let known = self.stored_revocations();
        let entries = known.entries().chain(deny_list::tainted(keys));
        self.deny_list.take(entries, self.now());
    }

    fn stored_revocations(&self) -> MutexGuard<'_, StoredRevocations> {
        let stored = self.stored_revocations.lock();
        stored.unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `entry` into the store and lets it count; gives `false` when it did already.
    pub(crate) async fn revoke(&self, entry: &Revocation, most: usize) -> Result<bool, Error> {
        self.expect_revocations();
        let is_new = self.store.revoke(entry, most).await?;
        if is_new {
            self.take_new_revocations().await?;
        }
        Ok(is_new)
    }

    /// Something is about to be written into the deny-list of the store. Whoever asked for it may go away in the middle: then the
    /// next look at the store takes it.
    pub(crate) fn expect_revocations(&self) {
        self.revocations_behind.store(true, Ordering::Relaxed);
    }

    /// Lets count what was written into the deny-list of the store.
    pub(crate) async fn take_new_revocations(&self) -> Result<(), Error> {
        let _turn = self.turn().await;
        self.read_revocations().await?;
        self.publish_revocations(&[]);
        Ok(())
    }

    /// Deletes revocations and refresh tokens whose time is over.
    pub(crate) async fn forget_ended(&self) -> Result<(), Error> {
        let now = self.now();
        self.refreshing_at(now).forget_ended().await?;
        if !self.stored_revocations().has_ended(now) {
            return Ok(());
        }
        self.store.forget_ended_revocations(now).await?;
        self.take_new_revocations().await
    }
}
