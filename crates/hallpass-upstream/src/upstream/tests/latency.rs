//! The choice by what instances take.

use hallpass_clock::{Clock, SystemClock};
use proptest::prelude::*;

use super::simulation::{Does, MS, SECOND, World, percent};
use super::*;
use crate::outcome::Declined;

fn quietly() -> UpstreamSettings {
    UpstreamSettings {
        eject: EjectSettings::off(),
        ..UpstreamSettings::without_breaker()
    }
}

#[tokio::test]
async fn an_instance_twenty_times_slower_gets_less_than_a_twentieth_of_the_calls() {
    let does = [
        (1, Does::Answers(MS * 5)),
        (2, Does::Answers(MS * 5)),
        (3, Does::Answers(MS * 100)),
    ];
    // From a call every 50 ms, so that nearly all of them find all three idle, to 4,000 a second.
    for every in [MS * 50, MS * 5, MS, MS / 4] {
        let mut world = World::new(quietly(), &does);
        let calls = world.run(every * 10_000, every).await;
        let slow = percent(&calls, &[3]);
        assert!(slow < 5.0, "{slow} % at one each {every:?}: {calls:?}");
        // Nor is it forgotten.
        assert!(slow > 0.0, "{calls:?}");
        let share = percent(&calls, &[1]);
        assert!((40.0..60.0).contains(&share), "{calls:?}");
    }
}

#[tokio::test]
async fn an_instance_that_is_fast_again_gets_its_share_again() {
    let does = [(1, Does::Answers(MS * 5)), (2, Does::Answers(MS * 200))];
    let mut world = World::new(quietly(), &does);
    let calls = world.run(SECOND * 20, MS).await;
    assert!(percent(&calls, &[2]) < 5.0, "{calls:?}");
    world.does.insert(2, Does::Answers(MS * 5));
    world.run(SECOND * 60, MS).await;
    let calls = world.run(SECOND * 20, MS).await;
    assert!(percent(&calls, &[2]) > 40.0, "{calls:?}");
}

#[tokio::test]
async fn one_call_that_takes_long_by_itself_is_soon_forgotten() {
    let does = [(1, Does::Answers(MS * 5)), (2, Does::Answers(SECOND * 5))];
    let mut world = World::new(quietly(), &does);
    // As a report does that somebody asks for once.
    world.run(MS * 2, MS).await;
    world.does.insert(2, Does::Answers(MS * 5));
    world.run(SECOND * 30, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    assert!(percent(&calls, &[2]) > 40.0, "{calls:?}");
}

#[tokio::test]
async fn one_long_call_among_two_starves_nobody() {
    for usual in [MS, MS * 20] {
        let does = [1, 2].map(|port| (port, Does::Answers(usual)));
        let mut world = World::new(quietly(), &does);
        world.run(SECOND * 5, MS * 5).await;
        world.does.insert(2, Does::Answers(SECOND));
        world.run(MS * 20, MS * 5).await;
        world.does.insert(2, Does::Answers(usual));
        world.run(SECOND * 4, MS * 5).await;
        let calls = world.run(SECOND * 4, MS * 5).await;
        assert!(percent(&calls, &[2]) > 40.0, "{usual:?}: {calls:?}");
    }
}

#[tokio::test]
async fn one_whose_connections_close_when_it_is_left_alone_is_not_left_alone_for_good() {
    let cools = Does::Cools {
        warm: MS,
        cold: MS * 8,
        after: SECOND * 4,
    };
    for every in [MS * 20, MS * 2] {
        let does = [(1, Does::Answers(MS)), (2, cools)];
        let mut world = World::new(quietly(), &does);
        world.does.insert(2, Does::Answers(MS * 100));
        world.run(every * 5, every).await;
        world.does.insert(2, cools);
        world.run(SECOND * 60, every).await;
        let calls = world.run(SECOND * 10, every).await;
        assert!(percent(&calls, &[2]) > 25.0, "{every:?}: {calls:?}");
    }
}

#[tokio::test]
async fn an_instance_that_refuses_at_once_attracts_no_calls() {
    for (limit, most) in [(Declined::TheCall, 40.0), (Declined::TooMany, 15.0)] {
        let does = [
            (1, Does::Refuses(MS / 5, limit)),
            (2, Does::Answers(MS * 20)),
            (3, Does::Answers(MS * 20)),
        ];
        let mut world = World::new(UpstreamSettings::default(), &does);
        world.run(SECOND * 60, MS).await;
        let calls = world.run(SECOND * 10, MS).await;
        assert!(percent(&calls, &[1]) < most, "{limit:?}: {calls:?}");
        // Others are not called slow because of it.
        let share = percent(&calls, &[2]);
        assert!((25.0..60.0).contains(&share), "{limit:?}: {calls:?}");
    }
}

#[tokio::test]
async fn refusals_that_all_give_alike_change_no_share() {
    for limit in [Declined::TheCall, Declined::TooMany] {
        let does = [1, 2].map(|port| (port, Does::Refuses(MS / 5, limit)));
        let mut world = World::new(UpstreamSettings::default(), &does);
        let calls = world.run(SECOND * 10, MS).await;
        assert!((40.0..60.0).contains(&percent(&calls, &[1])), "{calls:?}");
    }
}

#[tokio::test]
async fn an_instance_that_is_a_little_slower_gets_nearly_its_share() {
    let does = [(1, Does::Answers(MS * 10)), (2, Does::Answers(MS * 15))];
    let mut world = World::new(quietly(), &does);
    let calls = world.run(SECOND * 50, MS * 20).await;
    assert!((45.0..55.0).contains(&percent(&calls, &[2])), "{calls:?}");
}

#[tokio::test]
async fn a_fast_failure_attracts_no_calls() {
    let does = [
        (1, Does::Answers(MS * 20)),
        (2, Does::Answers(MS * 20)),
        (3, Does::Fails(MS)),
    ];
    // Neither breaker nor ejection helps here.
    let mut world = World::new(quietly(), &does);
    let calls = world.run(SECOND * 20, MS).await;
    assert!(percent(&calls, &[3]) < 10.0, "{calls:?}");
}

#[tokio::test]
async fn an_instance_that_fails_at_once_gets_nearly_nothing_after_a_second() {
    let does = [
        (1, Does::Answers(MS * 20)),
        (2, Does::Answers(MS * 20)),
        (3, Does::Fails(Duration::ZERO)),
    ];
    for every in [MS * 5, MS, MS / 4] {
        let mut world = World::new(UpstreamSettings::default(), &does);
        world.run(SECOND, every).await;
        let calls = world.run(every * 10_000, every).await;
        let failed = percent(&calls, &[3]);
        assert!(failed < 3.0, "{failed} % at one each {every:?}: {calls:?}");
    }
}

#[tokio::test]
async fn a_new_instance_gets_its_share_step_by_step_and_the_first_ones_at_once() {
    let settings = UpstreamSettings {
        balance: BalanceSettings::default(),
        ..quietly()
    };
    let does = [1, 2, 3].map(|port| (port, Does::Answers(MS)));
    let mut world = World::new(settings, &does);
    world.fixture.registry.set(&[1, 2]);
    let calls = world.run(SECOND * 2, MS).await;
    assert!((45.0..55.0).contains(&percent(&calls, &[1])), "{calls:?}");
    world.fixture.registry.set(&[1, 2, 3]);
    let mut shares = Vec::new();
    for _ in 0..4 {
        let calls = world.run(SECOND * 10, MS * 2).await;
        shares.push(percent(&calls, &[3]));
    }
    // 10 to 40 %, 40 to 70 %, 70 to 100 % of the weight of the others, and all of it.
    let expected = [(5.0, 18.0), (16.0, 26.0), (24.0, 33.0), (30.0, 37.0)];
    for (share, (least, most)) in shares.iter().zip(expected) {
        assert!((least..most).contains(share), "{shares:?}");
    }
}

/// As a registry does that has just come back: it names one instance, and then the others again.
#[tokio::test]
async fn where_most_are_new_none_carries_the_load_of_all() {
    let does: Vec<_> = (1..=10)
        .map(|port| (port, Does::Answers(MS * 10)))
        .collect();
    let mut world = World::new(UpstreamSettings::default(), &does);
    world.run(SECOND, MS).await;
    world.fixture.registry.set(&[1]);
    world.run(MS * 20, MS).await;
    let all: Vec<u16> = (1..=10).collect();
    world.fixture.registry.set(&all);
    let calls = world.run(SECOND * 5, MS).await;
    assert!((7.0..15.0).contains(&percent(&calls, &[1])), "{calls:?}");
}

#[test]
fn a_choice_allocates_nothing_while_all_are_well() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let fixture = upstream_with(
        Place::default().in_zone("a").gray_by("version"),
        UpstreamSettings::default(),
    );
    let members = (1..20).map(|port| {
        let zone = if port % 2 == 0 { "a" } else { "b" };
        Member::from(instance(port)).zone(zone).tag("x", "y")
    });
    fixture.registry.set_members(members);
    // Until the windows of all breakers are as large as they become.
    for _ in 0..2_000 {
        let chosen = runtime.block_on(fixture.choose());
        let admitted = runtime.block_on(chosen.enter()).unwrap();
        admitted.settle(false, MS);
    }
    let count = |work: &dyn Fn()| allocation_counter::measure(work).count_total;
    let asked = count(&|| {
        let asked = fixture.registry.instances("logistics-service");
        runtime.block_on(asked).unwrap();
    });
    for wish in [Wish::default(), Wish::tagged("gray")] {
        let chosen = count(&|| {
            let chosen = fixture.upstream.choose_for(&[], wish);
            let chosen = runtime.block_on(chosen).unwrap();
            let admitted = runtime.block_on(chosen.enter()).unwrap();
            admitted.settle(false, MS);
        });
        assert_eq!(chosen, asked, "more than discovery itself");
    }
}

#[test]
fn a_choice_takes_little_time() {
    // No limit that a busy machine could miss: it is printed for those who ask (`--nocapture`).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let fixture = upstream(&[1, 2, 3]);
    let clock = SystemClock::new();
    let calls = 20_000_u32;
    let began = clock.monotonic();
    for _ in 0..calls {
        let chosen = runtime.block_on(fixture.choose());
        let admitted = runtime.block_on(chosen.enter()).unwrap();
        admitted.settle(false, MS);
    }
    let took = (clock.monotonic() - began) / calls;
    println!("a choice of three with its end: {took:?}");
    assert!(took < SECOND / 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// While all take the same time and nothing queues, shares are weights.
    #[test]
    fn with_equal_latencies_shares_are_weights(weights in prop::collection::vec(1_u32..10, 2..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixture = upstream_with(Place::default(), UpstreamSettings::default());
        let members = (1..).zip(&weights).map(|(port, weight)| Member::new(instance(port), *weight));
        fixture.registry.set_members(members);
        let mut calls = vec![0_u32; weights.len()];
        for _ in 0..4_000 {
            let chosen = runtime.block_on(fixture.choose());
            calls[usize::from(chosen.instance().port()) - 1] += 1;
            let admitted = runtime.block_on(chosen.enter()).unwrap();
            admitted.settle(false, MS);
        }
        let total: u32 = weights.iter().sum();
        for (calls, weight) in calls.iter().zip(&weights) {
            let expected = f64::from(4_000 * weight) / f64::from(total);
            prop_assert!((f64::from(*calls) - expected).abs() < 160.0, "{} for {}", calls, expected);
        }
    }
}
