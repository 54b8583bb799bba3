//! Instances that are left out.

use super::simulation::{Does, MS, SECOND, World, percent};
use super::*;

/// Ejection alone.
fn without_breaker() -> UpstreamSettings {
    UpstreamSettings {
        eject: EjectSettings::default(),
        ..UpstreamSettings::without_breaker()
    }
}

const WELL: Does = Does::Answers(Duration::from_millis(20));
const FAILS: Does = Does::Fails(Duration::from_millis(1));

#[tokio::test]
async fn never_more_than_the_share_is_left_out() {
    let does = [(1, WELL), (2, FAILS), (3, FAILS), (4, FAILS)];
    let mut world = World::new(without_breaker(), &does);
    world.run(SECOND, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    // One of the three that fail is called again, one after the other and by few calls.
    let again = percent(&calls, &[2, 3, 4]);
    assert!(again > 0.1 && again < 25.0, "{calls:?}");
    assert!(
        [2, 3, 4].iter().all(|port| calls.contains_key(port)),
        "{calls:?}"
    );

    let mut all = without_breaker();
    all.eject.max = Percent::ALL;
    let mut world = World::new(all, &does);
    world.run(SECOND, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    assert!(
        (percent(&calls, &[1]) - 100.0).abs() < f64::EPSILON,
        "{calls:?}"
    );
}

#[tokio::test]
async fn with_every_instance_ejected_calls_go_on() {
    for max in [50, 100] {
        let mut settings = without_breaker();
        settings.eject.max = Percent::new(max).unwrap();
        let does = [(1, FAILS), (2, FAILS), (3, FAILS)];
        let mut world = World::new(settings, &does);
        world.run(SECOND * 10, MS).await;
        assert_eq!(world.refused, 0);
        // As soon as they are well, so are the calls.
        world.does = [1, 2, 3].map(|port| (port, WELL)).into();
        let calls = world.run(SECOND * 120, MS * 2).await;
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls.values().all(|calls| *calls > 5_000), "{calls:?}");
    }
}

/// A database behind all of them is away for a moment, or the network of the caller.
#[tokio::test]
async fn a_moment_in_which_all_fail_leaves_none_out_for_longer_than_the_base() {
    let mut world = World::new(without_breaker(), &[(1, WELL), (2, WELL), (3, WELL)]);
    world.run(SECOND * 5, MS).await;
    world.does = [1, 2, 3].map(|port| (port, FAILS)).into();
    world.run(MS * 200, MS).await;
    world.does = [1, 2, 3].map(|port| (port, WELL)).into();
    // The base is 30 s, and after it their share grows for as long.
    world.run(SECOND * 65, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    for port in [1, 2, 3] {
        assert!(percent(&calls, &[port]) > 20.0, "{calls:?}");
    }
}

/// What they were left out for was the trouble of all, or of none.
#[tokio::test]
async fn when_one_is_well_again_the_others_are_tried_at_once() {
    for (instances, blip) in [(3, MS * 50), (3, SECOND), (10, MS * 200), (10, SECOND * 3)] {
        let does: Vec<_> = (1..=instances).map(|port| (port, WELL)).collect();
        let mut world = World::new(UpstreamSettings::default(), &does);
        world.run(SECOND * 2, MS).await;
        world.does.values_mut().for_each(|does| *does = FAILS);
        world.run(blip, MS).await;
        world.does.values_mut().for_each(|does| *does = WELL);
        // In far less than the 30 s of an ejection, and the 60 s of an open breaker.
        world.run(SECOND * 5, MS).await;
        let calls = world.run(SECOND * 2, MS).await;
        assert_eq!(world.refused, 0, "{instances} after {blip:?}");
        let fair = 100.0 / f64::from(instances);
        for port in 1..=instances {
            let share = percent(&calls, &[port]);
            assert!(share > fair / 2.0, "{instances} after {blip:?}: {calls:?}");
        }
    }
}

/// Calls to those that hang end when all is well again, among good ones.
#[tokio::test]
async fn a_moment_in_which_all_hang_leaves_none_out_when_it_is_over() {
    let hangs = Does::Fails(MS * 500);
    for (instances, pause) in [
        (3, MS * 300),
        (3, MS * 600),
        (3, SECOND),
        (10, MS * 300),
        (10, SECOND),
    ] {
        let does: Vec<_> = (1..=instances).map(|port| (port, WELL)).collect();
        let mut world = World::new(without_breaker(), &does);
        world.run(SECOND * 2, MS).await;
        world.does.values_mut().for_each(|does| *does = hangs);
        world.run(pause, MS).await;
        world.does.values_mut().for_each(|does| *does = WELL);
        world.run(SECOND * 5, MS).await;
        let calls = world.run(SECOND * 2, MS).await;
        let fair = 100.0 / f64::from(instances);
        for port in 1..=instances {
            let share = percent(&calls, &[port]);
            assert!(share > fair / 2.0, "{instances} after {pause:?}: {calls:?}");
        }
    }
}

#[tokio::test]
async fn those_that_are_still_down_when_one_is_well_again_cost_a_call_each() {
    let does = [(1, WELL), (2, FAILS), (3, FAILS), (4, FAILS)];
    let mut world = World::new(without_breaker(), &does);
    world.run(SECOND * 10, MS).await;
    world.does.insert(2, WELL);
    world.run(MS * 1_500, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    assert!(percent(&calls, &[2]) > 5.0, "{calls:?}");
    assert!(percent(&calls, &[3, 4]) < 0.2, "{calls:?}");
}

#[tokio::test]
async fn one_that_was_left_out_long_ago_is_a_better_second_try_than_the_one_that_just_failed() {
    let mut world = World::new(without_breaker(), &[(1, WELL), (2, FAILS)]);
    world.run(SECOND, MS).await;
    let upstream = &world.fixture.upstream;
    let failed = [instance(1)];
    assert_eq!(upstream.others_than(&failed), 0, "nobody who is well");
    let next = async || upstream.choose(&failed).await.unwrap().instance().port();
    assert_eq!(next().await, 1, "it has just failed, again and again");
    world.fixture.clock.advance(SECOND * 5);
    let held = upstream.choose(&failed).await.unwrap();
    assert_eq!(held.instance().port(), 2);
    assert_eq!(next().await, 1, "one call at a time");
    drop(held);
    assert_eq!(next().await, 2);
    // On trial it is no different.
    world.fixture.clock.advance(SECOND * 60);
    let held = upstream.choose(&failed).await.unwrap();
    assert_eq!(held.instance().port(), 2);
    assert_eq!(next().await, 1, "one call at a time");
}

#[tokio::test]
async fn the_only_instance_is_never_ejected() {
    let mut world = World::new(without_breaker(), &[(1, FAILS)]);
    let out = Out::default();
    world.fixture.upstream = world.fixture.upstream.with_observer(out.clone());
    world.run(SECOND * 5, MS).await;
    assert_eq!(world.refused, 0);
    assert_eq!(*out.0.lock().unwrap(), (HashSet::new(), 0));
}

#[tokio::test]
async fn with_every_breaker_open_those_that_opened_first_are_tried_by_a_few_calls() {
    let settings = UpstreamSettings::default();
    let hangs = Does::Fails(SECOND);
    let does = [(1, hangs), (2, hangs), (3, hangs)];
    let mut world = World::new(settings, &does);
    world.run(SECOND * 5, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    let let_in: usize = calls.values().sum();
    // At most as many at once as a half-open breaker lets in, of a thousand that come meanwhile.
    assert!((50..400).contains(&let_in), "{calls:?}");
    assert_eq!(let_in + world.refused, 10_000);
    world.does = [1, 2, 3].map(|port| (port, WELL)).into();
    world.run(SECOND * 5, MS).await;
    world.run(SECOND * 5, MS).await;
    assert_eq!(world.refused, 0);
}

/// Both have let in the calls by which they want to find out, and these hang until their deadlines.
#[tokio::test]
async fn with_every_breaker_waiting_for_calls_that_hang_others_are_tried() {
    let fixture = upstream_with(Place::default(), UpstreamSettings::default());
    fixture.registry.set(&[1, 2]);
    let mut under_way = Vec::new();
    for _ in 0..200 {
        under_way.push(fixture.choose().await.enter().await.unwrap());
    }
    let failed = under_way.drain(..).map(|it| it.settle(true, MS));
    assert_eq!(failed.count(), 200);
    fixture.clock.advance(SECOND * 61);
    while let Ok(chosen) = fixture.upstream.choose(&[]).await {
        under_way.push(chosen.enter().await.unwrap());
    }
    assert_eq!(under_way.len(), 20);
    fixture.clock.advance(SECOND * 2);
    // One of two is to be called, whatever happens.
    for _ in 0..10 {
        let admitted = fixture.choose().await.enter().await.unwrap();
        admitted.settle(false, MS);
    }
    assert!(fixture.upstream.choose(&[]).await.is_ok());
}

#[tokio::test]
async fn an_instance_that_recovers_gets_its_share_step_by_step() {
    let does = [(1, WELL), (2, WELL), (3, FAILS)];
    let mut world = World::new(without_breaker(), &does);
    world.run(SECOND * 20, MS).await;
    world.does.insert(3, WELL);
    // Until its time is over, nobody knows.
    let calls = world.run(SECOND * 9, MS).await;
    assert!(percent(&calls, &[3]) < 0.1, "{calls:?}");
    let mut shares = Vec::new();
    for _ in 0..12 {
        let calls = world.run(SECOND * 5, MS).await;
        shares.push(percent(&calls, &[3]));
    }
    assert!(shares[..2].iter().all(|share| *share < 15.0), "{shares:?}");
    assert!(shares[11] > 25.0, "{shares:?}");
}

#[tokio::test]
async fn one_of_many_that_recovers_is_found_though_there_are_few_calls() {
    let mut does: Vec<_> = (1..10).map(|port| (port, WELL)).collect();
    does.push((10, FAILS));
    let mut world = World::new(without_breaker(), &does);
    world.run(SECOND * 2, MS).await;
    world.does.insert(10, WELL);
    world.run(SECOND * 150, MS * 100).await;
    let calls = world.run(SECOND * 100, MS * 100).await;
    assert!(percent(&calls, &[10]) > 3.0, "{calls:?}");
}

#[tokio::test]
async fn an_instance_that_never_answers_is_left_though_all_callers_give_up() {
    let does = [(1, WELL), (2, WELL), (3, Does::Hangs(MS * 50))];
    let mut world = World::new(UpstreamSettings::default(), &does);
    world.run(SECOND * 2, MS).await;
    let calls = world.run(SECOND * 10, MS).await;
    assert!(percent(&calls, &[3]) < 3.0, "{calls:?}");
}

#[tokio::test]
async fn one_on_trial_that_never_answers_costs_a_call_a_second_though_all_callers_give_up() {
    let does = [(1, WELL), (2, WELL), (3, FAILS)];
    let mut world = World::new(without_breaker(), &does);
    world.run(SECOND * 29, MS).await;
    world.does.insert(3, Does::Hangs(MS * 20));
    let calls = world.run(SECOND * 20, MS).await;
    assert!((10..25).contains(&calls[&3]), "{calls:?}");
}

#[tokio::test]
async fn an_attempt_that_another_one_outran_says_only_that_it_is_slow() {
    let fixture = upstream_with(Place::default(), UpstreamSettings::default());
    fixture.registry.set(&[1, 2]);
    let mut seen = [0; 3];
    for _ in 0..200 {
        let chosen = fixture.choose().await;
        let port = chosen.instance().port();
        seen[usize::from(port)] += 1;
        let admitted = chosen.enter().await.unwrap();
        let began = hallpass_clock::Clock::monotonic(&*fixture.clock);
        match port {
            1 => {
                fixture.clock.advance(MS);
                admitted.settle(false, MS);
            }
            _ => {
                fixture.clock.advance(MS * 50);
                admitted.outrun(began);
            }
        }
    }
    assert!(seen[1] > 190 && seen[2] > 0, "{seen:?}");
}

/// Who is left out at this moment, as those are told who look.
#[derive(Clone, Debug, Default)]
struct Out(Arc<Mutex<(HashSet<u16>, usize)>>);

impl InstanceObserver for Out {
    fn instance_joined(&self, _: &Instance) -> OnBreakerChange {
        Box::new(|_| ())
    }

    fn instance_left(&self, _: &Instance) {}

    fn instance_ejected(&self, instance: &Instance) {
        let mut out = self.0.lock().unwrap();
        out.0.insert(instance.port());
        out.1 += 1;
    }

    fn instance_returned(&self, instance: &Instance) {
        self.0.lock().unwrap().0.remove(&instance.port());
    }
}

#[tokio::test]
async fn ejections_and_their_ends_are_told() {
    let mut world = World::new(without_breaker(), &[(1, WELL), (2, FAILS)]);
    let out = Out::default();
    world.fixture.upstream = world.fixture.upstream.with_observer(out.clone());
    let told = || out.0.lock().unwrap().clone();
    world.run(SECOND * 10, MS).await;
    assert_eq!(told(), (HashSet::from([2]), 1));
    world.does.insert(2, WELL);
    world.run(SECOND * 60, MS).await;
    assert_eq!(told(), (HashSet::new(), 1));
}
