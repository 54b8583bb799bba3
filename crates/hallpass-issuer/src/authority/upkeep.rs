//! The authorities of a store, in the state of this moment.

use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use super::record::{AuthorityRecord, AuthorityState};
use super::ring::AuthorityRing;
use super::rotation::{self, CaTimes, Changes};
use crate::error::Error;
use crate::settings::ca::CaSettings;
use crate::store::Store;
use crate::store::authorities::StoredAuthorities;
use crate::store::keys::MAX_WRITES;

/// The authorities that an issuer works with, and when they are to be looked at again.
pub(crate) struct Kept {
    pub(crate) ring: AuthorityRing,
    /// When the next state of one begins by itself.
    pub(crate) next_moment: Option<UnixTime>,
    /// The end of each, by its state.
    pub(crate) ends: Vec<(AuthorityState, UnixTime)>,
}

/// How long each part of the life of an authority is.
pub(crate) const fn times(settings: &CaSettings) -> CaTimes {
    CaTimes {
        announce: settings.announce,
        rotation: settings.rotation,
    }
}

/// The authorities of the store, with a new one in it where one is needed; at first one that signs at once. `is_even`: whether the clock
/// can be believed, so that time may begin and end what there is.
///
/// Another process may change them between reading and writing: then they are read first.
///
/// # Errors
/// Those of the store, and [`Error::Internal`].
pub(crate) async fn keep(
    settings: &CaSettings,
    store: &Store,
    (clock, is_even): (&dyn Clock, bool),
) -> Result<Kept, Error> {
    for _ in 0..MAX_WRITES {
        let stored = store.authorities().await?;
        let now = UnixTime::from(clock.now());
        if let Some(kept) = bring_up_to((now, is_even), settings, store, stored).await? {
            return Ok(kept);
        }
    }
    Err(store.busy())
}

/// `None` when the store does not have those of `stored` any more. Nothing is written that could not be used.
async fn bring_up_to(
    (now, is_even): (UnixTime, bool),
    settings: &CaSettings,
    store: &Store,
    mut stored: StoredAuthorities,
) -> Result<Option<Kept>, Error> {
    let times = times(settings);
    let changes = advance(&mut stored.records, (now, is_even), settings)?;
    let ring = AuthorityRing::new(&stored.records, &settings.trust_domain)
        .map_err(|problem| store.damaged(problem))?;
    if !changes.is_empty() {
        let changed = changed(&stored.records, &changes);
        if !store
            .write_authorities(&stored, changed, &changes.deleted)
            .await?
        {
            return Ok(None);
        }
        report(&stored.records, &changes);
    }
    let records = stored.records;
    Ok(Some(Kept {
        ring,
        next_moment: rotation::next_moment(&records, &times),
        ends: records.iter().map(|it| (it.state, it.not_after)).collect(),
    }))
}

/// Lets time pass for `records`, and adds one where one is needed.
///
/// # Errors
/// [`Error::Internal`] when the machine cannot make one.
pub(super) fn advance(
    records: &mut Vec<AuthorityRecord>,
    (now, is_even): (UnixTime, bool),
    settings: &CaSettings,
) -> Result<Changes, Error> {
    let (times, domain) = (times(settings), settings.trust_domain.as_str());
    let mut changes = rotation::advance(records, now, &times, domain, is_even);
    if let Some(state) = rotation::needed(records, now, &times, is_even) {
        let life = times.certificate_life();
        let made = AuthorityRecord::generate(state, domain, now, life)?;
        changes.changed.push(made.id.clone());
        records.push(made);
    }
    Ok(changes)
}

pub(super) fn changed<'r>(
    records: &'r [AuthorityRecord],
    changes: &Changes,
) -> Vec<&'r AuthorityRecord> {
    let records = records.iter();
    let is_changed = |it: &&AuthorityRecord| changes.changed.contains(&it.id);
    records.filter(is_changed).collect()
}

fn report(records: &[AuthorityRecord], changes: &Changes) {
    for record in changed(records, changes) {
        let (id, state) = (record.id.as_str(), record.state.as_str());
        let not_after = record.not_after.as_secs();
        tracing::info!(
            id,
            state,
            not_after,
            "the state of a certificate authority has begun"
        );
    }
    for id in &changes.deleted {
        tracing::info!(%id, "deleted a certificate authority whose certificates have all ended");
    }
}
