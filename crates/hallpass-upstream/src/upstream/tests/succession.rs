//! An upstream that takes the place of another one.

use super::*;

fn settings() -> UpstreamSettings {
    UpstreamSettings {
        eject: EjectSettings {
            consecutive_failures: 3,
            base: Duration::from_secs(30),
            ..EjectSettings::default()
        },
        ..UpstreamSettings::default()
    }
}

/// One in the place of that of `fixture`.
fn successor(fixture: &Fixture, settings: UpstreamSettings) -> Upstream {
    let (registry, clock) = (fixture.registry.clone(), Arc::clone(&fixture.clock));
    let address = fixture.upstream.address().clone();
    Upstream::new("logistics-service", address, Arc::new(registry), clock)
        .with_settings(settings)
        .succeeding(&fixture.upstream)
}

/// Has calls to this port fail.
async fn run(upstream: &Upstream, clock: &ManualClock, calls: usize, fails: u16) -> Vec<u16> {
    let mut ports = Vec::new();
    for _ in 0..calls {
        let Ok(chosen) = upstream.choose(&[]).await else {
            continue;
        };
        let port = chosen.instance().port();
        let took = Duration::from_millis(1);
        let admitted = chosen.enter().await.unwrap();
        clock.advance(took);
        admitted.settle(port == fails, took);
        ports.push(port);
    }
    ports
}

#[tokio::test]
async fn it_has_the_instances_of_before_while_discovery_is_away_and_no_longer_than_they_would_have()
{
    let fixture = upstream_with(Place::default(), settings());
    fixture.registry.set(&[1, 2]);
    run(&fixture.upstream, &fixture.clock, 4, 0).await;
    fixture.registry.fail();
    let mut changed = settings();
    changed.bulkhead = crate::bulkhead::BulkheadSettings::new(7, Duration::ZERO);
    let next = successor(&fixture, changed);
    assert_eq!(run(&next, &fixture.clock, 4, 0).await.len(), 4);
    fixture.clock.advance(Duration::from_secs(301));
    assert!(matches!(
        next.choose(&[]).await,
        Err(Refusal::NoInstance(_))
    ));
}

#[tokio::test]
async fn one_that_was_left_out_stays_out_unless_that_is_what_changed() {
    let fixture = upstream_with(Place::default(), settings());
    fixture.registry.set(&[1, 2, 3]);
    let seen = run(&fixture.upstream, &fixture.clock, 60, 1).await;
    let to_one = |seen: &[u16]| seen.iter().filter(|port| **port == 1).count();
    assert_eq!(to_one(&seen), 3);
    let mut changed = settings();
    changed.bulkhead = crate::bulkhead::BulkheadSettings::new(7, Duration::ZERO);
    changed.breaker.window = 11;
    let next = successor(&fixture, changed.clone());
    assert_eq!(to_one(&run(&next, &fixture.clock, 60, 1).await), 0);
    changed.eject.base = Duration::from_secs(5);
    let next = successor(&fixture, changed.clone());
    // A tenth of a share to begin with: so many calls that chance cannot leave it out.
    let again = to_one(&run(&next, &fixture.clock, 1_000, 1).await);
    assert_eq!(again, 3);
    // One that is not left out any more gets its whole share again in time.
    changed.eject = EjectSettings::off();
    let next = successor(&fixture, changed);
    run(&next, &fixture.clock, 3, 0).await;
    fixture.clock.advance(Duration::from_secs(60));
    let seen = run(&next, &fixture.clock, 300, 0).await;
    assert!(to_one(&seen) > 60, "{}", to_one(&seen));
}

#[tokio::test]
async fn whoever_looks_on_is_told_of_those_that_stay_out_and_counts_no_further_ejection() {
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<(&'static str, u16)>>>);
    impl Told {
        fn note(&self, what: &'static str, instance: &Instance) {
            self.0.lock().unwrap().push((what, instance.port()));
        }
    }
    impl InstanceObserver for Told {
        fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
            self.note("joined", instance);
            Box::new(|_| ())
        }

        fn instance_left(&self, _: &Instance) {}

        fn instance_ejected(&self, instance: &Instance) {
            self.note("ejected", instance);
        }

        fn instance_is_out(&self, instance: &Instance) {
            self.note("is out", instance);
        }
    }
    let fixture = upstream_with(Place::default(), settings());
    fixture.registry.set(&[1, 2, 3]);
    run(&fixture.upstream, &fixture.clock, 60, 1).await;
    let told = Told::default();
    let (registry, clock) = (fixture.registry.clone(), Arc::clone(&fixture.clock));
    let address = fixture.upstream.address().clone();
    let next = Upstream::new("logistics-service", address, Arc::new(registry), clock)
        .with_settings(settings())
        .with_observer(told.clone())
        .succeeding(&fixture.upstream);
    run(&next, &fixture.clock, 1, 0).await;
    let told = told.0.lock().unwrap();
    let joined = [1, 2, 3].map(|port| ("joined", port));
    assert_eq!(*told, [&joined[..], &[("is out", 1)]].concat());
}

#[tokio::test]
async fn a_breaker_that_waits_for_calls_of_before_lets_its_calls_in_once_more() {
    let fixture = upstream(&[1]);
    for _ in 0..2 {
        let chosen = fixture.upstream.choose(&[]).await.unwrap();
        let admitted = chosen.enter().await.unwrap();
        admitted.settle(true, Duration::ZERO);
    }
    let open = fixture.upstream.choose(&[]).await;
    assert!(matches!(open, Err(Refusal::BreakerOpen { .. })));
    let same = fixture.upstream.settings().clone();
    let next = successor(&fixture, same.clone());
    assert!(matches!(
        next.choose(&[]).await,
        Err(Refusal::BreakerOpen { .. })
    ));
    fixture.clock.advance(Duration::from_secs(10));
    let _under_way = fixture.upstream.choose(&[]).await.unwrap();
    assert!(
        fixture.upstream.choose(&[]).await.is_err(),
        "one call decides"
    );
    let next = successor(&fixture, same);
    assert!(next.choose(&[]).await.is_ok());
}

#[tokio::test]
async fn whoever_is_somewhere_else_begins_with_nothing() {
    let fixture = upstream(&[1]);
    run(&fixture.upstream, &fixture.clock, 1, 0).await;
    fixture.registry.fail();
    let (registry, clock) = (fixture.registry.clone(), Arc::clone(&fixture.clock));
    let address = Address::LoadBalanced("stock".into());
    let other = Upstream::new("stock", address, Arc::new(registry), clock);
    let other = other.succeeding(&fixture.upstream);
    assert!(other.choose(&[]).await.is_err());
}

#[tokio::test]
async fn one_that_is_outrun_again_and_again_is_found_though_no_call_fails() {
    // The second as with a hedge that begins soon after the usual time.
    for (usual, outrun_after) in [(1, 20), (10, 30)] {
        one_that_is_outrun_is_found(usual, outrun_after).await;
    }
}

/// In milliseconds.
async fn one_that_is_outrun_is_found(usual: u64, outrun_after: u64) {
    let fixture = upstream(&[1, 2]);
    let call = async |avoid: u16| {
        let chosen = fixture.upstream.choose(&[instance(avoid)]).await.unwrap();
        (chosen.instance().port(), chosen.enter().await.unwrap())
    };
    for _ in 0..10 {
        let (_, well) = call(1).await;
        well.settle(false, Duration::from_millis(usual));
    }
    let outrun = |admitted: super::super::Admitted| {
        let sent_at = hallpass_clock::Clock::monotonic(&*fixture.clock);
        fixture.clock.advance(Duration::from_millis(outrun_after));
        admitted.outrun(sent_at);
    };
    for number in 0..20 {
        let (port, admitted) = call(2).await;
        assert_eq!(port, 1, "{number}");
        outrun(admitted);
    }
    assert_eq!(call(2).await.0, 2, "its breaker is open");
    // Half-open, and outrun as before: it opens again.
    fixture.clock.advance(Duration::from_secs(10));
    for _ in 0..20 {
        let (port, admitted) = call(2).await;
        assert_eq!(port, 1);
        outrun(admitted);
    }
    assert_eq!(call(2).await.0, 2);
}

#[tokio::test]
async fn one_that_is_never_asked_hands_on_what_it_was_given_and_nobody_is_told_of_it() {
    #[derive(Clone, Default)]
    struct Joined(Arc<Mutex<Vec<u16>>>);
    impl InstanceObserver for Joined {
        fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
            self.0.lock().unwrap().push(instance.port());
            Box::new(|_| ())
        }

        fn instance_left(&self, _: &Instance) {}
    }
    let fixture = upstream(&[1]);
    run(&fixture.upstream, &fixture.clock, 1, 0).await;
    fixture.registry.fail();
    let joined = Joined::default();
    let same = fixture.upstream.settings().clone();
    let never_asked = successor(&fixture, same.clone()).with_observer(joined.clone());
    let address = fixture.upstream.address().clone();
    let (registry, clock) = (fixture.registry.clone(), Arc::clone(&fixture.clock));
    let next = Upstream::new("logistics-service", address, Arc::new(registry), clock)
        .with_settings(same)
        .with_observer(joined.clone())
        .succeeding(&never_asked);
    assert!(joined.0.lock().unwrap().is_empty());
    assert_eq!(run(&next, &fixture.clock, 1, 0).await, [1]);
    assert_eq!(*joined.0.lock().unwrap(), [1]);
}
