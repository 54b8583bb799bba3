mod ejection;
mod gray;
mod latency;
mod room;
mod shown;
mod simulation;
mod succession;
mod zones;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::settings::{BalanceSettings, BreakerSettings, EjectSettings};
use futures_core::future::BoxFuture;
use hallpass_clock::ManualClock;
use hallpass_config::Percent;

use super::{Address, Chosen, InstanceObserver, Upstream, UpstreamSettings, Wish};
use crate::breaker::OnBreakerChange;
use crate::discovery::{Discover, DiscoverError, Instance, Instances, Member, OutageMemory, Place};
use crate::outcome::Refusal;

/// `None`: it is down.
#[derive(Clone, Debug, Default)]
struct Registry {
    answer: Arc<Mutex<Answer>>,
    place: Place,
}

#[derive(Clone, Debug, Default)]
enum Answer {
    #[default]
    Nothing,
    NoSuchService,
    These(Instances),
}

impl Registry {
    fn set(&self, ports: &[u16]) {
        let instances = ports.iter().map(|port| instance(*port)).collect();
        *self.answer.lock().unwrap() = Answer::These(instances);
    }

    fn set_members(&self, members: impl IntoIterator<Item = Member>) {
        *self.answer.lock().unwrap() = Answer::These(members.into_iter().collect());
    }

    fn knows_no_such_service(&self) {
        *self.answer.lock().unwrap() = Answer::NoSuchService;
    }

    fn fail(&self) {
        *self.answer.lock().unwrap() = Answer::Nothing;
    }
}

impl Discover for Registry {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let answer = match self.answer.lock().unwrap().clone() {
            Answer::These(instances) => Ok(instances),
            Answer::NoSuchService => Err(DiscoverError::no_instance(service)),
            Answer::Nothing => Err(DiscoverError::unavailable(service, "down")),
        };
        Box::pin(async move { answer })
    }

    fn place(&self) -> Place {
        self.place.clone()
    }
}

fn instance(port: u16) -> Instance {
    format!("127.0.0.1:{port}").parse().unwrap()
}

struct Fixture {
    registry: Registry,
    clock: Arc<ManualClock>,
    upstream: Upstream,
}

/// Two failures open a breaker for 10 s; one call decides in half-open.
fn upstream(ports: &[u16]) -> Fixture {
    let fixture = upstream_in(Place::default());
    fixture.registry.set(ports);
    fixture
}

fn upstream_in(place: Place) -> Fixture {
    let settings = UpstreamSettings {
        breaker: BreakerSettings {
            window: 10,
            minimum_calls: 2,
            open: Duration::from_secs(10),
            half_open_calls: 1,
            ..BreakerSettings::default()
        },
        eject: EjectSettings::off(),
        balance: BalanceSettings {
            slow_start: Duration::ZERO,
            ..BalanceSettings::default()
        },
        ..UpstreamSettings::default()
    };
    upstream_with(place, settings)
}

fn upstream_with(place: Place, settings: UpstreamSettings) -> Fixture {
    let registry = Registry {
        place,
        ..Registry::default()
    };
    let clock = Arc::new(ManualClock::default());
    let address = Address::LoadBalanced("logistics-service".into());
    let discovery = Arc::new(registry.clone());
    let upstream = Upstream::new("logistics-service", address, discovery, clock.clone())
        .with_settings(settings);
    Fixture {
        registry,
        clock,
        upstream,
    }
}

impl Fixture {
    async fn choose(&self) -> Chosen {
        self.upstream.choose(&[]).await.unwrap()
    }

    /// Opens the breaker of one instance by failed calls to it.
    async fn fail(&self, port: u16) {
        self.fail_for(port, Wish::default()).await;
    }

    async fn fail_for(&self, port: u16, wish: Wish<'_>) {
        let mut failures = 0;
        while failures < 2 {
            let chosen = self.upstream.choose_for(&[], wish).await.unwrap();
            if *chosen.instance() == instance(port) {
                let admitted = chosen.enter().await.unwrap();
                admitted.settle(true, Duration::ZERO);
                failures += 1;
            }
        }
    }
}

#[tokio::test]
async fn every_instance_gets_calls() {
    let fixture = upstream(&[1, 2, 3]);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance().port());
    }
    assert_eq!(seen, HashSet::from([1, 2, 3]));
}

#[tokio::test]
async fn instances_get_calls_in_proportion_to_their_weights() {
    let fixture = upstream(&[]);
    let weighted = [(instance(1), 1), (instance(2), 3), (instance(3), 0)];
    let weighted = weighted.into_iter().collect();
    *fixture.registry.answer.lock().unwrap() = Answer::These(weighted);
    let mut calls = [0; 4];
    for _ in 0..4_000 {
        calls[usize::from(fixture.choose().await.instance().port())] += 1;
    }
    assert!((850..1_150).contains(&calls[1]), "{calls:?}");
    assert_eq!(calls[3], 0);
    // Three calls under way to the heavy one are as much as one to the light one.
    let mut under_way = Vec::new();
    for _ in 0..4 {
        under_way.push(fixture.choose().await);
    }
    let heavy = under_way
        .iter()
        .filter(|chosen| chosen.instance().port() == 2);
    assert_eq!(heavy.count(), 3);

    fixture.fail(2).await;
    let rest: HashSet<_> = [fixture.choose().await.instance().port()].into();
    assert_eq!(
        rest,
        HashSet::from([1]),
        "weight 0 only when nobody else can"
    );
}

#[tokio::test]
async fn of_two_instances_the_less_busy_one_is_chosen() {
    let fixture = upstream(&[1, 2]);
    let busy = fixture.choose().await;
    for _ in 0..50 {
        assert_ne!(fixture.choose().await.instance(), busy.instance());
    }
    drop(busy);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance().port());
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn an_instance_whose_breaker_is_open_is_passed_over() {
    let fixture = upstream(&[1, 2]);
    fixture.fail(1).await;
    for _ in 0..50 {
        assert_eq!(*fixture.choose().await.instance(), instance(2));
    }
}

#[tokio::test]
async fn with_every_breaker_open_the_error_says_how_long() {
    let fixture = upstream(&[1, 2]);
    fixture.fail(1).await;
    fixture.clock.advance(Duration::from_secs(4));
    fixture.fail(2).await;
    let service = Arc::from("logistics-service");
    let error = fixture.upstream.choose(&[]).await.unwrap_err();
    assert_eq!(
        error,
        Refusal::BreakerOpen {
            service,
            retry_after: Duration::from_secs(6)
        }
    );
    fixture.clock.advance(Duration::from_secs(6));
    let probe = fixture.choose().await;
    assert_eq!(*probe.instance(), instance(1));
    assert!(
        fixture.upstream.choose(&[]).await.is_err(),
        "one call is permitted in half-open"
    );
    drop(probe);
    assert!(
        fixture.upstream.choose(&[]).await.is_ok(),
        "a call that was dropped gives its permit back"
    );
}

#[tokio::test]
async fn a_retry_goes_to_another_instance_when_there_is_one() {
    let fixture = upstream(&[1, 2, 3]);
    for _ in 0..50 {
        let chosen = fixture.upstream.choose(&[instance(2)]).await.unwrap();
        assert_ne!(*chosen.instance(), instance(2));
    }
    let tried = [instance(1), instance(2)];
    for _ in 0..50 {
        let chosen = fixture.upstream.choose(&tried).await.unwrap();
        assert_eq!(*chosen.instance(), instance(3));
    }
    fixture.registry.set(&[2]);
    let chosen = fixture.upstream.choose(&[instance(2)]).await.unwrap();
    assert_eq!(*chosen.instance(), instance(2));
}

#[tokio::test]
async fn instances_come_and_go_and_those_that_stay_keep_their_breaker() {
    let fixture = upstream(&[1, 2]);
    fixture.fail(1).await;
    fixture.registry.set(&[1, 3]);
    for _ in 0..50 {
        assert_eq!(*fixture.choose().await.instance(), instance(3));
    }
    // Gone and back: a new start.
    fixture.registry.set(&[3]);
    fixture.choose().await;
    fixture.registry.set(&[1]);
    assert_eq!(*fixture.choose().await.instance(), instance(1));
}

#[tokio::test]
async fn that_there_is_no_instance_is_an_answer_and_nobody_is_called() {
    let forms: [fn(&Registry); 2] = [Registry::knows_no_such_service, |registry| {
        registry.set(&[]);
    }];
    for withdraw in forms {
        let fixture = upstream(&[1]);
        fixture.choose().await;
        withdraw(&fixture.registry);
        let nobody = Refusal::NoInstance(DiscoverError::no_instance("logistics-service"));
        assert_eq!(fixture.upstream.choose(&[]).await.unwrap_err(), nobody);
        // Nor is the withdrawn one called when discovery goes down after that.
        fixture.registry.fail();
        assert!(fixture.upstream.choose(&[]).await.is_err());
        fixture.registry.set(&[2]);
        assert_eq!(*fixture.choose().await.instance(), instance(2));
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_discovery_that_is_down_has_an_end() {
    let fixture = upstream(&[1]);
    fixture.choose().await;
    fixture.registry.fail();
    fixture.clock.advance(Duration::from_secs(300));
    assert_eq!(*fixture.choose().await.instance(), instance(1));
    fixture.clock.advance(Duration::from_secs(1));
    let error = fixture.upstream.choose(&[]).await.unwrap_err();
    assert!(matches!(
        error,
        Refusal::NoInstance(DiscoverError::Unavailable { .. })
    ));
    fixture.registry.set(&[2]);
    assert_eq!(*fixture.choose().await.instance(), instance(2));
}

#[tokio::test]
async fn how_long_an_outage_of_discovery_is_bridged_can_be_set() {
    let registry = Registry::default();
    registry.set(&[1]);
    let clock = Arc::new(ManualClock::default());
    let short = OutageMemory::new(Arc::new(registry.clone()), Duration::from_secs(10));
    let discovery = Arc::new(short);
    let address = Address::LoadBalanced("logistics-service".into());
    let upstream = Upstream::new("it", address, discovery.clone(), clock.clone());
    upstream.choose(&[]).await.unwrap();
    registry.fail();
    clock.advance(Duration::from_secs(11));
    discovery.set(Duration::from_secs(60));
    assert!(upstream.choose(&[]).await.is_ok());
    discovery.set(Duration::from_secs(10));
    assert!(upstream.choose(&[]).await.is_err());
}

#[tokio::test]
async fn when_all_have_failed_the_last_one_is_the_last_to_be_tried_again() {
    let fixture = upstream(&[1, 2]);
    for _ in 0..50 {
        let tried = [instance(1), instance(2)];
        let chosen = fixture.upstream.choose(&tried).await.unwrap();
        assert_eq!(*chosen.instance(), instance(1));
    }
}

#[tokio::test]
async fn the_last_known_instances_go_on_while_the_source_is_down() {
    let fixture = upstream(&[1, 2]);
    fixture.choose().await;
    fixture.registry.fail();
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance().port());
    }
    assert_eq!(seen, HashSet::from([1, 2]));
}

#[tokio::test]
async fn discovery_that_is_down_from_the_start_is_no_instance() {
    let fixture = upstream(&[]);
    fixture.registry.fail();
    let error = fixture.upstream.choose(&[]).await.unwrap_err();
    assert!(matches!(
        error,
        Refusal::NoInstance(DiscoverError::Unavailable { .. })
    ));
}

#[tokio::test]
async fn an_empty_list_is_no_instance() {
    let fixture = upstream(&[]);
    let error = fixture.upstream.choose(&[]).await.unwrap_err();
    assert_eq!(
        error,
        Refusal::NoInstance(DiscoverError::no_instance("logistics-service"))
    );
}
