use proptest::prelude::*;

use super::*;

fn client(name: &str) -> SortedBy<'_> {
    SortedBy::Client {
        issuer: "internal",
        name,
    }
}

fn enforce(percent: u8) -> Rollout {
    Rollout::new(Mode::Enforce, Percent::new(percent).unwrap())
}

proptest! {
    #[test]
    fn who_is_enforced_at_a_percentage_is_enforced_at_every_greater_one(
        service in "[a-z-]{1,12}", route in "/[a-z/{}]{0,16}", name in ".{1,20}", less in 0_u8..=100, more in 0_u8..=100,
    ) {
        let (less, more) = (less.min(more), less.max(more));
        let bucket = Bucket::of(&service, &route, &client(&name));
        prop_assert_eq!(bucket, Bucket::of(&service, &route, &client(&name)));
        prop_assert!(enforce(less).of(bucket) <= enforce(more).of(bucket));
        prop_assert_eq!(enforce(0).of(bucket), Mode::Report);
        prop_assert_eq!(enforce(100).of(bucket), Mode::Enforce);
    }

    #[test]
    fn the_stricter_of_two_is_stricter_for_every_caller(bucket in 0_u8..100, one in 0_u8..=100, other in 0_u8..=100) {
        let bucket = Bucket(bucket);
        for mode in [Mode::Off, Mode::Report, Mode::Enforce] {
            let (one, other) = (Rollout::new(mode, Percent::new(one).unwrap()), enforce(other));
            prop_assert_eq!(one.max(other).of(bucket), one.of(bucket).max(other.of(bucket)));
        }
    }
}

#[test]
fn each_percentage_enforces_about_as_many_callers() {
    for route in ["/orders/**", "GET /orders/{id}", "none"] {
        let names: Vec<_> = (0..20_000)
            .map(|number| format!("service-{number}"))
            .collect();
        for percent in [1, 10, 50, 90] {
            let enforced = names.iter().filter(|name| {
                let bucket = Bucket::of("order-service", route, &client(name));
                enforce(percent).of(bucket) == Mode::Enforce
            });
            let share = enforced.count() * 100 / 200;
            let expected = usize::from(percent) * 100;
            // Four deviations of a fair draw at most.
            assert!(
                share.abs_diff(expected) < 150,
                "{route} {percent} % is {share}"
            );
        }
    }
}

/// Instances of other versions must agree with these: a change of the hash moves callers.
#[test]
fn a_callers_bucket_is_what_the_documentation_says() {
    // printf 'order-service\0/orders/**\0client\0internal\0web-shop' | sha256sum
    let bucket = Bucket::of("order-service", "/orders/**", &client("web-shop"));
    assert_eq!(bucket, Bucket(64));
}

#[test]
fn another_service_another_route_and_another_kind_of_caller_sort_anew() {
    let of = |service, route, caller: &SortedBy<'_>| Bucket::of(service, route, caller);
    let names: Vec<_> = (0..200).map(|number| format!("service-{number}")).collect();
    let moved = |other: &dyn Fn(&str) -> Bucket| {
        let first = |name: &str| of("a", "/a", &client(name));
        names
            .iter()
            .filter(|name| first(name) != other(name))
            .count()
    };
    assert!(moved(&|name| of("b", "/a", &client(name))) > 180);
    assert!(moved(&|name| of("a", "/b", &client(name))) > 180);
    assert!(
        moved(&|name| of(
            "a",
            "/a",
            &SortedBy::Client {
                issuer: "partner",
                name
            }
        )) > 180
    );
    assert!(
        moved(&|name| of(
            "a",
            "/a",
            &SortedBy::Subject {
                issuer: "internal",
                name
            }
        )) > 180
    );
}

#[test]
fn a_host_with_many_addresses_of_one_network_is_one_caller() {
    let of = |text: &str| {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let peer: SocketAddr = text.parse().unwrap();
        parts.extensions.insert(ConnectInfo(peer));
        Sorting::new("a").bucket("/x", &parts, None)
    };
    assert_eq!(
        of("[2001:db8:1:2:aaaa::1]:7"),
        of("[2001:db8:1:2:bbbb::2]:8")
    );
    assert_eq!(of("[::ffff:192.0.2.7]:7"), of("192.0.2.7:8"));
    let addresses: Vec<_> = (0..50)
        .map(|host| of(&format!("192.0.2.{host}:1")))
        .collect();
    assert!(addresses.iter().any(|it| *it != addresses[0]));
}

#[test]
fn nothing_that_a_caller_writes_moves_it() {
    let sorting = Sorting::new("a");
    let (mut parts, ()) = http::Request::new(()).into_parts();
    let before = sorting.bucket("/x", &parts, None);
    for number in 0..50 {
        for name in [
            "x-forwarded-for",
            "forwarded",
            "authorization",
            "user-agent",
            "host",
            "x-user-id",
        ] {
            parts
                .headers
                .insert(name, format!("192.0.2.{number}").parse().unwrap());
        }
        assert_eq!(sorting.bucket("/x", &parts, None), before);
    }
}

#[test]
fn enforced_for_nobody_is_report() {
    assert_eq!(enforce(0), Rollout::from(Mode::Report));
    assert!(enforce(1) > Rollout::from(Mode::Report) && enforce(100) > enforce(99));
    assert_eq!(
        Rollout::new(Mode::Report, Percent::TENTH),
        Rollout::from(Mode::Report)
    );
    assert_eq!(enforce(10).to_string(), "enforce 10 %");
    assert_eq!(enforce(100).to_string(), "enforce");
}
