//! Follows the store and the time while the issuer runs: what the command line writes counts without a restart, and keys
//! begin and end at their moments.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hallpass_upstream::Reminders;
use tokio::time::{Instant, sleep, timeout};

use crate::core::Core;
use crate::error::Error;
use crate::even_clock::EvenClock;
use crate::store::standing::Access;
use crate::store::written::Written;

/// How often the store is looked at, so that what the command line writes counts within a third of a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a failure is left alone before the next try.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// The same where clients alone are in the way.
const WITHOUT_CLIENTS_AGAIN: Duration = Duration::from_millis(500);
/// How long a look may take. It ends by itself but where the file system has stalled.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// How often it is tried whether the store can be written, and written down what verifiers have fetched, which keys may await; and how often
/// while the machine fails. Whether another process still holds it is looked at each time: requests are refused meanwhile.
const WRITE_EVERY: Duration = Duration::from_secs(5);
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// How often is written down what was used.
const USES_EVERY: Duration = Duration::from_secs(60);
/// How often revocations and refresh tokens are deleted whose time is over.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Follows the store and the time, which is watched from now on, until `stop` resolves, or nobody uses the issuer any more.
pub(crate) fn follow<S: Future<Output = ()>>(
    core: &Arc<Core>,
    stop: S,
) -> impl Future<Output = ()> + use<S> {
    let mut watch = Watch::default();
    watch.clock.look(core.clock());
    let core = Arc::downgrade(core);
    async move {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let Some(core) = Weak::upgrade(&core) else {
                return;
            };
            if timeout(LOOK_LIMIT, watch.look(&core)).await.is_err() {
                watch.has_stalled(&core);
            }
        }
    }
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Watch {
    /// What was written last; `None` until the first look.
    written: Option<Written>,
    /// What was said of looks that failed, and of writing that did.
    unread: Reminders,
    unwritten: Reminders,
    /// Before that nothing is tried again.
    not_before: Option<Instant>,
    /// When it is tried next whether the store can be written.
    write_at: Option<Instant>,
    /// When what has ended is deleted next, by the issuer's clock.
    tidy_at: Option<Duration>,
    /// When is written down next what was used.
    uses_at: Option<Instant>,
    clock: EvenClock,
}

impl Watch {
    async fn look(&mut self, core: &Core) {
        let now = Instant::now();
        let is_even = self.clock.look(core.clock());
        core.authorities().saw_clock(is_even);
        let lockouts = core.authenticator().throttle().lockouts();
        lockouts.forget_ended(core.clock().monotonic());
        // Each time: what is written into another file than that of the path is lost.
        let in_place = core.store().look_at_place().await;
        if self.not_before.is_none_or(|moment| moment <= now) || in_place.is_err() {
            let looked = match in_place {
                Ok(()) => self.look_at_store(core).await,
                Err(error) => Err(error),
            };
            self.note_reading(core, now, looked);
        }
        let written = self.write(core, now, is_even).await;
        self.note_writing(now, written);
    }

    /// Tries whether the store can be written, when it is time for that, and writes what is to be written. Gives whether it was tried,
    /// and nothing is wrong.
    async fn write(&mut self, core: &Core, now: Instant, is_even: bool) -> Result<bool, Error> {
        let (store, standing) = (core.store(), core.store().standing());
        let is_due = self.write_at.is_none_or(|moment| now >= moment);
        let is_tried = is_due || matches!(standing.writes(), Access::Locked | Access::Away);
        if is_tried {
            self.write_at = Some(now + WRITE_EVERY);
            store.try_writing().await?;
        }
        if standing.trouble().is_some() {
            return Ok(false);
        }
        if is_tried {
            core.write_down_verifiers().await?;
            if core.has_bundle_behind() {
                core.write_bundle_again().await;
            }
        }
        let monotonic = core.clock().monotonic();
        if is_even && self.tidy_at.is_none_or(|moment| monotonic >= moment) {
            self.tidy_at = Some(monotonic.saturating_add(TIDY_EVERY));
            core.forget_ended().await?;
        }
        match self.uses_at {
            Some(moment) if now < moment => {}
            // At the start nothing was used yet.
            before => {
                self.uses_at = Some(now + USES_EVERY);
                if before.is_some() {
                    core.write_down_uses().await?;
                }
            }
        }
        Ok(is_tried)
    }

    /// What goes on is said once, and now and then again.
    fn note_reading(&mut self, core: &Core, now: Instant, looked: Result<(), Error>) {
        core.store().standing().followed(looked.is_ok());
        let Err(error) = looked else {
            self.not_before = None;
            if self.unread.over() {
                tracing::info!("the store can be followed again");
            }
            return;
        };
        self.not_before = match error {
            // Over as soon as somebody else ends, and a look costs little.
            Error::StoreBusy { .. } | Error::StoreReplaced { .. } | Error::StoreAway { .. } => None,
            // What is withdrawn counts meanwhile, as soon as it is seen.
            ref error if error.is_about_clients() => Some(now + WITHOUT_CLIENTS_AGAIN),
            _ => Some(now + TRY_AGAIN),
        };
        if self.unread.is_due(&error.to_string()) {
            tracing::error!(%error, "the store cannot be followed: tokens go on with the keys and clients that are known");
        }
    }

    fn note_writing(&mut self, now: Instant, written: Result<bool, Error>) {
        match written {
            Ok(true) if self.unwritten.over() => tracing::info!("the store can be written again"),
            Ok(_) => {}
            // Said already.
            Err(Error::StoreReplaced { .. }) => self.write_at = None,
            Err(error) => {
                self.write_at = Some(now + WRITE_AGAIN);
                if self.unwritten.is_due(&error.to_string()) {
                    tracing::error!(%error, "the store cannot be written: tokens go on; refresh tokens, revocations and changes of keys wait");
                }
            }
        }
    }

    fn has_stalled(&self, core: &Core) {
        core.store().standing().followed(false);
        if self.unread.is_due("stalled") {
            tracing::error!(
                "a look at the store does not come to its end: tokens go on with the keys and clients that are known"
            );
        }
    }

    async fn look_at_store(&mut self, core: &Core) -> Result<(), Error> {
        let now = core.store().written().await?;
        // At the first look somebody may have written since the store was read.
        let before = self.written.as_ref();
        let is_other = before.is_none_or(|before| before.registry != now.registry);
        let has_revoked = before.is_none_or(|before| before.revocations != now.revocations);
        if is_other || core.has_due_key() {
            core.refresh().await?;
        } else if has_revoked || core.has_revocations_behind() {
            // Each use of a refresh token may revoke something: that is no reason to read everything anew.
            core.take_new_revocations().await?;
        }
        self.written = Some(now);
        Ok(())
    }
}
