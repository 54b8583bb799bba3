//! Instances to which as many calls as allowed are under way.

use super::simulation::{MS, SECOND};
use super::*;
use crate::bulkhead::BulkheadSettings;
use crate::upstream::Admitted;

fn settings(places: usize) -> UpstreamSettings {
    UpstreamSettings {
        bulkhead: BulkheadSettings::new(places, Duration::ZERO),
        ..UpstreamSettings::default()
    }
}

async fn held(fixture: &Fixture, port: u16) -> Admitted {
    loop {
        let chosen = fixture.choose().await;
        if chosen.instance().port() == port {
            return chosen.enter().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_instance_that_is_full_is_passed_over_while_another_has_room() {
    let fixture = upstream_with(Place::default(), settings(1));
    // The other one is called only when nobody else can be.
    let members = [Member::new(instance(1), 1), Member::new(instance(2), 0)];
    fixture.registry.set_members(members);
    let _held = held(&fixture, 1).await;
    for _ in 0..50 {
        let admitted = fixture.choose().await.enter().await.unwrap();
        admitted.settle(false, MS);
    }
    assert_eq!(fixture.upstream.others_than(&[instance(2)]), 0);
}

#[tokio::test]
async fn a_zone_that_hangs_and_is_full_is_left() {
    let place = Place::default().in_zone("a");
    let fixture = upstream_with(place, settings(2));
    let member = |port, zone| Member::from(instance(port)).zone(zone);
    let members = [member(1, "a"), member(2, "a"), member(3, "b")];
    fixture.registry.set_members(members);
    let mut hanging = Vec::new();
    // The more of it is full, the more calls leave it.
    while hanging.len() < 4 {
        let chosen = fixture.choose().await;
        let is_own = chosen.instance().port() < 3;
        let admitted = chosen.enter().await.unwrap();
        match is_own {
            true => hanging.push(admitted),
            false => admitted.settle(false, MS),
        }
    }
    for _ in 0..20 {
        let chosen = fixture.choose().await;
        assert_eq!(*chosen.instance(), instance(3));
        chosen.enter().await.unwrap().settle(false, MS);
    }
}

#[tokio::test]
async fn with_all_of_them_full_a_call_waits_for_a_place() {
    let mut settings = settings(1);
    settings.bulkhead = BulkheadSettings::new(1, SECOND);
    let fixture = upstream_with(Place::default(), settings);
    fixture.registry.set(&[1, 2]);
    let [one, other] = [held(&fixture, 1).await, held(&fixture, 2).await];
    let chosen = fixture.choose().await;
    let port = chosen.instance().port();
    drop(if port == 1 { one } else { other });
    assert!(chosen.enter().await.is_ok());
}

#[tokio::test]
async fn a_response_whose_body_is_on_its_way_keeps_its_place() {
    let fixture = upstream_with(Place::default(), settings(1));
    fixture.registry.set(&[1, 2]);
    let response = http::Response::new(());
    let body = held(&fixture, 1).await.settle_head(&response, MS);
    for _ in 0..10 {
        let chosen = fixture.choose().await;
        assert_eq!(*chosen.instance(), instance(2));
    }
    drop(body);
    held(&fixture, 1).await.settle(false, MS);
}
