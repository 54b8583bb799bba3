//! The own zone comes first, while it is well.

use super::simulation::{Does, MS, SECOND, World, percent};
use super::*;

const WELL: Does = Does::Answers(Duration::from_millis(5));
const DEAD: Does = Does::Fails(Duration::from_millis(1));
const A: [u16; 4] = [1, 2, 3, 4];
const B: [u16; 4] = [11, 12, 13, 14];

fn settings() -> UpstreamSettings {
    UpstreamSettings::default()
}

fn two_zones() -> World {
    let all: Vec<_> = A.iter().chain(&B).map(|port| (*port, WELL)).collect();
    World::of_zones(settings(), &all)
}

#[tokio::test]
async fn the_own_zone_is_called_while_it_is_well() {
    let mut world = two_zones();
    let calls = world.run(SECOND * 5, MS).await;
    assert!(B.iter().all(|port| !calls.contains_key(port)), "{calls:?}");
    assert!(A.iter().all(|port| calls[port] > 1_000), "{calls:?}");
}

#[tokio::test]
async fn without_the_preference_all_zones_are_alike() {
    let mut settings = settings();
    settings.balance.zone_preference = false;
    let all: Vec<_> = A.iter().chain(&B).map(|port| (*port, WELL)).collect();
    let mut world = World::of_zones(settings, &all);
    let calls = world.run(SECOND * 5, MS).await;
    assert!((45.0..55.0).contains(&percent(&calls, &A)), "{calls:?}");
}

#[tokio::test]
async fn the_own_zone_is_left_when_it_is_down_though_discovery_still_lists_it() {
    let silent = Does::Hangs(Duration::from_millis(50));
    for down in [DEAD, Does::Fails(SECOND), silent] {
        let mut world = two_zones();
        world.run(SECOND * 5, MS).await;
        for port in A {
            world.does.insert(port, down);
        }
        // Until it is known: five calls each that fail, or twenty that were given up.
        world.run(SECOND * 5, MS).await;
        let calls = world.run(SECOND * 10, MS).await;
        assert_eq!(world.refused, 0, "{down:?}");
        assert!(percent(&calls, &A) < 0.5, "{down:?}: {calls:?}");
        let fast = matches!(down, Does::Fails(MS));
        if fast {
            let mut world = two_zones();
            world.run(SECOND * 5, MS).await;
            for port in A {
                world.does.insert(port, down);
            }
            let calls = world.run(SECOND, MS).await;
            let failed: usize = A.iter().filter_map(|port| calls.get(port)).sum();
            assert!(failed <= 40, "{failed} calls until a dead zone is left");
        }
    }
}

#[tokio::test]
async fn a_zone_that_is_half_gone_spills_over_and_no_more_than_needed() {
    let mut world = two_zones();
    world.does.insert(1, DEAD);
    world.run(SECOND * 2, MS).await;
    // Three of four are more than 70 %.
    let calls = world.run(SECOND * 5, MS).await;
    assert!(percent(&calls, &B) < 0.1, "{calls:?}");
    world.does.insert(2, DEAD);
    world.run(SECOND * 2, MS).await;
    // Half of it is left, which is 50/70 of what is enough.
    let calls = world.run(SECOND * 10, MS).await;
    let own = percent(&calls, &A);
    assert!((67.0..75.0).contains(&own), "{calls:?}");
}

#[tokio::test]
async fn a_zone_that_recovers_is_called_again() {
    let mut world = two_zones();
    for port in A {
        world.does.insert(port, DEAD);
    }
    world.run(SECOND * 20, MS).await;
    for port in A {
        world.does.insert(port, WELL);
    }
    world.run(SECOND * 60, MS).await;
    let calls = world.run(SECOND * 5, MS).await;
    assert!(percent(&calls, &A) > 99.0, "{calls:?}");
}

/// Whether the zone is dead or one instance of it, nobody knows then.
#[tokio::test]
async fn a_call_that_failed_in_the_own_zone_goes_to_another_one_and_back_when_it_fails_there() {
    let world = two_zones();
    let upstream = &world.fixture.upstream;
    for _ in 0..50 {
        let chosen = upstream.choose(&[instance(1)]).await.unwrap();
        assert!(chosen.instance().port() > 10);
        let tried = [1, 11].map(instance);
        let chosen = upstream.choose(&tried).await.unwrap();
        assert!([2, 3, 4].contains(&chosen.instance().port()));
        let chosen = upstream.choose(&A.map(instance)).await.unwrap();
        assert!(chosen.instance().port() > 10);
    }
}

#[tokio::test]
async fn a_call_with_three_attempts_gets_through_though_a_zone_has_just_died() {
    let world = two_zones();
    let upstream = &world.fixture.upstream;
    for _ in 0..50 {
        let mut tried = Vec::new();
        while tried.len() < 3 {
            let chosen = upstream.choose(&tried).await.unwrap();
            let tried_now = chosen.instance().clone();
            let admitted = chosen.enter().await.unwrap();
            let is_dead = tried_now.port() < 10;
            admitted.settle(is_dead, MS);
            tried.push(tried_now);
            if !is_dead {
                break;
            }
        }
        assert!(tried.iter().any(|it| it.port() > 10), "{tried:?}");
    }
}

#[tokio::test]
async fn a_zone_that_stays_away_costs_a_call_each_when_its_time_is_over() {
    let all: Vec<_> = A.iter().chain(&B).map(|port| (*port, WELL)).collect();
    let without_breaker = UpstreamSettings {
        eject: EjectSettings::default(),
        ..UpstreamSettings::without_breaker()
    };
    // The times of ejections, of 30 s, and of breakers, of a minute.
    let rows = [
        (without_breaker.clone(), Does::Fails(SECOND * 5), 30),
        (without_breaker, DEAD, 30),
        (settings(), Does::Fails(SECOND * 5), 60),
    ];
    for (settings, down, seconds) in rows {
        let mut world = World::of_zones(settings, &all);
        for port in A {
            world.does.insert(port, down);
        }
        world.run(SECOND * 20, MS).await;
        let calls = world.run(SECOND * seconds, MS).await;
        assert_eq!(world.refused, 0);
        let again: usize = A.iter().filter_map(|port| calls.get(port)).sum();
        assert!((4..20).contains(&again), "{down:?}: {calls:?}");
    }
}

#[tokio::test]
async fn a_zone_whose_instances_were_all_replaced_keeps_its_calls() {
    let all: Vec<_> = (1..30).map(|port| (port, WELL)).collect();
    let mut world = World::of_zones(settings(), &all);
    let in_zones = |ports: &[u16]| {
        let members = ports.iter().map(|port| {
            let zone = if *port < 10 { "a" } else { "b" };
            Member::from(instance(*port)).zone(zone)
        });
        members.collect::<Vec<_>>()
    };
    let registry = world.fixture.registry.clone();
    registry.set_members(in_zones(&[1, 2, 3, 4, 11, 12, 13, 14]));
    world.run(SECOND, MS).await;
    registry.set_members(in_zones(&[5, 6, 7, 8, 11, 12, 13, 14]));
    let calls = world.run(SECOND * 5, MS).await;
    assert!(percent(&calls, &[5, 6, 7, 8]) > 99.0, "{calls:?}");
}

#[tokio::test]
async fn an_own_zone_where_nobody_takes_calls_is_none() {
    let fixture = upstream_in(Place::default().in_zone("a"));
    let own = Member::new(instance(1), 0).zone("a");
    let other = Member::new(instance(2), 1).zone("b");
    fixture.registry.set_members([own, other]);
    for _ in 0..50 {
        assert_eq!(*fixture.choose().await.instance(), instance(2));
    }
}

#[tokio::test]
async fn the_cluster_counts_where_one_of_both_names_no_zone() {
    let place = Place::default().in_zone("a").in_cluster("HZ");
    let port = |number| Member::from(instance(number));
    let members = [
        (port(1).zone("a").cluster("SH"), true),
        (port(2).zone("b").cluster("HZ"), false),
        (port(3).cluster("HZ"), true),
        (port(4).cluster("SH"), false),
        (port(5), false),
    ];
    let own: HashSet<u16> = members
        .iter()
        .filter(|(_, is_own)| *is_own)
        .map(|(member, _)| member.instance.port())
        .collect();
    let fixture = upstream_in(place);
    fixture
        .registry
        .set_members(members.map(|(member, _)| member));
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance().port());
    }
    assert_eq!(seen, own);
    // Who is nowhere has no own zone.
    let fixture = upstream_in(Place::default());
    let members = [port(1).zone("a"), port(2).cluster("HZ"), port(3)];
    fixture.registry.set_members(members);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance().port());
    }
    assert_eq!(seen.len(), 3);
}

/// Calls that left the own zone.
#[derive(Clone, Debug, Default)]
struct Spilled(Arc<std::sync::atomic::AtomicUsize>);

impl InstanceObserver for Spilled {
    fn instance_joined(&self, _: &Instance) -> OnBreakerChange {
        Box::new(|_| ())
    }

    fn instance_left(&self, _: &Instance) {}

    fn call_spilled(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn calls_that_leave_the_own_zone_are_told() {
    let mut world = two_zones();
    let spilled = Spilled::default();
    world.fixture.upstream = world.fixture.upstream.with_observer(spilled.clone());
    let told = || spilled.0.load(std::sync::atomic::Ordering::Relaxed);
    world.run(SECOND, MS).await;
    assert_eq!(told(), 0);
    for port in A {
        world.does.insert(port, DEAD);
    }
    let calls = world.run(SECOND * 5, MS).await;
    let away: usize = B.iter().filter_map(|port| calls.get(port)).sum();
    assert_eq!(told(), away);
    assert!(away > 4_900, "{calls:?}");
}
