//! What an operator does with the keys of a store, whether or not an issuer is running on it. A running one follows within a
//! third of a second.
//!
//! Functions of this crate's users open the store and close it; those that are given one work for an issuer that runs too.

pub(crate) mod edit;

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{Algorithm, UnixTime};

use self::edit::{Edit, TakeOver};
use crate::error::Error;
use crate::key_upkeep::{algorithms_in_use, key_times};
use crate::keys::adoption::Verifier;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use crate::keys::rotation::{self, Changes, KeyTimes};
use crate::settings::IssuerSettings;
use crate::store::Store;
use crate::store::keys::MAX_WRITES;

/// A key as it is shown: nothing of its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its name (`kid`).
    pub key_id: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Where in its life it is.
    pub state: KeyState,
    /// Whether it was made elsewhere.
    pub is_imported: bool,
    /// When it was made or imported, in seconds since 1970.
    pub created_at: u64,
    /// When its state began, in seconds since 1970; `None` until an issuer has seen it.
    pub since: Option<u64>,
    /// Whether it does not sign before the known verifiers have it.
    pub awaits_adoption: bool,
}

/// The keys of a store, what becomes of them, and who has fetched them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyReport {
    /// Every key, oldest first.
    pub keys: Vec<KeyInfo>,
    /// What will happen by itself, in the order of time; last what waits for something else.
    pub steps: Vec<KeyStep>,
    /// Who has asked for the key set by a name, as the issuer wrote it down: at most a minute behind.
    pub verifiers: Vec<Verifier>,
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStep {
    /// When, in seconds since 1970; `None` while it waits for its verifiers or for the issuer's next start.
    pub at: Option<u64>,
    /// Which key; `None` for one that is not made yet.
    pub key_id: Option<String>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The state it enters; `None` when it is deleted.
    pub enters: Option<KeyState>,
}

/// Every key of the store, what becomes of them, and who has fetched them. Changes nothing.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn key_report(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<KeyReport, Error> {
    let store = open(settings).await?;
    let report = report(settings, &store, clock.as_ref()).await;
    store.close().await;
    report
}

/// [`key_report`] of an open store.
pub(crate) async fn report(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
) -> Result<KeyReport, Error> {
    let (times, in_use) = (times(settings, store).await?, algorithms_in_use(settings));
    let mut records = store.keys().await?.records;
    let verifiers = store.verifiers().await?;
    let now = UnixTime::from(clock.now());
    rotation::advance(&mut records, now, &times, &in_use, |_| false);
    Ok(KeyReport {
        keys: records.iter().map(KeyInfo::of).collect(),
        steps: steps(&records, &times, &in_use),
        verifiers,
    })
}

/// The public halves of all published keys as a JWK set (RFC 7517 section 5), as the issuer serves it. Changes nothing.
///
/// # Errors
/// As [`key_report`].
pub async fn public_keys(settings: &IssuerSettings) -> Result<String, Error> {
    let store = open(settings).await?;
    let keys = published(&store).await;
    store.close().await;
    keys
}

/// [`public_keys`] of an open store.
async fn published(store: &Store) -> Result<String, Error> {
    let records = store.keys().await?.records;
    let published = records.iter().filter(|key| key.is_published());
    let published: Vec<&str> = published.map(|key| key.public_jwk.as_str()).collect();
    Ok(format!("{{\"keys\":[{}]}}", published.join(",")))
}

/// Lets a new key of `algorithm` (by default the issuer's) take over from the one that signs. An announced one that is there
/// already is that key: asking twice makes no second one.
///
/// # Errors
/// [`Error::TooManyKeys`], [`Error::StoreMissing`], and those of opening and writing the store; nothing is changed then.
pub async fn rotate_key(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    algorithm: Option<Algorithm>,
    take_over: TakeOver,
) -> Result<KeyInfo, Error> {
    let store = open_for_change(settings).await?;
    let algorithm = algorithm.unwrap_or(settings.algorithm);
    let rotated = rotate(settings, &store, clock.as_ref(), (algorithm, take_over)).await;
    store.close().await;
    rotated
}

/// [`rotate_key`] of an open store.
pub(crate) async fn rotate(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    (algorithm, take_over): (Algorithm, TakeOver),
) -> Result<KeyInfo, Error> {
    let edit = Edit::Rotate(algorithm, take_over);
    let next = change(settings, store, clock, edit).await?;
    next.ok_or(Error::Internal {
        operation: "finding the key that takes over",
    })
}

/// Withdraws the key `kid`: it leaves the key set, it never signs again, and what it signed counts no more. When it signed,
/// an announced key takes over at once, or else a new one does; that one is the answer.
///
/// # Errors
/// [`Error::UnknownKey`], [`Error::StoreMissing`], and those of opening and writing the store; nothing is changed then.
pub async fn taint_key(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    kid: &str,
) -> Result<Option<KeyInfo>, Error> {
    let store = open_for_change(settings).await?;
    let tainted = taint(settings, &store, clock.as_ref(), kid).await;
    store.close().await;
    tainted
}

/// [`taint_key`] of an open store.
pub(crate) async fn taint(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    kid: &str,
) -> Result<Option<KeyInfo>, Error> {
    change(settings, store, clock, Edit::Taint(kid)).await
}

/// Reads the keys, edits them, and writes what is different; again when another process was faster.
async fn change(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    edit: Edit<'_>,
) -> Result<Option<KeyInfo>, Error> {
    let (times, in_use) = (times(settings, store).await?, algorithms_in_use(settings));
    for _ in 0..MAX_WRITES {
        let mut stored = store.keys().await?;
        let now = UnixTime::from(clock.now());
        let before: Vec<_> = stored.records.iter().map(fingerprint).collect();
        let Changes { deleted, .. } =
            rotation::advance(&mut stored.records, now, &times, &in_use, |_| false);
        let next = edit.apply(&mut stored.records, &in_use, now).await?;
        let changed = stored.records.iter();
        let changed: Vec<_> = changed
            .filter(|key| !before.contains(&fingerprint(key)))
            .collect();
        if store.write_keys(&stored, changed, &deleted).await? {
            return next.map(|kid| info(&stored.records, &kid)).transpose();
        }
    }
    Err(store.busy())
}

fn fingerprint(key: &KeyRecord) -> (String, KeyState, Option<u64>, bool) {
    (key.kid.clone(), key.state, key.since, key.awaits_adoption)
}

fn info(records: &[KeyRecord], kid: &str) -> Result<KeyInfo, Error> {
    let key = records.iter().find(|key| key.kid == kid);
    key.map(KeyInfo::of).ok_or(Error::Internal {
        operation: "finding the changed key",
    })
}

/// # Errors
/// [`Error::StoreMissing`]: who looks at keys does not want an empty store made.
async fn open(settings: &IssuerSettings) -> Result<Store, Error> {
    Store::open_existing(settings.place(), settings.sealing_keys()).await
}

/// The same, where what is written reaches the issuer that runs.
async fn open_for_change(settings: &IssuerSettings) -> Result<Store, Error> {
    Store::check_reaches_issuer(settings.place())?;
    open(settings).await
}

async fn times(settings: &IssuerSettings, store: &Store) -> Result<KeyTimes, Error> {
    let configured = settings.clients.iter();
    let configured = configured.map(|client| client.token_life.unwrap_or(settings.token_life));
    let stored = store.clients().await?;
    let stored = stored.iter().map(|client| client.token_life);
    let longest: Option<Duration> = configured.chain(stored).max();
    Ok(key_times(settings, longest.unwrap_or(settings.token_life)))
}

fn steps(records: &[KeyRecord], times: &KeyTimes, in_use: &[Algorithm]) -> Vec<KeyStep> {
    let mut steps = Vec::new();
    for key in records {
        let step = |at: Option<UnixTime>, enters| KeyStep {
            at: at.map(UnixTime::as_secs),
            key_id: Some(key.kid.clone()),
            algorithm: key.algorithm,
            enters,
        };
        match key.state {
            KeyState::Announced => {
                let at = rotation::signs_from(key, times.announce);
                steps.push(step(at, Some(KeyState::Signing)));
            }
            KeyState::Signing => steps.extend(end_of_signing(records, key, times, in_use)),
            KeyState::Retired | KeyState::Tainted => {
                steps.push(step(rotation::ends_at(key, times), None));
            }
            KeyState::Published => {}
        }
    }
    steps.sort_by_key(|step| (step.at.is_none(), step.at));
    steps
}

/// The successor of `key` is announced, and then takes over, unless one is announced already.
fn end_of_signing(
    records: &[KeyRecord],
    key: &KeyRecord,
    times: &KeyTimes,
    in_use: &[Algorithm],
) -> Vec<KeyStep> {
    if rotation::first_announced(records, key.algorithm).is_some() {
        return Vec::new();
    }
    let Some(end) = rotation::ends_at(key, times) else {
        return Vec::new();
    };
    let step = |at: Option<UnixTime>, key_id, enters| KeyStep {
        at: at.map(UnixTime::as_secs),
        key_id,
        algorithm: key.algorithm,
        enters: Some(enters),
    };
    let retires = step(Some(end), Some(key.kid.clone()), KeyState::Retired);
    if !in_use.contains(&key.algorithm) {
        return vec![retires];
    }
    let announced = rotation::announces_next_at(key, times);
    vec![
        step(announced, None, KeyState::Announced),
        step(Some(end), None, KeyState::Signing),
        retires,
    ]
}

impl KeyReport {
    /// The verifiers that do not have this key.
    pub fn missing_at(&self, key_id: &str) -> impl Iterator<Item = &str> {
        let misses = move |verifier: &&Verifier| !verifier.key_ids.iter().any(|it| it == key_id);
        let names = self.verifiers.iter().filter(misses);
        names.map(|verifier| verifier.name.as_str())
    }
}

impl KeyInfo {
    fn of(record: &KeyRecord) -> Self {
        Self {
            key_id: record.kid.clone(),
            algorithm: record.algorithm,
            state: record.state,
            is_imported: record.origin == KeyOrigin::Imported,
            created_at: record.created_at,
            since: record.since,
            awaits_adoption: record.awaits_adoption,
        }
    }
}
