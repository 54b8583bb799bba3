use super::*;

#[test]
fn a_client_that_comes_for_the_first_time_is_spared_until_five_thousand_addresses_guess_at_once() {
    let throttle = Throttle::new();
    for n in 0..4_999 {
        wrong_ones(&throttle, "victim", any_address(n), START);
    }
    assert!(!wrong(&throttle, "victim", any_address(0), START));
    assert_eq!(
        wrong_ones(&throttle, "victim", address(1), START),
        2,
        "the last two of the reserve"
    );
    assert!(!right(&throttle, "victim", address(2), START));
    let refilled = START + Duration::from_secs(5) - Duration::from_nanos(1);
    wrong_ones(&throttle, "victim", any_address(0), refilled);
    assert!(!right(&throttle, "victim", address(2), refilled));
    let refilled = START + Duration::from_secs(5);
    assert!(right(&throttle, "victim", address(2), refilled));
    assert!(
        right(&throttle, "other", address(2), START),
        "the reserve is of one client"
    );
}

#[test]
fn a_client_that_comes_for_the_first_time_is_spared_by_thousands_of_addresses_for_days() {
    let throttle = Throttle::new();
    let mut refused = 0;
    // Each address tries what it can twice an hour, for three days.
    for step in 0..72 * 2_u32 {
        let now = START + Duration::from_secs(1_800) * step;
        for n in 0..4_900 {
            wrong_ones(&throttle, "victim", any_address(n), now);
        }
        assert!(!wrong(&throttle, "victim", any_address(0), now));
        refused += u32::from(!right(&throttle, "victim", address(step), now));
    }
    assert_eq!(refused, 0);
}

#[test]
fn a_pair_has_two_first_attempts_and_none_again_for_half_a_day() {
    let half = Duration::from_secs(12 * 60 * 60);
    let left = |throttle: &Throttle, now| {
        let first = || {
            let pair = throttle.hasher.hash_one(("a", address(1).map(network)));
            throttle.first_attempt("a", address(1), pair, now).is_some()
        };
        let attempts = (0..10).take_while(|_| first() && wrong(throttle, "a", address(1), now));
        attempts.count()
    };
    for spent in [START, half - Duration::from_nanos(1)] {
        let throttle = Throttle::new();
        assert_eq!(left(&throttle, spent), 2);
        assert_eq!(left(&throttle, spent), 0);
        assert_eq!(left(&throttle, half), 0);
        assert_eq!(left(&throttle, 2 * half - Duration::from_nanos(1)), 0);
        assert_eq!(left(&throttle, 2 * half), 2);
        assert_eq!(left(&throttle, 3 * half), 0, "the filter is used again");
        assert_eq!(left(&throttle, 9 * half), 2, "and empty after a long quiet");
    }
    let throttle = Throttle::new();
    assert_eq!(left(&throttle, half), 2);
    assert_eq!(left(&throttle, 4 * half), 2, "a half that nobody saw");
}

#[test]
fn what_is_remembered_of_a_hundred_thousand_addresses_takes_the_reserve_from_few_others() {
    let throttle = Throttle::new();
    // 10,000 addresses with all the first attempts that a site has: 200,000 in memory that does not grow.
    for n in 0..10_000 {
        for name in 0..20 {
            assert!(wrong(
                &throttle,
                &format!("guess-{n}-{name}"),
                any_address(n),
                START
            ));
        }
    }
    let newcomer = |n: u32| {
        let pair = throttle
            .hasher
            .hash_one(("victim", any_address(n).map(network)));
        throttle.first_attempt("victim", any_address(n), pair, START)
    };
    let lost = (100_000..200_000).filter(|n| newcomer(*n).is_none());
    assert!(lost.count() < 100, "of 100,000");
}

#[test]
fn all_networks_of_an_ipv6_site_have_sixteen_first_attempts_at_a_client_together() {
    let throttle = Throttle::new();
    let taken = (0..65_536)
        .filter(|n| wrong(&throttle, "victim", network_of_site(1, *n), START))
        .count();
    assert_eq!(taken, 16 + 20, "and what all others share");
    assert!(right(&throttle, "victim", network_of_site(2, 0), START));
    assert!(right(&throttle, "victim", address(1), START));
    // In other names: what a site has, not each of its networks.
    let spread = (0..65_536_u32)
        .filter(|n| {
            wrong(
                &throttle,
                &format!("guess-{n}"),
                network_of_site(1, *n),
                START,
            )
        })
        .count();
    assert_eq!(spread, (20 - 16) + (100 - 20));
}

#[test]
fn a_client_that_comes_for_the_first_time_is_spared_by_those_who_guess_without_a_pause() {
    let throttle = Throttle::new();
    let mut refused = 0;
    // 10,000 wrong secrets a second for ten seconds, from 40 addresses for the client, and from its own for another.
    for step in 0..100_000_u32 {
        let now = START + Duration::from_micros(100) * step;
        wrong(&throttle, "victim", address(100 + step % 40), now);
        wrong(&throttle, "neighbour", address(1), now);
        if step % 10_000 == 9_999 {
            let newcomer = address(1_000 + step / 10_000);
            refused += u32::from(!right(&throttle, "victim", newcomer, now));
        }
    }
    assert!(right(
        &throttle,
        "victim",
        address(1),
        START + Duration::from_secs(10)
    ));
    assert_eq!(refused, 0);
}

#[test]
fn a_client_that_comes_for_the_first_time_is_spared_by_those_who_guess_with_pauses() {
    let throttle = Throttle::new();
    let (mut refused, mut asked) = (0, 0);
    // Four addresses, each with one wrong secret in 1.01 s, for five minutes: four requests a second in all.
    for step in 0..1_200_u32 {
        let now = START + Duration::from_micros(252_500) * step;
        wrong(&throttle, "victim", address(100 + step % 4), now);
        if step > 400 && step % 40 == 7 {
            asked += 1;
            let newcomer = address(1_000 + step);
            let at = now + Duration::from_millis(100);
            refused += u32::from(!right(&throttle, "victim", newcomer, at));
        }
    }
    assert_eq!(refused, 0, "of {asked}");
}
