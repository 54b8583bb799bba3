//! From `announced` to `signing`: a key is published for a while before it signs, so that verifiers know it by then.

use std::cmp::Reverse;
use std::time::Duration;

use hallpass_token::{Algorithm, UnixTime};

use crate::keys::record::{KeyRecord, KeyState};

/// Begins the time of keys that were never published, or in the future as a wrong clock has it, and lets those sign whose
/// time has come. Gives the names of the keys that it changed, which are to be stored.
pub(crate) fn advance(records: &mut [KeyRecord], now: UnixTime, announce: Duration) -> Vec<String> {
    let mut changed = Vec::new();
    for record in records.iter_mut() {
        let has_begun = record
            .announced_at
            .is_some_and(|begun| begun <= now.as_secs());
        if record.state == KeyState::Announced && !has_begun {
            if record.announced_at.is_some() {
                tracing::warn!(kid = %record.kid, "a key was announced by a clock that was ahead: its time begins again now");
            }
            record.announced_at = Some(now.as_secs());
            changed.push(record.kid.clone());
        }
    }
    for algorithm in Algorithm::EVERY {
        let Some(next) = due(records, algorithm, now, announce).map(|next| next.kid.clone()) else {
            continue;
        };
        for record in records.iter_mut().filter(|key| key.algorithm == algorithm) {
            let is_over = record.state == KeyState::Signing
                || signs_from(record, announce).is_some_and(|from| from <= now);
            let state = match record.kid == next {
                true => KeyState::Signing,
                false if is_over => KeyState::Published,
                false => continue,
            };
            record.state = state;
            record.announced_at = None;
            changed.push(record.kid.clone());
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}

/// When an announced key begins to sign; `None` for the others.
pub(crate) fn signs_from(record: &KeyRecord, announce: Duration) -> Option<UnixTime> {
    let begun = record
        .announced_at
        .filter(|_| record.state == KeyState::Announced)?;
    Some(UnixTime::from_secs(begun).saturating_add(announce))
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
        .min_by_key(|record| (record.announced_at, &record.kid))
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
mod tests {
    use hallpass_token::SigningKey;

    use super::*;
    use crate::keys::record::KeyOrigin;

    const WAIT: Duration = Duration::from_secs(300);

    fn key(kid: &str, state: KeyState) -> KeyRecord {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let key = key.with_key_id(kid.parse().unwrap());
        KeyRecord::of(&key, state, KeyOrigin::Imported, UnixTime::from_secs(7)).unwrap()
    }

    fn states(records: &[KeyRecord]) -> Vec<KeyState> {
        records.iter().map(|record| record.state).collect()
    }

    #[test]
    fn a_key_signs_when_it_was_published_for_as_long_as_verifiers_may_keep_the_set() {
        use KeyState::{Announced, Published, Signing};
        let mut records = [key("old", Signing), key("new", Announced)];
        let at = UnixTime::from_secs;
        assert_eq!(advance(&mut records, at(1_000), WAIT), ["new"]);
        assert_eq!(advance(&mut records, at(1_299), WAIT), [""; 0]);
        assert_eq!(states(&records), [Signing, Announced]);
        let kid = |at| {
            signer(&records, Algorithm::Es256, at, WAIT)
                .unwrap()
                .kid
                .clone()
        };
        assert_eq!(
            (kid(at(1_299)), kid(at(1_300))),
            ("old".into(), "new".into())
        );
        assert_eq!(advance(&mut records, at(1_300), WAIT), ["new", "old"]);
        assert_eq!(states(&records), [Published, Signing]);
        assert_eq!(advance(&mut records, at(9_000), WAIT), [""; 0]);
    }

    #[test]
    fn a_key_that_was_announced_while_the_clock_was_ahead_begins_again_now() {
        let mut records = [key("new", KeyState::Announced)];
        advance(&mut records, UnixTime::from_secs(9_000_000), WAIT);
        assert_eq!(
            advance(&mut records, UnixTime::from_secs(1_000), WAIT),
            ["new"]
        );
        assert_eq!(records[0].announced_at, Some(1_000));
    }

    #[test]
    fn keys_that_follow_one_another_quickly_each_get_their_turn() {
        use KeyState::{Announced, Published, Signing};
        let mut records = [key("old", Signing), key("a", Announced)];
        let at = UnixTime::from_secs;
        advance(&mut records, at(1_000), WAIT);
        let [old, a] = records;
        let mut records = [old, a, key("b", Announced)];
        advance(&mut records, at(1_200), WAIT);
        advance(&mut records, at(1_300), WAIT);
        assert_eq!(states(&records), [Published, Signing, Announced]);
        advance(&mut records, at(1_500), WAIT);
        assert_eq!(states(&records), [Published, Published, Signing]);
    }

    #[test]
    fn without_a_wait_a_key_signs_at_once_and_a_very_long_one_is_no_overflow() {
        let mut records = [key("a", KeyState::Announced)];
        advance(&mut records, UnixTime::from_secs(5), Duration::MAX);
        assert_eq!(states(&records), [KeyState::Announced]);
        advance(&mut records, UnixTime::from_secs(5), Duration::ZERO);
        assert_eq!(states(&records), [KeyState::Signing]);
    }
}
