use super::*;

const COOLDOWN: Duration = Duration::from_secs(10);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn patience(begin: &FetchStart) -> Option<Duration> {
    match begin {
        FetchStart::Wait(fetch) => Some(fetch.patience),
        FetchStart::TooEarly(_) => None,
    }
}

#[test]
fn only_one_fetch_is_under_way() {
    let mut flight = Flight::new(COOLDOWN);
    let (_, first) = flight.begin(FetchReason::Renewal, seconds(1));
    let (joined, second) = flight.begin(FetchReason::Needed { kid: None }, seconds(2));
    assert!(first.is_some() && second.is_none());
    assert!(matches!(
        joined,
        FetchStart::Wait(RunningFetch { joined: true, .. })
    ));
    flight.finish(&Ok(()), seconds(3), true, None);
    assert!(flight.begin(FetchReason::Renewal, seconds(3)).1.is_some());
}

#[test]
fn a_fetch_whose_task_died_does_not_block_the_next() {
    let mut flight = Flight::new(COOLDOWN);
    drop(flight.begin(FetchReason::Renewal, seconds(1)).1);
    assert!(flight.begin(FetchReason::Renewal, seconds(1)).1.is_some());
}

#[test]
fn patience_ends_half_a_second_after_the_start() {
    let mut flight = Flight::new(COOLDOWN);
    let (begin, _result) = flight.begin(FetchReason::Renewal, seconds(1));
    assert_eq!(patience(&begin), Some(MAX_STALE_WAIT));
    let later = seconds(1) + MAX_STALE_WAIT / 2;
    assert_eq!(
        patience(&flight.begin(FetchReason::Renewal, later).0),
        Some(MAX_STALE_WAIT / 2)
    );
    assert_eq!(
        patience(&flight.begin(FetchReason::Renewal, seconds(5)).0),
        Some(Duration::ZERO)
    );
}

#[test]
fn nobody_waits_for_an_issuer_that_has_just_failed() {
    let mut flight = Flight::new(COOLDOWN);
    let _ = flight.begin(FetchReason::Renewal, seconds(1));
    flight.finish(&Err(KeysError::Status(500)), seconds(1), true, None);
    assert_eq!(
        patience(&flight.begin(FetchReason::Renewal, seconds(10)).0),
        None
    );
    let (begin, _result) = flight.begin(FetchReason::Renewal, seconds(11));
    assert_eq!(patience(&begin), Some(Duration::ZERO));
}

#[test]
fn a_fetch_in_vain_starts_the_cooldown_for_unknown_kids_only() {
    let mut flight = Flight::new(COOLDOWN);
    let kid: KeyId = "bogus".parse().unwrap();
    let other: KeyId = "other".parse().unwrap();
    assert!(
        flight
            .begin(FetchReason::UnknownKid { kid: &kid }, seconds(1))
            .1
            .is_some()
    );
    flight.finish(&Ok(()), seconds(1), true, Some(&kid));
    assert!(matches!(
        flight
            .begin(FetchReason::UnknownKid { kid: &other }, seconds(10))
            .0,
        FetchStart::TooEarly(None)
    ));
    let (renewal, result) = flight.begin(FetchReason::Renewal, seconds(10));
    assert!(matches!(renewal, FetchStart::Wait(_)) && result.is_some());
    flight.finish(&Ok(()), seconds(10), true, None);
    assert!(
        flight
            .begin(FetchReason::UnknownKid { kid: &other }, seconds(11))
            .1
            .is_some()
    );
}

#[test]
fn a_fetch_that_failed_says_nothing_about_the_kid_it_was_made_for() {
    let mut flight = Flight::new(COOLDOWN);
    let rotated: KeyId = "rotated".parse().unwrap();
    let _ = flight.begin(FetchReason::UnknownKid { kid: &rotated }, seconds(1));
    flight.finish(
        &Err(KeysError::Status(500)),
        seconds(1),
        true,
        Some(&rotated),
    );
    let again = |flight: &mut Flight, now| {
        flight
            .begin(FetchReason::UnknownKid { kid: &rotated }, now)
            .1
    };
    assert!(again(&mut flight, seconds(10)).is_none());
    assert!(again(&mut flight, seconds(11)).is_some());
}

#[test]
fn a_kid_is_asked_for_again_after_one_cooldown_and_then_less_and_less_often() {
    let mut flight = Flight::new(COOLDOWN);
    let kid: KeyId = "kid".parse().unwrap();
    let mut fetches = Vec::new();
    for now in 0..200 {
        if flight
            .begin(FetchReason::UnknownKid { kid: &kid }, seconds(now))
            .1
            .is_some()
        {
            flight.finish(&Ok(()), seconds(now), true, Some(&kid));
            fetches.push(now);
        }
    }
    assert_eq!(fetches, [0, 10, 30, 60, 90, 120, 150, 180]);
}
