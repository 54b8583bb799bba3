use super::*;

const START: Duration = Duration::from_secs(1_000);

fn address(n: u32) -> Option<IpAddr> {
    Some(IpAddr::from([10, 0, (n >> 8) as u8, n as u8]))
}

/// Whether a wrong secret is compared.
fn wrong(throttle: &Throttle, client: &str, source: Option<IpAddr>, now: Duration) -> bool {
    throttle
        .admit(client, source, now)
        .map(|pass| pass.failed())
        .is_ok()
}

/// Whether a right secret is compared.
fn right(throttle: &Throttle, client: &str, source: Option<IpAddr>, now: Duration) -> bool {
    throttle
        .admit(client, source, now)
        .map(Pass::was_right)
        .is_ok()
}

fn wrong_ones(throttle: &Throttle, client: &str, source: Option<IpAddr>, now: Duration) -> usize {
    (0..1_000)
        .take_while(|_| wrong(throttle, client, source, now))
        .count()
}

#[test]
fn a_client_at_an_address_has_its_burst_and_then_waits_for_the_refill() {
    for is_proven in [false, true] {
        let throttle = Throttle::new();
        if is_proven {
            assert!(right(&throttle, "a", address(1), START));
        }
        assert_eq!(wrong_ones(&throttle, "a", address(1), START), 20);
        assert!(
            !right(&throttle, "a", address(1), START),
            "the right secret is not looked at either"
        );
        let wait = throttle.admit("a", address(1), START).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(wrong_ones(&throttle, "a", address(1), START + wait), 1);
        assert_eq!(
            wrong_ones(
                &throttle,
                "a",
                address(1),
                START + Duration::from_secs(3_600)
            ),
            20,
            "no more than a burst is saved up"
        );
    }
}

#[test]
fn right_secrets_take_nothing() {
    let throttle = Throttle::new();
    for _ in 0..1_000 {
        assert!(right(&throttle, "a", address(1), START));
    }
    assert_eq!(wrong_ones(&throttle, "a", address(1), START), 20);
}

#[test]
fn what_a_costly_check_took_in_advance_is_given_back_to_the_right_secret() {
    let throttle = Throttle::new();
    for source in [1, 1, 2] {
        for _ in 0..100 {
            let pass = throttle.admit("a", address(source), START).unwrap();
            pass.failed();
            pass.was_right_after_all();
        }
    }
    assert_eq!(wrong_ones(&throttle, "a", address(1), START), 20);
}

#[test]
fn one_address_cannot_try_every_client() {
    let throttle = Throttle::new();
    let tried = (0..1_000)
        .filter(|n| wrong(&throttle, &format!("client-{n}"), address(1), START))
        .count();
    // A few of the thousand pairs share both their slots with others, by chance, and count as no newcomers.
    assert!((100..=110).contains(&tried), "{tried}");
    let again = (0..1_000)
        .filter(|n| wrong(&throttle, &format!("client-{n}"), address(1), START))
        .count();
    assert!(again <= 110, "{again}");
    assert!(!wrong(&throttle, "client-1", address(1), START));
    assert!(wrong(&throttle, "client-1", address(2), START));
}

#[test]
fn many_addresses_cannot_try_one_client_without_end() {
    let throttle = Throttle::new();
    let mut tried = 0;
    for second in 0..60 {
        let now = START + Duration::from_secs(second);
        tried += (0..1_000)
            .filter(|n| wrong(&throttle, "victim", address(*n), now))
            .count();
    }
    // The bursts of newcomers and of the others, then what comes back in a minute.
    assert!(tried <= 50 + 20 + 60 + 120, "{tried}");
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
fn a_proven_pair_stays_proven_whatever_others_try() {
    let throttle = Throttle::new();
    for n in 0..1_000 {
        assert!(right(&throttle, &format!("client-{n}"), address(n), START));
    }
    for n in 0..200_000_u32 {
        wrong(&throttle, &format!("guess-{n}"), address(n % 5_000), START);
    }
    for n in 0..1_000 {
        assert!(right(&throttle, &format!("client-{n}"), address(n), START));
        assert_eq!(
            wrong_ones(&throttle, &format!("client-{n}"), address(n), START),
            20
        );
    }
}

#[test]
fn without_an_address_the_client_alone_counts() {
    let throttle = Throttle::new();
    assert_eq!(wrong_ones(&throttle, "a", None, START), 20);
    assert!(!right(&throttle, "a", None, START));
    assert!(right(&throttle, "b", None, START));
}

#[test]
fn an_ipv6_party_is_its_64_and_a_mapped_address_is_its_ipv4_one() {
    let party = |text: &str| network(text.parse().unwrap());
    assert_eq!(party("2001:db8::1"), party("2001:db8::ffff:2"));
    assert_ne!(party("2001:db8::1"), party("2001:db8:0:1::1"));
    assert_eq!(party("::ffff:10.0.0.1"), party("10.0.0.1"));
}
