//! Where there is Redis, the issuer says there what is new on its deny-list, and its instances share what counts once.

use std::sync::Arc;

use hallpass::clock::Clock;
use hallpass::redis::{RedisReplayStore, RedisRevocations, RedisTierSettings, RedisTokenCache};
use hallpass::upstream::{ReplayStore, RevocationNotice};
use hallpass_issuer::{NewRevocations, RunningIssuer};
use prometheus_client::registry::Registry;

use crate::output::Failure;

/// The way to Redis, as the section `redis` says.
pub(super) struct Notices {
    settings: RedisTierSettings,
    tier: Option<RedisTokenCache>,
}

impl Notices {
    /// Begins to connect in the background.
    ///
    /// # Errors
    /// A file of `redis.ssl` cannot be used.
    pub(super) fn new(
        settings: RedisTierSettings,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let redis = settings.redis.as_ref();
        let tier = redis.map(|redis| RedisTokenCache::new(redis, Arc::clone(clock)));
        let tier = tier.transpose().map_err(Failure::failed)?;
        Ok(Self { settings, tier })
    }

    /// Announces what `issuer` revokes from now on, for as long as it runs.
    pub(super) fn announce(&self, issuer: &RunningIssuer) {
        if let Some(tier) = &self.tier {
            tokio::spawn(announce(
                issuer.new_revocations(),
                RedisRevocations::over(tier),
            ));
        }
    }

    /// What instances share of the messages that were shown to them and count once.
    pub(super) fn replay_store(&self) -> Option<Arc<dyn ReplayStore>> {
        let tier = self.tier.as_ref()?;
        Some(Arc::new(RedisReplayStore::over(tier)))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        if let Some(tier) = &self.tier {
            tier.metrics().register(registry);
        }
    }

    /// Says that `changed` settings have no effect.
    pub(super) fn say_changed(&self, changed: &RedisTierSettings) {
        if *changed != self.settings {
            tracing::warn!("the section `redis` has changed: it needs a restart");
        }
    }
}

async fn announce(mut new: NewRevocations, revocations: RedisRevocations) {
    while let Some(entries) = new.next().await {
        let message = RevocationNotice::to_bytes(&entries);
        if let Err(error) = revocations.announce(&message).await {
            tracing::debug!(%error, "revocations are not announced over Redis: who follows the list hears of them by its stream, or asks");
        }
    }
}
