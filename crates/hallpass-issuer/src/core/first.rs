//! What an issuer begins with, read of its settings and its store.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use crate::clients::key_network::KeyNetwork;
use crate::clients::registry::Registry;
use crate::deny_list::{DenyList, tainted};
use crate::error::Error;
use crate::http::public_urls::PublicUrls;
use crate::key_upkeep::{self, Kept};
use crate::keys::adoption::Verifiers;
use crate::keys::record::KeyRecord;
use crate::metrics::Metrics;
use crate::settings::IssuerSettings;
use crate::store::Store;
use crate::store::known_revocations::StoredRevocations;
use crate::stored_clients::{Followed, Ingredients};
use crate::trusted_issuers::Trust;

/// The keys that it signs with at first, and who has fetched them.
pub(super) async fn keys(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    life: Duration,
) -> Result<(Verifiers, Kept), Error> {
    let verifiers = Verifiers::of(store.verifiers().await?);
    let kept = key_upkeep::keep_keys(settings, store, clock, life, &verifiers).await?;
    Ok((verifiers, kept))
}

/// What is revoked now.
pub(super) async fn deny_list(
    store: &Store,
    keys: &[KeyRecord],
    clock: &dyn Clock,
) -> Result<Arc<DenyList>, Error> {
    let now = UnixTime::from(clock.now());
    let (list, mut stored) = (DenyList::new()?, StoredRevocations::default());
    store.read_revocations(&mut stored, now).await?;
    let entries = stored.take_new().into_iter();
    list.take(entries.chain(tainted(keys, now)));
    *store.known_revocations() = stored;
    Ok(Arc::new(list))
}

/// The other issuers that are believed at first.
pub(super) async fn trust(
    settings: &IssuerSettings,
    urls: &PublicUrls,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Arc<Trust>, Error> {
    let trust = Trust::default();
    let trusted = trust
        .prepare(&settings.trusted_issuers, urls, clock)
        .await?;
    registry.check_subjects(&trusted)?;
    trust.swap(trusted);
    Ok(Arc::new(trust))
}

/// The first registry, and what is kept of making it.
pub(super) async fn clients(
    settings: &IssuerSettings,
    store: &Store,
    clock: &Arc<dyn Clock>,
    (process_key, metrics): (&hmac::Key, &Metrics),
) -> Result<(Registry, KeyNetwork, Followed), Error> {
    let of = Ingredients {
        settings,
        process_key,
        metrics: &metrics.clients,
    };
    Followed::begin(of, store, &KeyNetwork::new(Arc::clone(clock))).await
}
