//! The life of a key: `announced`, so that verifiers know it before it signs; `signing`; `retired`, until the last token that
//! it signed has ended; deleted.
//!
//! All of it is a function of the records and the time: who keeps them (`key_upkeep.rs`) may come late, or not at all for a
//! while, and nothing is lost by that.

use std::cmp::Reverse;
use std::time::Duration;

use hallpass_token::{Algorithm, UnixTime};

use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};

/// How long each part of a key's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyTimes {
    /// For how long a key is published before it signs.
    pub(crate) announce: Duration,
    /// For how long a key signs; `None`: until somebody puts another one into its place.
    pub(crate) rotation: Option<Duration>,
    /// For how long a key stays known after it has signed last: no token of it lives longer.
    pub(crate) retention: Duration,
}

/// What a step of time did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Keys whose record is another one.
    pub(crate) changed: Vec<String>,
    /// Keys that are gone.
    pub(crate) deleted: Vec<String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.deleted.is_empty()
    }
}

/// Lets the time of each key begin and end.
///
/// `in_use` are the algorithms that tokens are signed with; `is_adopted` says whether all known verifiers have a key.
pub(crate) fn advance(
    records: &mut Vec<KeyRecord>,
    now: UnixTime,
    times: &KeyTimes,
    in_use: &[Algorithm],
    is_adopted: impl Fn(&KeyRecord) -> bool,
) -> Changes {
    let mut changed = Vec::new();
    for record in records.iter_mut() {
        if begin(record, now) {
            changed.push(record.kid.clone());
        }
        if record.awaits_adoption && is_adopted(record) {
            record.awaits_adoption = false;
            changed.push(record.kid.clone());
        }
    }
    for algorithm in Algorithm::EVERY {
        changed.extend(let_sign(records, algorithm, now, times.announce));
    }
    for record in records.iter_mut() {
        let is_over = ends_at(record, times).is_some_and(|end| end <= now);
        if record.state == KeyState::Signing && is_over && !in_use.contains(&record.algorithm) {
            record.enter(KeyState::Retired, now);
            changed.push(record.kid.clone());
        }
    }
    let is_over = |record: &&mut KeyRecord| {
        record.state != KeyState::Signing && ends_at(record, times).is_some_and(|end| end <= now)
    };
    let deleted: Vec<_> = records.extract_if(.., |record| is_over(&record)).collect();
    let deleted: Vec<String> = deleted.into_iter().map(|record| record.kid).collect();
    changed.retain(|kid| !deleted.contains(kid));
    changed.sort_unstable();
    changed.dedup();
    Changes { changed, deleted }
}

/// Notes when the state of a key began, unless that is known. A moment in the future comes from a clock that was ahead.
fn begin(record: &mut KeyRecord, now: UnixTime) -> bool {
    // Before keys were retired, those that had signed stayed published without an end.
    if record.state == KeyState::Published && record.origin == KeyOrigin::Generated {
        record.enter(KeyState::Retired, now);
        return true;
    }
    if record.since().is_some_and(|since| since <= now) {
        return false;
    }
    if record.since.is_some() {
        tracing::warn!(kid = %record.kid, state = record.state.as_str(), "a key entered its state by a clock that was ahead: its time begins again now");
    }
    record.since = Some(now.as_secs());
    true
}

/// Lets the announced key of `algorithm` whose time came last sign, and retires those before it.
fn let_sign(
    records: &mut [KeyRecord],
    algorithm: Algorithm,
    now: UnixTime,
    announce: Duration,
) -> Vec<String> {
    let mut changed = Vec::new();
    let Some(next) = due(records, algorithm, now, announce).map(|next| next.kid.clone()) else {
        return changed;
    };
    for record in records.iter_mut().filter(|key| key.algorithm == algorithm) {
        let is_over = record.state == KeyState::Signing
            || signs_from(record, announce).is_some_and(|from| from <= now);
        // From now on, and not from the moment that was foreseen: until now the key before may have signed.
        match record.kid == next {
            true => record.enter(KeyState::Signing, now),
            false if is_over => record.enter(KeyState::Retired, now),
            false => continue,
        }
        changed.push(record.kid.clone());
    }
    changed
}

/// When an announced key begins to sign; `None` for the others, and while it awaits its verifiers.
pub(crate) fn signs_from(record: &KeyRecord, announce: Duration) -> Option<UnixTime> {
    let is_due = record.state == KeyState::Announced && !record.awaits_adoption;
    record
        .since()
        .filter(|_| is_due)
        .map(|since| since.saturating_add(announce))
}

/// When a key's present state ends by itself: a signing one is to be followed by another, a retired or tainted one deleted.
pub(crate) fn ends_at(record: &KeyRecord, times: &KeyTimes) -> Option<UnixTime> {
    let lasts = match record.state {
        KeyState::Signing => times.rotation?,
        KeyState::Retired | KeyState::Tainted => times.retention,
        KeyState::Announced | KeyState::Published => return None,
    };
    record.since().map(|since| since.saturating_add(lasts))
}

/// Whether a new key of `algorithm` is to be announced: there is none that could sign, or the one that signs ends soon.
pub(crate) fn needs_another(
    records: &[KeyRecord],
    algorithm: Algorithm,
    now: UnixTime,
    times: &KeyTimes,
) -> bool {
    let mut of_it = records.iter().filter(|key| key.algorithm == algorithm);
    if of_it.clone().any(|key| key.state == KeyState::Announced) {
        return false;
    }
    match of_it.find(|key| key.state == KeyState::Signing) {
        None => true,
        Some(signing) => announces_next_at(signing, times).is_some_and(|from| from <= now),
    }
}

/// When the successor of a signing key is announced, so that it is known when the key's time ends.
pub(crate) fn announces_next_at(signing: &KeyRecord, times: &KeyTimes) -> Option<UnixTime> {
    let ahead = times.rotation?.saturating_sub(times.announce);
    signing.since().map(|since| since.saturating_add(ahead))
}

/// When something is to be done next, if time alone goes on.
pub(crate) fn next_moment(
    records: &[KeyRecord],
    times: &KeyTimes,
    in_use: &[Algorithm],
) -> Option<UnixTime> {
    let is_followed = |record: &KeyRecord| {
        let mut same = records.iter().filter(|it| it.algorithm == record.algorithm);
        same.any(|it| it.state == KeyState::Announced)
    };
    let moment = |record: &KeyRecord| match record.state {
        KeyState::Signing if is_followed(record) => None,
        KeyState::Signing if in_use.contains(&record.algorithm) => announces_next_at(record, times),
        KeyState::Signing => ends_at(record, times),
        KeyState::Announced => signs_from(record, times.announce),
        KeyState::Retired | KeyState::Published | KeyState::Tainted => ends_at(record, times),
    };
    records.iter().filter_map(moment).min()
}

/// The key that signs with `algorithm` at `now`: the announced one whose time came last, else the one that signed before.
pub(crate) fn signer(
    records: &[KeyRecord],
    algorithm: Algorithm,
    now: UnixTime,
    announce: Duration,
) -> Option<&KeyRecord> {
    due(records, algorithm, now, announce)
        .or_else(|| records.iter().find(|record| record.signs(algorithm)))
}

/// The announced key that is the first to sign with `algorithm`, whenever that is.
pub(crate) fn first_announced(records: &[KeyRecord], algorithm: Algorithm) -> Option<&KeyRecord> {
    records
        .iter()
        .filter(|record| record.algorithm == algorithm && record.state == KeyState::Announced)
        .min_by_key(|record| (record.since, &record.kid))
}

fn due(
    records: &[KeyRecord],
    algorithm: Algorithm,
    now: UnixTime,
    announce: Duration,
) -> Option<&KeyRecord> {
    records
        .iter()
        .filter(|record| record.algorithm == algorithm)
        .filter_map(|record| Some((signs_from(record, announce)?, record)))
        .filter(|(from, _)| *from <= now)
        .max_by_key(|(from, record)| (*from, record.created_at, Reverse(&record.kid)))
        .map(|(_, record)| record)
}

#[cfg(test)]
mod tests;
