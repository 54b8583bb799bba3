use hallpass_token::SigningKey;

use super::*;

const WAIT: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(86_400);
const TIMES: KeyTimes = KeyTimes {
    announce: WAIT,
    rotation: Some(DAY),
    retention: Duration::from_secs(3_600),
};

fn key(kid: &str, state: KeyState) -> KeyRecord {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let key = key.with_key_id(kid.parse().unwrap());
    KeyRecord::of(&key, state, KeyOrigin::Imported, at(7)).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn states(records: &[KeyRecord]) -> Vec<KeyState> {
    records.iter().map(|record| record.state).collect()
}

/// The names of the keys that were changed.
fn step(records: &mut Vec<KeyRecord>, now: u64, times: &KeyTimes) -> Vec<String> {
    advance(records, at(now), times, &[Algorithm::Es256], |_| false).changed
}

fn needs(records: &[KeyRecord], now: u64, times: &KeyTimes) -> bool {
    needs_another(records, Algorithm::Es256, at(now), times)
}

#[test]
fn a_key_signs_when_it_was_published_for_as_long_as_verifiers_may_keep_the_set() {
    use KeyState::{Announced, Retired, Signing};
    let mut records = vec![key("old", Signing), key("new", Announced)];
    assert_eq!(step(&mut records, 1_000, &TIMES), ["new", "old"]);
    assert_eq!(step(&mut records, 1_299, &TIMES), [""; 0]);
    assert_eq!(states(&records), [Signing, Announced]);
    let kid = |now| {
        let signer = signer(&records, Algorithm::Es256, at(now), WAIT);
        signer.unwrap().kid.clone()
    };
    assert_eq!((kid(1_299), kid(1_300)), ("old".into(), "new".into()));
    assert_eq!(step(&mut records, 1_300, &TIMES), ["new", "old"]);
    assert_eq!(states(&records), [Retired, Signing]);
    assert_eq!(step(&mut records, 4_899, &TIMES), [""; 0]);
}

#[test]
fn a_key_that_signs_no_more_cannot_sign_and_goes_when_its_last_token_has_ended() {
    let mut records = vec![
        key("old", KeyState::Signing),
        key("new", KeyState::Announced),
    ];
    step(&mut records, 1_000, &TIMES);
    step(&mut records, 1_300, &TIMES);
    assert!(records[0].private.is_none());
    assert!(records[1].private.is_some());
    let mut changes = |now| {
        advance(&mut records, at(now), &TIMES, &[Algorithm::Es256], |_| {
            false
        })
    };
    assert!(changes(1_300 + 3_599).is_empty());
    assert_eq!(changes(1_300 + 3_600).deleted, ["old"]);
    assert_eq!(states(&records), [KeyState::Signing]);
}

#[test]
fn the_next_key_is_announced_so_early_that_it_is_known_when_the_time_of_the_last_one_ends() {
    let mut records = vec![key("a", KeyState::Signing)];
    assert!(needs(&[], 0, &TIMES), "there is none");
    step(&mut records, 1_000, &TIMES);
    let early = 1_000 + 86_400 - 300;
    assert_eq!(
        next_moment(&records, &TIMES, &[Algorithm::Es256]),
        Some(at(early))
    );
    assert!(!needs(&records, early - 1, &TIMES));
    assert!(needs(&records, early, &TIMES));
    records.push(key("b", KeyState::Announced));
    step(&mut records, early, &TIMES);
    assert!(!needs(&records, early, &TIMES), "one is announced");
    assert_eq!(
        next_moment(&records, &TIMES, &[Algorithm::Es256]),
        Some(at(early + 300))
    );
    step(&mut records, early + 300, &TIMES);
    assert_eq!(states(&records), [KeyState::Retired, KeyState::Signing]);

    let by_hand = KeyTimes {
        rotation: None,
        ..TIMES
    };
    assert!(!needs(&records, u64::MAX, &by_hand));
}

#[test]
fn a_key_that_awaits_its_verifiers_signs_when_they_have_it_and_not_before_its_time() {
    use KeyState::{Announced, Retired, Signing};
    let mut records = vec![key("old", Signing), key("new", Announced)];
    records[1].awaits_adoption = true;
    step(&mut records, 1_000, &TIMES);
    step(&mut records, 9_000, &TIMES);
    assert_eq!(
        states(&records),
        [Signing, Announced],
        "they do not have it"
    );
    let adopted = |records: &mut Vec<KeyRecord>, now| {
        advance(records, at(now), &TIMES, &[Algorithm::Es256], |key| {
            key.kid == "new"
        })
    };
    assert_eq!(adopted(&mut records, 9_001).changed, ["new", "old"]);
    assert_eq!(states(&records), [Retired, Signing]);

    let mut records = vec![key("old", Signing), key("new", Announced)];
    records[1].awaits_adoption = true;
    step(&mut records, 1_000, &TIMES);
    adopted(&mut records, 1_100);
    assert_eq!(states(&records), [Signing, Announced], "too early");
    assert_eq!(signs_from(&records[1], WAIT), Some(at(1_300)));
}

#[test]
fn a_key_is_retired_when_it_stops_to_sign_however_long_ago_that_was_foreseen() {
    let mut records = vec![
        key("old", KeyState::Signing),
        key("new", KeyState::Announced),
    ];
    records[1].awaits_adoption = true;
    step(&mut records, 1_000, &TIMES);
    // The wait is called off, or made shorter, long after it could have been over.
    records[1].awaits_adoption = false;
    step(&mut records, 50_000, &TIMES);
    assert_eq!(records.len(), 2, "its last tokens have just been issued");
    assert_eq!(records[0].state, KeyState::Retired);
    assert_eq!(records[0].since, Some(50_000));
}

#[test]
fn a_moment_of_a_clock_that_was_ahead_is_forgotten() {
    for state in [KeyState::Announced, KeyState::Signing, KeyState::Retired] {
        let mut records = vec![key("new", state)];
        step(&mut records, 9_000_000, &TIMES);
        assert_eq!(step(&mut records, 1_000, &TIMES), ["new"]);
        assert_eq!(records[0].since, Some(1_000));
    }
}

#[test]
fn keys_that_follow_one_another_quickly_each_get_their_turn() {
    use KeyState::{Announced, Retired, Signing};
    let mut records = vec![key("old", Signing), key("a", Announced)];
    step(&mut records, 1_000, &TIMES);
    records.push(key("b", Announced));
    step(&mut records, 1_200, &TIMES);
    step(&mut records, 1_300, &TIMES);
    assert_eq!(states(&records), [Retired, Signing, Announced]);
    step(&mut records, 1_500, &TIMES);
    assert_eq!(states(&records), [Retired, Retired, Signing]);
}

#[test]
fn without_a_wait_a_key_signs_at_once_and_a_very_long_one_is_no_overflow() {
    let mut records = vec![key("a", KeyState::Announced)];
    let times = |announce| KeyTimes { announce, ..TIMES };
    step(&mut records, 5, &times(Duration::MAX));
    assert_eq!(states(&records), [KeyState::Announced]);
    step(&mut records, 5, &times(Duration::ZERO));
    assert_eq!(states(&records), [KeyState::Signing]);
}

#[test]
fn a_key_whose_algorithm_nobody_wants_signs_until_its_time_ends_and_has_no_successor() {
    let mut records = vec![key("a", KeyState::Signing)];
    let mut unused = |now| {
        advance(&mut records, at(now), &TIMES, &[Algorithm::EdDsa], |_| {
            false
        });
        states(&records)
    };
    assert_eq!(unused(1_000), [KeyState::Signing]);
    assert_eq!(
        unused(1_000 + 86_399),
        [KeyState::Signing],
        "there is a way back until then"
    );
    assert_eq!(unused(1_000 + 86_400), [KeyState::Retired]);
}

#[test]
fn what_was_imported_to_be_published_stays_and_what_signed_here_before_does_not() {
    let mut records = vec![
        key("theirs", KeyState::Published),
        key("ours", KeyState::Published),
    ];
    records[1].origin = KeyOrigin::Generated;
    step(&mut records, 1_000, &TIMES);
    assert_eq!(states(&records), [KeyState::Published, KeyState::Retired]);
    step(&mut records, u64::MAX, &TIMES);
    assert_eq!(states(&records), [KeyState::Published]);
}
