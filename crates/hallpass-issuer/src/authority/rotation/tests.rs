use super::*;

const DOMAIN: &str = "shop.example";
const START: u64 = 1_900_000_000;
const DAY: u64 = 86_400;

const TIMES: CaTimes = CaTimes {
    announce: Duration::from_secs(600),
    rotation: Duration::from_secs(30 * DAY),
};

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(START + seconds)
}

/// A step of the upkeep, without a store.
fn step(records: &mut Vec<AuthorityRecord>, now: UnixTime) -> Changes {
    step_of(records, now, DOMAIN)
}

fn step_of(records: &mut Vec<AuthorityRecord>, now: UnixTime, domain: &str) -> Changes {
    let mut changes = advance(records, now, &TIMES, domain, true);
    if let Some(state) = needed(records, now, &TIMES, true) {
        let life = TIMES.certificate_life();
        let made = AuthorityRecord::generate(state, domain, now, life).unwrap();
        changes.changed.push(made.id.clone());
        records.push(made);
    }
    changes
}

fn states(records: &[AuthorityRecord]) -> Vec<&'static str> {
    records.iter().map(|it| it.state.as_str()).collect()
}

#[test]
fn one_generation_follows_another_and_each_is_known_before_it_signs_and_after() {
    let mut records = Vec::new();
    let mut moments = Vec::new();
    let mut now = at(0);
    while now < at(65 * DAY) {
        step(&mut records, now);
        moments.push((now.as_secs() - START, states(&records)));
        now = next_moment(&records, &TIMES).unwrap();
        assert!(now > at(moments.last().unwrap().0), "time goes on");
    }
    let (rotation, retention) = (30 * DAY, DAY + 300);
    let signs_again = rotation + retention;
    let second = 2 * rotation;
    assert_eq!(
        moments,
        [
            (0, vec!["signing"]),
            (rotation - 600, vec!["signing", "announced"]),
            (rotation, vec!["retired", "signing"]),
            (signs_again, vec!["signing"]),
            (second - 600, vec!["signing", "announced"]),
            (second, vec!["retired", "signing"]),
            (second + retention, vec!["signing"]),
        ]
    );
}

#[test]
fn who_keeps_them_may_come_at_any_time_and_no_certificate_outlives_its_authority() {
    // Every pause between no time at all and longer than a whole life.
    for pause in [
        1,
        599,
        600,
        601,
        DAY,
        29 * DAY,
        31 * DAY,
        62 * DAY,
        100 * DAY,
    ] {
        let mut records = Vec::new();
        let mut before: Vec<(String, UnixTime)> = Vec::new();
        for round in 0..50 {
            let now = at(round * pause);
            step(&mut records, now);
            let signing: Vec<_> = records
                .iter()
                .filter(|it| it.state == AuthorityState::Signing)
                .collect();
            assert_eq!(signing.len(), 1, "{pause}: one signs");
            assert!(signing[0].not_after > now, "{pause}: it counts");
            assert!(signing[0].private.is_some());
            // Whoever came in between knows the one that signs, unless all that were known have ended.
            let is_known = before.iter().any(|(id, _)| *id == signing[0].id);
            let have_ended = before.iter().all(|(_, end)| *end <= now);
            assert!(is_known || have_ended, "{pause}, round {round}");
            for retired in records
                .iter()
                .filter(|it| it.state == AuthorityState::Retired)
            {
                assert!(retired.private.is_none(), "its private half is gone");
            }
            let known = records.iter().map(|it| (it.id.clone(), it.not_after));
            before = known.collect();
        }
    }
}

#[test]
fn a_second_look_at_the_same_moment_changes_nothing() {
    let mut records = Vec::new();
    for seconds in [0, 30 * DAY - 600, 30 * DAY, 31 * DAY + 300] {
        assert!(!step(&mut records, at(seconds)).is_empty(), "{seconds}");
        assert!(step(&mut records, at(seconds)).is_empty(), "{seconds}");
    }
}

#[test]
fn a_clock_that_was_ahead_gives_nobody_more_time_and_none_less_than_it_was_announced_for() {
    let mut records = Vec::new();
    step(&mut records, at(0));
    let announced = at(30 * DAY - 600);
    step(&mut records, announced);
    let ahead = at(40 * DAY);
    records[1].since = ahead;
    step(&mut records, announced);
    assert_eq!(records[1].since, announced, "it begins again");
    step(&mut records, at(30 * DAY - 1));
    assert_eq!(states(&records), ["signing", "announced"]);
    step(&mut records, at(30 * DAY));
    assert_eq!(states(&records), ["retired", "signing"]);
}

#[test]
fn with_another_trust_domain_another_authority_signs_at_once() {
    let mut records = Vec::new();
    step(&mut records, at(0));
    step_of(&mut records, at(60), "other.example");
    assert_eq!(states(&records), ["retired", "signing"]);
    assert_eq!(records[1].trust_domain, "other.example");
    step_of(&mut records, at(60 + DAY + 300), "other.example");
    assert_eq!(states(&records), ["signing"]);
}

#[test]
fn what_was_announced_signs_at_once_when_none_is_left_that_does() {
    let mut records = Vec::new();
    step(&mut records, at(0));
    step(&mut records, at(30 * DAY - 600));
    records.remove(0);
    step(&mut records, at(30 * DAY - 599));
    assert_eq!(states(&records), ["signing"]);
}

#[test]
fn a_shorter_rotation_counts_for_those_that_sign_already() {
    let mut records = Vec::new();
    step(&mut records, at(0));
    let shorter = CaTimes {
        rotation: Duration::from_secs(DAY),
        ..TIMES
    };
    let now = at(2 * DAY);
    assert_eq!(
        needed(&records, now, &shorter, true),
        Some(AuthorityState::Announced)
    );
    let longer = CaTimes {
        rotation: Duration::from_secs(3_650 * DAY),
        ..TIMES
    };
    // And a longer one lets none sign for longer than it counts.
    let until = signs_until(&records[0], &longer);
    assert_eq!(
        until.saturating_add(MAX_CERTIFICATE_LIFE),
        records[0].not_after
    );
}

#[test]
fn a_clock_that_nobody_believes_ends_and_begins_nothing() {
    let mut records = Vec::new();
    step(&mut records, at(0));
    step(&mut records, at(30 * DAY - 600));
    assert_eq!(states(&records), ["signing", "announced"]);
    // A year ahead, a year behind, and each once more: as a machine that wakes up, and one that starts without a battery.
    for now in [at(365 * DAY), UnixTime::from_secs(START - 365 * DAY), at(1)] {
        let changes = advance(&mut records, now, &TIMES, DOMAIN, false);
        assert!(changes.is_empty(), "{changes:?}");
        assert_eq!(needed(&records, now, &TIMES, false), None);
        assert_eq!(states(&records), ["signing", "announced"]);
    }
    // Where there is none, nothing is lost by making one.
    assert_eq!(
        needed(&[], at(0), &TIMES, false),
        Some(AuthorityState::Signing)
    );
}
