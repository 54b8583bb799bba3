//! Follows the store and the time while the issuer runs: what the command line writes counts without a restart, and keys
//! begin and end at their moments.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::Core;
use crate::error::Error;
use crate::even_clock::EvenClock;

/// How often the store is looked at, so that what the command line writes counts within a third of a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a failure is left alone before the next try.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How often what verifiers have fetched is written down, and held against keys that await it.
const VERIFIERS_EVERY: Duration = Duration::from_secs(5);

/// How often revocations and refresh tokens are deleted whose time is over.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Follows the store and the time until `stop` resolves, or nobody uses the issuer any more.
pub(crate) async fn follow(core: Weak<Core>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let Some(core) = core.upgrade() else { return };
        watch.look(&core).await;
    }
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Watch {
    /// The version of the store's content; `None` until the first look.
    version: Option<i64>,
    /// Whether the last look failed: it is said once.
    has_failed: bool,
    /// Before that nothing is tried again.
    not_before: Option<Instant>,
    /// When verifiers are written down next.
    verifiers_at: Option<Instant>,
    /// When what has ended is deleted next, by the issuer's clock.
    tidy_at: Option<Duration>,
    clock: EvenClock,
}

impl Watch {
    async fn look(&mut self, core: &Core) {
        let now = Instant::now();
        let is_even = self.clock.look(core.clock());
        if self.not_before.is_some_and(|moment| now < moment) {
            return;
        }
        let mut looked = self.look_at_store(core).await;
        if looked.is_ok() && self.verifiers_at.is_none_or(|moment| now >= moment) {
            self.verifiers_at = Some(now + VERIFIERS_EVERY);
            looked = core.write_down_verifiers().await;
        }
        let monotonic = core.clock().monotonic();
        if looked.is_ok() && is_even && self.tidy_at.is_none_or(|moment| monotonic >= moment) {
            self.tidy_at = Some(monotonic.saturating_add(TIDY_EVERY));
            looked = core.forget_ended().await;
        }
        match looked {
            Ok(()) => {
                if std::mem::take(&mut self.has_failed) {
                    tracing::info!("the store can be followed again");
                }
            }
            Err(error) => {
                self.not_before = Some(now + TRY_AGAIN);
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::error!(%error, "the store cannot be followed: tokens go on with the keys and clients that are known");
                }
            }
        }
        core.metrics().keys.store_was_read(!self.has_failed);
    }

    async fn look_at_store(&mut self, core: &Core) -> Result<(), Error> {
        let version = core.store().version().await?;
        // At the first look somebody may have written since the store was read.
        let is_other = self.version != Some(version);
        if is_other || core.is_due() {
            core.refresh().await?;
        }
        self.version = Some(version);
        Ok(())
    }
}
