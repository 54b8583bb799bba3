//! What is revoked: between the store, where it is written, and the deny-list, where it counts.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hallpass_token::Revocation;
use tokio::sync::oneshot::error::TryRecvError;

use crate::core::{Core, awaits_adoption, moment};
use crate::deny_list;
use crate::error::Error;
use crate::http::metadata::Metadata;
use crate::key_upkeep::{self, Kept};
use crate::keys::record::KeyRecord;
use crate::settings::IssuerSettings;
use crate::store::asking::Asking;
use crate::store::known_revocations::StoredRevocations;

/// For how long it is asked whether revocations count whose commit got no response: others wait behind them, and to revoke again does no harm.
const ASK_FOR: Duration = Duration::from_secs(5);

impl Core {
    /// Reads what is new, which does not count before [`publish_revocations`](Self::publish_revocations). Only in one's turn.
    pub(super) async fn read_revocations(&self) -> Result<(), Error> {
        let known = mem::take(&mut *self.store.known_revocations());
        let mut reading = Reading {
            core: self,
            known,
            is_done: false,
        };
        // Before the read: what is written after it is to be read again.
        self.revocations_behind.store(false, Ordering::Relaxed);
        let read = self.store.read_revocations(&mut reading.known, self.now());
        let read = read.await;
        reading.is_done = read.is_ok();
        read
    }

    /// Lets count what was taken back, keys too, where the clients of the store cannot be taken: those that are known go on. Only in one's
    /// turn.
    pub(super) async fn take_withdrawn(&self, settings: &IssuerSettings) -> Result<(), Error> {
        self.store.look_at_place().await?;
        let registry = self.registry();
        let life = registry.longest_token_life();
        let (store, clock) = (&self.store, self.clock.as_ref());
        let kept = key_upkeep::keep_keys(settings, store, clock, life, &self.verifiers).await?;
        let authorities = self.keep_authorities(settings).await?;
        let metadata = Metadata::render(&self.urls, &registry, &kept.ring)?;
        self.read_revocations().await?;
        self.swap_keys(kept);
        self.authorities.swap(authorities);
        self.metadata.store(Arc::new(metadata));
        Ok(())
    }

    /// Signs with the keys that were `kept` from now on, and lets count what was read. Only in one's turn.
    pub(super) fn swap_keys(&self, kept: Kept) {
        kept.report_others(&self.key_states.load());
        self.key_states.store(Arc::new(kept.states()));
        self.metrics.keys.set(&kept.records);
        self.show_adoption();
        self.next_moment.store(moment(&kept), Ordering::Relaxed);
        self.awaits_adoption
            .store(awaits_adoption(&kept), Ordering::Relaxed);
        self.keys.store(Arc::new(kept.ring));
        // After the keys: who hears that a key is tainted asks for a new token at once, and gets none that it has signed.
        self.publish_revocations(&kept.records);
    }

    /// Lets count what was read, beside the tainted ones of `keys`. Only in one's turn.
    fn publish_revocations(&self, keys: &[KeyRecord]) {
        let new = self.store.known_revocations().take_new();
        let tainted = deny_list::tainted(keys, self.now());
        self.deny_list.take(new.into_iter().chain(tainted));
    }

    /// Writes `entry` into the store and lets it count, together with what others revoke at the same time.
    pub(crate) async fn revoke(&self, entry: &Revocation, most: usize) -> Result<(), Error> {
        let mut told = self.revocation_queue.put(*entry);
        let _turn = self.revocation_queue.turn().await;
        loop {
            match told.try_recv() {
                Ok(()) => return Ok(()),
                // There was no place; or it could not be written with the others, or who wrote went away in the middle.
                Err(TryRecvError::Closed) => {
                    return self
                        .write_revocations(std::slice::from_ref(entry), most)
                        .await;
                }
                Err(TryRecvError::Empty) => {}
            }
            let (entries, tell): (Vec<_>, Vec<_>) =
                self.revocation_queue.take().into_iter().unzip();
            let written = self.write_revocations(&entries, most).await;
            if entries.len() <= 1 {
                return written;
            }
            if written.is_ok() {
                tell.into_iter().for_each(|tell| {
                    // Who has gone need not know.
                    let _ = tell.send(());
                });
            }
        }
    }

    async fn write_revocations(&self, entries: &[Revocation], most: usize) -> Result<(), Error> {
        let _expected = self.expect_revocations();
        let asking = Asking::for_at_most(ASK_FOR);
        if asking.of(self.store.revoke(entries, most)).await? {
            self.take_new_revocations().await?;
        }
        Ok(())
    }

    /// Something is about to be written into the deny-list of the store, until what comes back is dropped. Whoever asked for it may go
    /// away in the middle: then the next look at the store takes it, whatever was looked at before it was written.
    pub(crate) fn expect_revocations(&self) -> Expected<'_> {
        self.revocations_are_behind();
        Expected(self)
    }

    fn revocations_are_behind(&self) {
        self.revocations_behind.store(true, Ordering::Relaxed);
    }

    /// Lets count what was written into the deny-list of the store.
    pub(crate) async fn take_new_revocations(&self) -> Result<(), Error> {
        let _turn = self.turn().await;
        self.read_revocations().await?;
        self.publish_revocations(&[]);
        Ok(())
    }

    /// Deletes revocations and refresh tokens whose time is over. Only while the clock can be believed: nothing brings them back.
    pub(crate) async fn forget_ended(&self) -> Result<(), Error> {
        let now = self.now();
        self.refreshing().forget_ended().await?;
        if self.store.known_revocations().has_ended(now) {
            self.store.forget_ended_revocations(now).await?;
            self.take_new_revocations().await?;
        }
        let _turn = self.turn().await;
        self.deny_list.forget_ended(now);
        Ok(())
    }
}

/// What was read last, taken out while it is brought up to date. However that ends, also when nobody waits for it any more, it is put
/// back: to read everything anew takes long.
struct Reading<'a> {
    core: &'a Core,
    known: StoredRevocations,
    is_done: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        *self.core.store.known_revocations() = mem::take(&mut self.known);
        if !self.is_done {
            self.core.revocations_are_behind();
        }
    }
}

/// Something may be written into the deny-list of the store for as long as it lives.
#[must_use]
pub(crate) struct Expected<'a>(&'a Core);

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.revocations_are_behind();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use hallpass_clock::{Clock, ManualClock};

    use super::*;
    use crate::http::public_urls::PublicUrls;
    use crate::settings::IssuerSettings;

    /// The caller of a refresh token that was used again may go away while its family is revoked, and a look at the store may have come
    /// just before that.
    #[tokio::test]
    async fn what_is_written_after_a_look_is_looked_at_again_although_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = IssuerSettings {
            store: folder.path().join("issuer.db"),
            ..IssuerSettings::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH));
        let listening = "127.0.0.1:1".parse().unwrap();
        let urls = PublicUrls::new(&settings.name, None, "http", listening).unwrap();
        let (core, _audit) = Core::open(&settings, urls, clock, None).await.unwrap();
        let expected = core.expect_revocations();
        core.take_new_revocations().await.unwrap();
        assert!(!core.has_revocations_behind(), "nothing was written yet");
        drop(expected);
        assert!(core.has_revocations_behind());
    }
}
