//! What an operator does with the certificate authorities of a store, whether or not an issuer is running on it. A running one follows
//! within a third of a second.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use super::record::{AuthorityRecord, AuthorityState};
use super::ring::bundle;
use super::rotation::{self, CaTimes};
use super::upkeep;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::ca::CaSettings;
use crate::store::Store;
use crate::store::authorities::StoredAuthorities;
use crate::store::keys::MAX_WRITES;

/// A certificate authority as it is shown: nothing of its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorityInfo {
    /// Its name, which stands in the name of its certificate.
    pub id: String,
    /// Where in its life it is.
    pub state: AuthorityState,
    /// Whose certificates it makes.
    pub trust_domain: String,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When its state began, in seconds since 1970.
    pub since: u64,
    /// When its certificate ends, in seconds since 1970.
    pub not_after: u64,
    /// When its state ends by itself, in seconds since 1970: it signs, another one is to sign, or it is deleted.
    pub until: u64,
}

/// Every certificate authority of the store, oldest first. Changes nothing.
///
/// # Errors
/// [`Error::NoAuthority`] without `issuer.ca`, [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn authority_report(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<AuthorityInfo>, Error> {
    let store = open(settings).await?;
    let report = report(settings, &store, clock.as_ref()).await;
    store.close().await;
    report
}

/// [`authority_report`] of an open store.
pub(crate) async fn report(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
) -> Result<Vec<AuthorityInfo>, Error> {
    let ca = section(settings)?;
    let mut records = store.authorities().await?.records;
    let (times, now) = (upkeep::times(ca), UnixTime::from(clock.now()));
    rotation::advance(&mut records, now, &times, &ca.trust_domain, true);
    let info = |record: &AuthorityRecord| AuthorityInfo::of(record, &times);
    Ok(records.iter().map(info).collect())
}

/// What peers trust, in PEM, as the issuer serves it. Changes nothing.
///
/// # Errors
/// As [`authority_report`].
pub async fn authority_bundle(settings: &IssuerSettings) -> Result<String, Error> {
    let store = open(settings).await?;
    let records = store.authorities().await?.records;
    store.close().await;
    Ok(bundle(&records))
}

/// Lets a new certificate authority take over: announced, or with `at_once` without that, and then who does not ask for the bundle
/// anew refuses the certificates that it signs. An announced one that is there already is that one: asking twice makes no second one.
///
/// # Errors
/// [`Error::NoAuthority`], [`Error::StoreMissing`], and those of opening and writing the store; nothing is changed then.
pub async fn rotate_authority(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    at_once: bool,
) -> Result<AuthorityInfo, Error> {
    let store = open_for_change(settings).await?;
    let rotated = rotate(settings, &store, clock.as_ref(), at_once).await;
    store.close().await;
    rotated
}

/// [`rotate_authority`] of an open store.
pub(crate) async fn rotate(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    at_once: bool,
) -> Result<AuthorityInfo, Error> {
    change(settings, store, clock, |records, ca, now| {
        let announced = records
            .iter()
            .find(|it| it.state == AuthorityState::Announced);
        let id = match announced {
            Some(announced) => announced.id.clone(),
            None => add(records, ca, now)?,
        };
        if at_once {
            let_sign(records, &id, now);
        }
        Ok(id)
    })
    .await
}

/// Takes a certificate authority out of the bundle at once: whoever fetches that refuses what it has signed, and who has such a
/// certificate needs another one. When it signed, an announced one takes over, or else a new one does; the one that signs is the answer.
///
/// # Errors
/// [`Error::UnknownAuthority`], [`Error::NoAuthority`], [`Error::StoreMissing`], and those of opening and writing the store; nothing is
/// changed then.
pub async fn distrust_authority(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    id: &str,
) -> Result<AuthorityInfo, Error> {
    let store = open_for_change(settings).await?;
    let left = distrust(settings, &store, clock.as_ref(), id).await;
    store.close().await;
    left
}

/// [`distrust_authority`] of an open store.
pub(crate) async fn distrust(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    id: &str,
) -> Result<AuthorityInfo, Error> {
    change(settings, store, clock, |records, ca, now| {
        let known = || records.iter().map(|it| it.id.clone()).collect();
        let Some(place) = records.iter().position(|it| it.id == id) else {
            let (id, known) = (id.to_owned(), known());
            return Err(Error::UnknownAuthority { id, known });
        };
        records.remove(place);
        let of = |records: &[AuthorityRecord], state| {
            let mut of_state = records.iter().filter(|it| it.state == state);
            of_state.next().map(|it| it.id.clone())
        };
        if let Some(signing) = of(records, AuthorityState::Signing) {
            return Ok(signing);
        }
        let next = match of(records, AuthorityState::Announced) {
            Some(announced) => announced,
            None => add(records, ca, now)?,
        };
        let_sign(records, &next, now);
        Ok(next)
    })
    .await
}

fn let_sign(records: &mut [AuthorityRecord], id: &str, now: UnixTime) {
    for record in records {
        match (record.id == id, record.state) {
            (true, _) => record.enter(AuthorityState::Signing, now),
            (false, AuthorityState::Signing) => record.enter(AuthorityState::Retired, now),
            (false, AuthorityState::Announced | AuthorityState::Retired) => {}
        }
    }
}

/// Makes an announced one.
fn add(
    records: &mut Vec<AuthorityRecord>,
    ca: &CaSettings,
    now: UnixTime,
) -> Result<String, Error> {
    let life = upkeep::times(ca).certificate_life();
    let made = AuthorityRecord::generate(AuthorityState::Announced, &ca.trust_domain, now, life)?;
    let id = made.id.clone();
    records.push(made);
    Ok(id)
}

/// Reads the authorities, lets `edit` change them, and writes what is different; again when another process was faster.
async fn change(
    settings: &IssuerSettings,
    store: &Store,
    clock: &dyn Clock,
    edit: impl Fn(&mut Vec<AuthorityRecord>, &CaSettings, UnixTime) -> Result<String, Error>,
) -> Result<AuthorityInfo, Error> {
    let ca = section(settings)?;
    for _ in 0..MAX_WRITES {
        let mut stored = store.authorities().await?;
        let now = UnixTime::from(clock.now());
        let before: Vec<_> = stored.records.iter().map(fingerprint).collect();
        // Whoever does this by hand has looked at the clock.
        upkeep::advance(&mut stored.records, (now, true), ca)?;
        let id = edit(&mut stored.records, ca, now)?;
        let is_there = |(id, ..): &&Fingerprint| stored.records.iter().any(|it| it.id == *id);
        let deleted = before.iter().filter(|it| !is_there(it));
        let deleted: Vec<String> = deleted.map(|(id, ..)| id.clone()).collect();
        let is_other = |it: &&AuthorityRecord| !before.contains(&fingerprint(it));
        let changed: Vec<_> = stored.records.iter().filter(is_other).collect();
        if store.write_authorities(&stored, changed, &deleted).await? {
            return find(&stored, &id, &upkeep::times(ca));
        }
    }
    Err(store.busy())
}

type Fingerprint = (String, AuthorityState, UnixTime);

fn fingerprint(record: &AuthorityRecord) -> Fingerprint {
    (record.id.clone(), record.state, record.since)
}

fn find(stored: &StoredAuthorities, id: &str, times: &CaTimes) -> Result<AuthorityInfo, Error> {
    let found = stored.records.iter().find(|it| it.id == id);
    let found = found.map(|it| AuthorityInfo::of(it, times));
    found.ok_or(Error::Internal {
        operation: "finding the changed certificate authority",
    })
}

fn section(settings: &IssuerSettings) -> Result<&CaSettings, Error> {
    settings.ca.as_ref().ok_or(Error::NoAuthority)
}

/// # Errors
/// [`Error::StoreMissing`]: who looks at authorities does not want an empty store made.
async fn open(settings: &IssuerSettings) -> Result<Store, Error> {
    section(settings)?;
    Store::open_existing(settings.place(), settings.sealing_keys()).await
}

/// The same, where what is written reaches the issuer that runs.
async fn open_for_change(settings: &IssuerSettings) -> Result<Store, Error> {
    section(settings)?;
    Store::check_reaches_issuer(settings.place())?;
    open(settings).await
}

impl AuthorityInfo {
    fn of(record: &AuthorityRecord, times: &CaTimes) -> Self {
        let until = match record.state {
            AuthorityState::Announced => Some(rotation::signs_from(record, times)),
            AuthorityState::Signing => Some(rotation::signs_until(record, times)),
            AuthorityState::Retired => rotation::forgotten_at(record),
        };
        let until = until.map_or(record.not_after, |until| until.min(record.not_after));
        Self {
            id: record.id.clone(),
            state: record.state,
            trust_domain: record.trust_domain.clone(),
            created_at: record.created_at.as_secs(),
            since: record.since.as_secs(),
            not_after: record.not_after.as_secs(),
            until: until.as_secs(),
        }
    }
}
