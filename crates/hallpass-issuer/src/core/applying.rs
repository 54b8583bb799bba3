//! What has changed in the settings or in the store, while the issuer runs.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::Core;
use crate::error::Error;
use crate::http::metadata::Metadata;
use crate::key_upkeep;
use crate::settings::IssuerSettings;
use crate::start_settings::StartSettings;
use crate::stored_clients::{Followed, Ingredients};

/// How long a change of the settings waits for another process that holds the store.
const PATIENCE: Duration = Duration::from_secs(5);
const TRY_AGAIN: Duration = Duration::from_millis(100);

impl Core {
    /// Reads keys and registry again and swaps them in; on an error everything stays as it was.
    ///
    /// Who was right from where, and what is remembered of secrets, outlives the change. Changed settings that need a
    /// restart are named in the log and have no effect.
    pub(crate) async fn apply(&self, settings: &IssuerSettings) -> Result<(), Error> {
        self.take_patiently(settings).await?;
        let now = StartSettings::new(settings, &self.process_key);
        for key in self.start_settings.changed_in(&now) {
            tracing::warn!(
                key = format!("issuer.{key}"),
                "a changed setting needs a restart"
            );
        }
        Ok(())
    }

    /// Waits for another process that holds the store, and not in the way of others: what was written is not lost for a lock of moments.
    async fn take_patiently(&self, settings: &IssuerSettings) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            let turn = self.turn().await;
            match self.take(settings, true).await {
                Err(Error::StoreBusy { .. }) if Instant::now() < until => {}
                taken => {
                    taken?;
                    self.settings.store(Arc::new(settings.clone()));
                    return Ok(());
                }
            }
            drop(turn);
            sleep(TRY_AGAIN).await;
        }
    }

    /// [`apply`](Self::apply) with the settings that hold: the store has changed, or the time of a key has come. What is taken back counts
    /// whatever is wrong with the rest.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let _turn = self.turn().await;
        let settings = self.settings.load_full();
        let taken = self.take(&settings, false).await;
        match &taken {
            // The rest stands in the same store.
            Ok(())
            | Err(
                Error::StoreBusy { .. } | Error::StoreReplaced { .. } | Error::StoreAway { .. },
            ) => {}
            Err(_) => self.take_withdrawn(&settings).await?,
        }
        taken
    }

    /// With other settings, `is_anew`, all clients are read: whether one fits depends on them.
    async fn take(&self, settings: &IssuerSettings, is_anew: bool) -> Result<(), Error> {
        self.store.look_at_place().await?;
        let before = self.registry();
        let mut lent = Lent::of(self);
        let of = Ingredients {
            settings,
            process_key: &self.process_key,
            metrics: &self.metrics.clients,
        };
        let network = self.key_network.load_full();
        let before = (Some(&*before), &*network);
        let brought = lent
            .followed
            .follow(of, &self.store, before, is_anew)
            .await?;
        let registry = &brought.registry;
        let trusted = &settings.trusted_issuers;
        let trusted = self.trust.prepare(trusted, &self.urls, &self.clock).await?;
        registry.check_subjects(&trusted)?;
        let (store, clock) = (&self.store, self.clock.as_ref());
        let life = registry.longest_token_life();
        let kept = key_upkeep::keep_keys(settings, store, clock, life, &self.verifiers).await?;
        let authorities = self.keep_authorities(settings).await?;
        let metadata = Metadata::render(&self.urls, registry, &kept.ring)?;
        self.read_revocations().await?;
        self.swap_keys(kept);
        self.authorities.swap(authorities);
        let (registry, network) = lent.followed.keep(brought);
        let count = registry.len();
        self.registry.store(Arc::new(registry));
        // Once they count.
        self.metrics.clients.set_registered(count);
        self.trust.swap(trusted);
        self.key_network.store(Arc::new(network));
        self.metadata.store(Arc::new(metadata));
        Ok(())
    }

    fn followed_clients(&self) -> MutexGuard<'_, Followed> {
        let followed = self.followed_clients.lock();
        followed.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the store's clients while it is brought up to date. It comes back however that ends: what was read does not count before it
/// is kept.
struct Lent<'c> {
    core: &'c Core,
    followed: Followed,
}

impl<'c> Lent<'c> {
    /// Only in one's turn.
    fn of(core: &'c Core) -> Self {
        let followed = std::mem::take(&mut *core.followed_clients());
        Self { core, followed }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        *self.core.followed_clients() = std::mem::take(&mut self.followed);
    }
}
