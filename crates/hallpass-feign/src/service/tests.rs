use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hallpass_config::{BreakerSettings, Percent};
use hallpass_upstream::{Discover, DiscoverError, Instance, Instances};

use super::{Address, Chosen, Service, ServiceSettings, Surroundings};
use crate::bulkhead::BulkheadSettings;
use crate::error::FeignError;
use crate::metrics::FeignMetrics;
use hallpass_clock::ManualClock;

/// `None`: it is down.
#[derive(Clone, Debug, Default)]
struct Registry(Arc<Mutex<Option<Instances>>>);

impl Registry {
    fn set(&self, ports: &[u16]) {
        *self.0.lock().unwrap() = Some(ports.iter().map(|port| instance(*port)).collect());
    }

    fn fail(&self) {
        *self.0.lock().unwrap() = None;
    }
}

impl Discover for Registry {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let instances = self.0.lock().unwrap().clone();
        let answer = instances.ok_or_else(|| DiscoverError::unavailable(service, "down"));
        Box::pin(async move { answer })
    }
}

fn instance(port: u16) -> Instance {
    format!("127.0.0.1:{port}").parse().unwrap()
}

struct Fixture {
    registry: Registry,
    clock: Arc<ManualClock>,
    service: Service,
}

/// Two failures open a breaker for 10 s; one call decides in half-open.
fn service(ports: &[u16]) -> Fixture {
    let registry = Registry::default();
    registry.set(ports);
    let clock = Arc::new(ManualClock::default());
    let settings = ServiceSettings {
        breaker: BreakerSettings {
            window: 10,
            minimum_calls: 2,
            open: Duration::from_secs(10),
            half_open_calls: 1,
            ..BreakerSettings::default()
        },
        bulkhead: BulkheadSettings::default(),
        retry_budget: Percent::TENTH,
    };
    let surroundings = Surroundings {
        discovery: Arc::new(registry.clone()),
        clock: clock.clone(),
        metrics: FeignMetrics::default(),
    };
    let address = Address::LoadBalanced("logistics-service".into());
    let service = Service::new("logistics-service", address, settings, surroundings);
    Fixture {
        registry,
        clock,
        service,
    }
}

impl Fixture {
    async fn choose(&self) -> Chosen {
        self.service.choose(None).await.unwrap()
    }

    /// Opens the breaker of one instance by failed calls to it.
    async fn fail(&self, port: u16) {
        let mut failures = 0;
        while failures < 2 {
            let chosen = self.choose().await;
            if chosen.instance.instance == instance(port) {
                chosen.permit.settle(true, Duration::ZERO);
                failures += 1;
            }
        }
    }
}

#[tokio::test]
async fn every_instance_gets_calls() {
    let fixture = service(&[1, 2, 3]);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance.instance.port());
    }
    assert_eq!(seen, HashSet::from([1, 2, 3]));
}

#[tokio::test]
async fn of_two_instances_the_less_busy_one_is_chosen() {
    let fixture = service(&[1, 2]);
    let busy = fixture.choose().await;
    for _ in 0..50 {
        assert_ne!(
            fixture.choose().await.instance.instance,
            busy.instance.instance
        );
    }
    drop(busy);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        seen.insert(fixture.choose().await.instance.instance.port());
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn an_instance_whose_breaker_is_open_is_passed_over() {
    let fixture = service(&[1, 2]);
    fixture.fail(1).await;
    for _ in 0..50 {
        assert_eq!(fixture.choose().await.instance.instance, instance(2));
    }
}

#[tokio::test]
async fn with_every_breaker_open_the_error_says_how_long() {
    let fixture = service(&[1, 2]);
    fixture.fail(1).await;
    fixture.clock.advance(Duration::from_secs(4));
    fixture.fail(2).await;
    let service = Arc::from("logistics-service");
    let error = fixture.service.choose(None).await.unwrap_err();
    assert_eq!(
        error,
        FeignError::BreakerOpen {
            service,
            retry_after: Duration::from_secs(6)
        }
    );
    fixture.clock.advance(Duration::from_secs(6));
    let probe = fixture.choose().await;
    assert_eq!(probe.instance.instance, instance(1));
    assert!(
        fixture.service.choose(None).await.is_err(),
        "one call is permitted in half-open"
    );
    drop(probe);
    assert!(
        fixture.service.choose(None).await.is_ok(),
        "a call that was dropped gives its permit back"
    );
}

#[tokio::test]
async fn a_retry_goes_to_another_instance_when_there_is_one() {
    let fixture = service(&[1, 2, 3]);
    for _ in 0..50 {
        let chosen = fixture.service.choose(Some(&instance(2))).await.unwrap();
        assert_ne!(chosen.instance.instance, instance(2));
    }
    fixture.registry.set(&[2]);
    let chosen = fixture.service.choose(Some(&instance(2))).await.unwrap();
    assert_eq!(chosen.instance.instance, instance(2));
}

#[tokio::test]
async fn instances_come_and_go_and_those_that_stay_keep_their_breaker() {
    let fixture = service(&[1, 2]);
    fixture.fail(1).await;
    fixture.registry.set(&[1, 3]);
    for _ in 0..50 {
        assert_eq!(fixture.choose().await.instance.instance, instance(3));
    }
    // Gone and back: a new start.
    fixture.registry.set(&[3]);
    fixture.choose().await;
    fixture.registry.set(&[1]);
    assert_eq!(fixture.choose().await.instance.instance, instance(1));
}

#[tokio::test]
async fn the_last_known_instances_go_on_while_discovery_is_down_or_knows_none() {
    let fixture = service(&[1]);
    fixture.choose().await;
    fixture.registry.fail();
    assert_eq!(fixture.choose().await.instance.instance, instance(1));
    fixture.registry.set(&[]);
    assert_eq!(fixture.choose().await.instance.instance, instance(1));
    fixture.registry.set(&[2]);
    assert_eq!(fixture.choose().await.instance.instance, instance(2));
}

#[tokio::test]
async fn discovery_that_is_down_from_the_start_is_no_instance() {
    let fixture = service(&[]);
    fixture.registry.fail();
    let error = fixture.service.choose(None).await.unwrap_err();
    assert!(matches!(
        error,
        FeignError::NoInstance(DiscoverError::Unavailable { .. })
    ));
}

#[tokio::test]
async fn an_empty_list_is_no_instance() {
    let fixture = service(&[]);
    let error = fixture.service.choose(None).await.unwrap_err();
    assert_eq!(
        error,
        FeignError::NoInstance(DiscoverError::no_instance("logistics-service"))
    );
}
