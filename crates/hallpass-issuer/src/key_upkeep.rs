//! Keeps the keys of a store: makes those that are missing or due, and lets the time of each begin and end.

use std::collections::BTreeSet;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{Algorithm, UnixTime};

use crate::error::Error;
use crate::keys::adoption::Verifiers;
use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::ring::KeyRing;
use crate::keys::rotation::{self, KeyTimes};
use crate::settings::IssuerSettings;
use crate::store::Store;
use crate::store::keys::{MAX_WRITES, StoredKeys};
use crate::token_shapes::TokenShapes;

/// A verifier that has not asked for so many times the age of a key set is gone.
const MISSED_FETCHES: u32 = 3;
/// How much longer than any token a retired key is known: clocks differ.
const AFTER_THE_LAST_TOKEN: Duration = Duration::from_secs(300);

/// The keys that an issuer works with, and when they are to be looked at again.
pub(crate) struct Kept {
    pub(crate) ring: KeyRing,
    /// All keys, also those that are not published.
    pub(crate) records: Vec<KeyRecord>,
    /// When the next state of a key begins by itself.
    pub(crate) next_moment: Option<UnixTime>,
    /// Keys that this process has just put into another state, which it has said.
    said: Vec<String>,
}

impl Kept {
    /// Says what somebody else has done to the keys since they were `before`: a withdrawal must leave its trace here too.
    pub(crate) fn report_others(&self, before: &[(String, KeyState)]) {
        for key in self
            .records
            .iter()
            .filter(|key| !self.said.contains(&key.kid))
        {
            let state_before = before.iter().find(|(kid, _)| *kid == key.kid);
            if state_before.is_some_and(|(_, state)| *state == key.state) {
                continue;
            }
            let (kid, algorithm) = (key.kid.as_str(), key.algorithm.as_str());
            let state = key.state.as_str();
            if key.state == KeyState::Tainted {
                tracing::warn!(
                    kid,
                    algorithm,
                    state,
                    "a key was withdrawn: what it signed counts no more"
                );
            } else {
                tracing::info!(
                    kid,
                    algorithm,
                    state,
                    "somebody has changed the state of a key in the store"
                );
            }
        }
    }

    /// The state of each key.
    pub(crate) fn states(&self) -> Vec<(String, KeyState)> {
        let records = self.records.iter();
        records.map(|key| (key.kid.clone(), key.state)).collect()
    }
}

/// How long each part of a key's life is when the longest token lives for `longest_life`.
pub(crate) fn key_times(settings: &IssuerSettings, longest_life: Duration) -> KeyTimes {
    let needed = longest_life.saturating_add(AFTER_THE_LAST_TOKEN);
    KeyTimes {
        announce: settings.key_announce(),
        rotation: settings.key_rotation,
        retention: settings.key_retention.max(needed),
    }
}

/// The algorithms that tokens are signed with, the usual one first.
pub(crate) fn algorithms_in_use(settings: &IssuerSettings) -> Vec<Algorithm> {
    let demanded: BTreeSet<Algorithm> =
        TokenShapes::new(&settings.audiences).algorithms().collect();
    let others = demanded.into_iter().filter(|it| *it != settings.algorithm);
    std::iter::once(settings.algorithm).chain(others).collect()
}

/// Since when a verifier must have asked for the key set to count as one that is still there.
pub(crate) fn live_since(settings: &IssuerSettings, now: UnixTime) -> UnixTime {
    let usual = settings.key_announce().max(settings.jwks_max_age);
    now.saturating_sub(usual.saturating_mul(MISSED_FETCHES))
}

/// The keys of the store, with new ones in it for the algorithms that need one, all in the state of this moment.
///
/// Another process may change the keys between reading and writing: then its keys are read first.
pub(crate) async fn keep_keys(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    longest_life: Duration,
    verifiers: &Verifiers,
) -> Result<Kept, Error> {
    let upkeep = Upkeep {
        settings,
        store,
        times: key_times(settings, longest_life),
        verifiers,
    };
    for _ in 0..MAX_WRITES {
        let stored = store.keys().await?;
        if stored.records.iter().any(|key| key.awaits_adoption) {
            // Some may have asked another issuer on the same store.
            verifiers.learn(store.verifiers().await?);
        }
        let now = UnixTime::from(clock.now());
        if let Some(kept) = upkeep.bring_up_to(now, stored).await? {
            return Ok(kept);
        }
    }
    Err(store.busy())
}

/// What decides about the keys.
struct Upkeep<'a> {
    settings: &'a IssuerSettings,
    store: &'a Store,
    times: KeyTimes,
    verifiers: &'a Verifiers,
}

impl Upkeep<'_> {
    /// `None` when the store does not have the keys of `stored` any more. Nothing is written that could not be published.
    ///
    /// At the first start keys sign at once, since no verifier knows any; later a new key is announced first.
    async fn bring_up_to(
        &self,
        now: UnixTime,
        mut stored: StoredKeys,
    ) -> Result<Option<Kept>, Error> {
        let Self {
            settings,
            store,
            times,
            verifiers,
        } = self;
        let in_use = algorithms_in_use(settings);
        let records = &mut stored.records;
        let is_first = !records.iter().any(|key| key.state == KeyState::Signing);
        let state = match is_first {
            true => KeyState::Signing,
            false => KeyState::Announced,
        };
        let live_since = live_since(settings, now);
        let is_adopted = |key: &KeyRecord| verifiers.all_have(&key.kid, live_since);
        let mut changes = rotation::advance(records, now, times, &in_use, is_adopted);
        let mut created = Vec::new();
        for algorithm in &in_use {
            if rotation::needs_another(records, *algorithm, now, times) {
                let mut key = KeyRecord::generate(*algorithm, state, now).await?;
                key.enter(state, now);
                created.push((key.kid.clone(), *algorithm));
                records.push(key);
            }
        }
        changes
            .changed
            .extend(created.iter().map(|(kid, _)| kid.clone()));
        let shapes = TokenShapes::new(&settings.audiences);
        let ring = KeyRing::new(records, settings.algorithm, times.announce, shapes)
            .map_err(|problem| store.damaged(problem))?;
        if !changes.is_empty() {
            let keys = stored.records.iter();
            let keys: Vec<_> = keys
                .filter(|key| changes.changed.contains(&key.kid))
                .collect();
            if !store.write_keys(&stored, keys, &changes.deleted).await? {
                return Ok(None);
            }
            report(&stored.records, &changes, &created);
        }
        let records = stored.records;
        let next_moment = rotation::next_moment(&records, times, &in_use);
        Ok(Some(Kept {
            ring,
            records,
            next_moment,
            said: changes.changed,
        }))
    }
}

fn report(records: &[KeyRecord], changes: &rotation::Changes, created: &[(String, Algorithm)]) {
    for key in records
        .iter()
        .filter(|key| changes.changed.contains(&key.kid))
    {
        let (kid, state) = (key.kid.as_str(), key.state.as_str());
        let algorithm = key.algorithm.as_str();
        if created.iter().any(|(created, _)| *created == key.kid) {
            tracing::info!(kid, algorithm, state, "created a signing key");
        } else {
            tracing::info!(kid, algorithm, state, "the state of a key has changed");
        }
    }
    for kid in &changes.deleted {
        tracing::info!(%kid, "deleted a key whose tokens have all ended");
    }
}
