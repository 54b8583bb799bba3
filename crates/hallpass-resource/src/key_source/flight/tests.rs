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
    flight.finish(&Ok(()), seconds(3), None);
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
    flight.finish(
        &Err(KeysError::Status {
            status: 500,
            retry_after: None,
        }),
        seconds(1),
        None,
    );
    let (begin, _) = flight.begin(FetchReason::Renewal, seconds(1) + FIRST_BACKOFF / 2);
    let FetchStart::TooEarly(Some(KeysError::TooEarly { retry_in, .. })) = begin else {
        panic!("{begin:?}")
    };
    assert_eq!(retry_in, FIRST_BACKOFF / 2);
    let (begin, _result) = flight.begin(FetchReason::Renewal, seconds(1) + FIRST_BACKOFF);
    assert_eq!(patience(&begin), Some(Duration::ZERO));
}

#[test]
fn the_waits_after_failures_double_up_to_the_cooldown() {
    let mut flight = Flight::new(COOLDOWN);
    let mut now = seconds(1);
    for wait in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
        assert!(flight.begin(FetchReason::Renewal, now).1.is_some());
        flight.finish(
            &Err(KeysError::Status {
                status: 500,
                retry_after: None,
            }),
            now,
            None,
        );
        now += Duration::from_millis(wait);
        let just_before = now - Duration::from_millis(1);
        assert!(flight.begin(FetchReason::Renewal, just_before).1.is_none());
    }
}

#[test]
fn fetches_in_vain_use_up_the_allowance_of_unknown_kids_only() {
    let mut flight = Flight::new(COOLDOWN);
    let kid = |number: u32| -> KeyId { format!("bogus-{number}").parse().unwrap() };
    let mut fetches = 0;
    for number in 0..100 {
        let kid = kid(number);
        let start = FetchReason::UnknownKid { kid: &kid };
        if flight.begin(start, seconds(1)).1.is_some() {
            flight.finish(&Ok(()), seconds(1), Some(&kid));
            fetches += 1;
        }
    }
    assert_eq!(fetches, 2);
    let other = kid(100);
    let unknown = FetchReason::UnknownKid { kid: &other };
    let just_before = seconds(2) - Duration::from_millis(1);
    assert!(matches!(
        flight.begin(unknown, just_before).0,
        FetchStart::TooEarly(None)
    ));
    for reason in [FetchReason::Renewal, FetchReason::BadSignature] {
        assert!(flight.begin(reason, just_before).1.is_some());
        flight.finish(&Ok(()), just_before, None);
    }
    assert!(flight.begin(unknown, seconds(2)).1.is_some());
}

#[test]
fn a_fetch_that_failed_says_nothing_about_the_kid_it_was_made_for() {
    let mut flight = Flight::new(COOLDOWN);
    let rotated: KeyId = "rotated".parse().unwrap();
    let _ = flight.begin(FetchReason::UnknownKid { kid: &rotated }, seconds(1));
    flight.finish(
        &Err(KeysError::Status {
            status: 500,
            retry_after: None,
        }),
        seconds(1),
        Some(&rotated),
    );
    let again = |flight: &mut Flight, now| {
        flight
            .begin(FetchReason::UnknownKid { kid: &rotated }, now)
            .1
    };
    let next = seconds(1) + FIRST_BACKOFF;
    assert!(again(&mut flight, next - Duration::from_millis(1)).is_none());
    assert!(again(&mut flight, next).is_some());
}

#[test]
fn a_kid_is_asked_for_again_after_a_second_and_then_less_and_less_often() {
    let mut flight = Flight::new(COOLDOWN);
    let kid: KeyId = "kid".parse().unwrap();
    let mut fetches = Vec::new();
    for now in 0..200 {
        if flight
            .begin(FetchReason::UnknownKid { kid: &kid }, seconds(now))
            .1
            .is_some()
        {
            flight.finish(&Ok(()), seconds(now), Some(&kid));
            fetches.push(now);
        }
    }
    assert_eq!(fetches, [0, 1, 11, 31, 61, 91, 121, 151, 181]);
}

#[test]
fn an_issuer_that_says_when_to_come_again_is_left_alone_for_that_long_and_no_longer_than_30_seconds()
 {
    for (says, waits) in [(0, 500), (7, 7_000), (3_600, 30_000)] {
        let mut flight = Flight::new(COOLDOWN);
        let _ = flight.begin(FetchReason::Renewal, seconds(1));
        let busy = KeysError::Status {
            status: 503,
            retry_after: Some(seconds(says)),
        };
        flight.finish(&Err(busy), seconds(1), None);
        let due = seconds(1) + Duration::from_millis(waits);
        let just_before = due - Duration::from_millis(1);
        assert!(flight.begin(FetchReason::Renewal, just_before).1.is_none());
        assert!(flight.begin(FetchReason::Renewal, due).1.is_some());
    }
}

fn failed(retry_after: Option<Duration>) -> Outcome {
    Err(KeysError::Status {
        status: 500,
        retry_after,
    })
}

/// A flight whose issuer has been away until the waits were as long as they get, at this moment.
fn long_away() -> (Flight, Duration) {
    let (mut flight, mut now) = (Flight::new(COOLDOWN), seconds(1));
    for _ in 0..10 {
        assert!(flight.begin(FetchReason::Renewal, now).1.is_some());
        flight.finish(&failed(None), now, None);
        now = flight.not_before;
    }
    assert!(flight.begin(FetchReason::Renewal, now).1.is_some());
    flight.finish(&failed(None), now, None);
    assert_eq!(flight.not_before, now + COOLDOWN);
    (flight, now)
}

#[test]
fn a_token_that_no_key_fits_waits_for_a_second_after_a_failure_however_many_were_before() {
    let kid: KeyId = "rotated".parse().unwrap();
    for reason in [
        FetchReason::BadSignature,
        FetchReason::UnknownKid { kid: &kid },
    ] {
        let (mut flight, now) = long_away();
        let early = flight.begin(reason, now + seconds(1) - Duration::from_millis(1));
        let FetchStart::TooEarly(Some(KeysError::TooEarly { retry_in, .. })) = early.0 else {
            panic!("{early:?}")
        };
        assert_eq!(retry_in, Duration::from_millis(1));
        assert!(
            flight
                .begin(FetchReason::Renewal, now + seconds(1))
                .1
                .is_none()
        );
        assert!(flight.begin(reason, now + seconds(1)).1.is_some());
    }
}

#[test]
fn what_comes_while_the_issuer_is_away_takes_nothing_from_the_first_tokens_after_it() {
    let (mut flight, mut now) = long_away();
    let mut fetches = 0;
    for _ in 0..600 {
        now += Duration::from_millis(100);
        if flight.begin(FetchReason::BadSignature, now).1.is_some() {
            fetches += 1;
            flight.finish(&failed(None), now, None);
        }
    }
    assert_eq!(fetches, 60, "one a second");
    now += seconds(1);
    let mut after = 0;
    for _ in 0..10 {
        if flight.begin(FetchReason::BadSignature, now).1.is_some() {
            after += 1;
            flight.finish(&Ok(()), now, None);
        }
    }
    assert_eq!(after, 4, "the whole allowance, and no more");
}

#[test]
fn a_token_that_no_key_fits_is_no_reason_to_ask_before_the_issuer_wants_it() {
    let mut flight = Flight::new(COOLDOWN);
    let _ = flight.begin(FetchReason::Renewal, seconds(1));
    flight.finish(&failed(Some(seconds(7))), seconds(1), None);
    let at = |flight: &mut Flight, now| flight.begin(FetchReason::BadSignature, now).1.is_some();
    assert!(!at(&mut flight, seconds(8) - Duration::from_millis(1)));
    assert!(at(&mut flight, seconds(8)));
}
