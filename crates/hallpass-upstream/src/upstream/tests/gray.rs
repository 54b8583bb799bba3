//! Instances that are not for every call.

use std::collections::HashSet;
use std::time::Duration;

use super::{Fixture, Refusal, instance, upstream_in};
use crate::discovery::{Member, Place};
use crate::upstream::Wish;

/// `.0` says the value of `version`.
fn fleet(members: &[(u16, &str)]) -> Fixture {
    let fixture = upstream_in(Place::default().gray_by("version"));
    let members = members.iter().map(|(port, version)| {
        let member = Member::from(instance(*port)).tag("other", "gray");
        match *version {
            "" => member,
            version => member.tag("version", version),
        }
    });
    fixture.registry.set_members(members);
    fixture
}

async fn chosen_for(fixture: &Fixture, wish: Wish<'_>) -> HashSet<u16> {
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let chosen = fixture.upstream.choose_for(&[], wish).await.unwrap();
        seen.insert(chosen.instance().port());
    }
    seen
}

const GRAY: Wish<'static> = Wish::tagged("gray");

#[tokio::test]
async fn a_call_that_wishes_for_a_tag_goes_there_and_all_others_stay_away() {
    let fixture = fleet(&[(1, ""), (2, "gray"), (3, ""), (4, "blue"), (5, "gray")]);
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([2, 5]));
    let blue = chosen_for(&fixture, Wish::tagged("blue")).await;
    assert_eq!(blue, HashSet::from([4]));
    let plain = HashSet::from([1, 3]);
    assert_eq!(chosen_for(&fixture, Wish::default()).await, plain);
    // Nobody has this one.
    assert_eq!(chosen_for(&fixture, Wish::tagged("red")).await, plain);
    assert_eq!(fixture.upstream.others_than(&[instance(1)]), 1);
}

#[tokio::test]
async fn a_wish_that_cannot_be_had_goes_to_the_instances_for_everybody() {
    let fixture = fleet(&[(1, ""), (2, "gray")]);
    fixture.fail_for(2, GRAY).await;
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([1]));
    // And a retry goes there when the one that was wished for has failed this call.
    let fixture = fleet(&[(1, ""), (2, "gray")]);
    for _ in 0..50 {
        let tried = [instance(2)];
        let chosen = fixture.upstream.choose_for(&tried, GRAY).await.unwrap();
        assert_eq!(*chosen.instance(), instance(1));
    }
}

#[tokio::test]
async fn the_only_one_with_a_tag_is_tried_again_by_the_calls_that_wish_for_it() {
    let fixture = fleet(&[(1, ""), (2, "gray")]);
    fixture.fail_for(2, GRAY).await;
    fixture.clock.advance(Duration::from_secs(10));
    let plain = chosen_for(&fixture, Wish::default()).await;
    assert_eq!(plain, HashSet::from([1]));
    let chosen = fixture.upstream.choose_for(&[], GRAY).await.unwrap();
    assert_eq!(*chosen.instance(), instance(2));
    // By one of them at a time.
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([1]));
    let admitted = chosen.enter().await.unwrap();
    admitted.settle(false, Duration::ZERO);
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([2]));
}

#[tokio::test]
async fn what_is_tried_with_some_calls_is_no_reserve_for_all() {
    let fixture = fleet(&[(1, ""), (2, "gray")]);
    fixture.fail_for(1, Wish::default()).await;
    let refused = fixture.upstream.choose(&[]).await.unwrap_err();
    assert!(matches!(refused, Refusal::BreakerOpen { .. }));
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([2]));
}

#[tokio::test]
async fn where_every_instance_has_a_tag_all_are_for_everybody() {
    let fixture = fleet(&[(1, "v1"), (2, "gray")]);
    let all = HashSet::from([1, 2]);
    assert_eq!(chosen_for(&fixture, Wish::default()).await, all);
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([2]));
    assert_eq!(fixture.upstream.others_than(&[]), 2);
}

/// As in estates that write a version on each.
#[tokio::test]
async fn where_every_instance_has_a_tag_the_stable_ones_are_for_everybody() {
    let place = Place::default().gray_by("version").stable_as(["v1"]);
    let fixture = upstream_in(place);
    let version = |port, version| Member::from(instance(port)).tag("version", version);
    let members = [version(1, "v1"), version(2, "v2"), version(3, "v1")];
    fixture.registry.set_members(members);
    let stable = HashSet::from([1, 3]);
    assert_eq!(chosen_for(&fixture, Wish::default()).await, stable);
    assert_eq!(chosen_for(&fixture, Wish::tagged("v1")).await, stable);
    let new = chosen_for(&fixture, Wish::tagged("v2")).await;
    assert_eq!(new, HashSet::from([2]));
    // While the new one is out, its calls go where all others do.
    fixture.fail_for(2, Wish::tagged("v2")).await;
    assert_eq!(chosen_for(&fixture, Wish::tagged("v2")).await, stable);
}

#[tokio::test]
async fn without_a_name_for_it_no_tag_is_a_mark() {
    let fixture = upstream_in(Place::default());
    let gray = Member::from(instance(2)).tag("version", "gray");
    fixture.registry.set_members([instance(1).into(), gray]);
    assert_eq!(chosen_for(&fixture, GRAY).await, HashSet::from([1, 2]));
}

#[tokio::test]
async fn an_instance_that_loses_its_tag_is_for_everybody() {
    let fixture = fleet(&[(1, ""), (2, "gray")]);
    let plain = chosen_for(&fixture, Wish::default()).await;
    assert_eq!(plain, HashSet::from([1]));
    fixture.registry.set(&[1, 2]);
    let plain = chosen_for(&fixture, Wish::default()).await;
    assert_eq!(plain, HashSet::from([1, 2]));
}
