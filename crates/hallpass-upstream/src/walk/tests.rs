use std::cell::RefCell;
use std::future::pending;
use std::sync::Arc;

use hallpass_clock::ManualClock;

use super::*;
use crate::{Address, DiscoverError, StaticDiscovery, UpstreamSettings};

const WALK: Walk = Walk {
    within: Duration::from_secs(3),
    attempts: 3,
    again: true,
};

fn upstream(ports: &[u16]) -> Upstream {
    let instances = ports.iter().map(|port| instance(*port));
    let discovery = Arc::new(StaticDiscovery::new().with("service-auth", instances));
    let address = Address::LoadBalanced("service-auth".into());
    Upstream::new(
        "service-auth",
        address,
        discovery,
        Arc::new(ManualClock::default()),
    )
    .with_settings(UpstreamSettings::without_breaker())
}

fn instance(port: u16) -> Instance {
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// Instance 1 takes the question and never answers, 2 fails, 3 has the answer, 4 has one that nobody likes, 5 speaks of its own trouble.
async fn play(instance: Instance, asked: &RefCell<Vec<u16>>) -> Result<u16, &'static str> {
    asked.borrow_mut().push(instance.port());
    match instance.port() {
        1 => pending().await,
        2 => Err("down"),
        4 => Err("no"),
        5 => Err("ill"),
        port => Ok(port),
    }
}

async fn ask(upstream: &Upstream, walk: Walk) -> (Result<u16, WalkError<&'static str>>, Vec<u16>) {
    let asked = RefCell::default();
    let answer = upstream
        .ask_in_turn(
            walk,
            |instance| play(instance, &asked),
            |error| match *error {
                "down" => AfterError::GoesOn,
                "ill" => AfterError::Elsewhere,
                _ => AfterError::Stands,
            },
        )
        .await;
    (answer, asked.into_inner())
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_never_answers_leaves_time_for_the_others() {
    for _ in 0..20 {
        let upstream = upstream(&[1, 3]);
        let began = Instant::now();
        assert_eq!(ask(&upstream, WALK).await.0, Ok(3));
        assert!(began.elapsed() <= WALK.within / 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_walk_begins_with_the_one_that_answered() {
    for _ in 0..20 {
        let upstream = upstream(&[1, 2, 3]);
        assert_eq!(ask(&upstream, WALK).await.0, Ok(3));
        assert_eq!(ask(&upstream, WALK).await, (Ok(3), vec![3]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_stands_is_an_answer() {
    let upstream = upstream(&[4]);
    let (answer, asked) = ask(&upstream, WALK).await;
    assert_eq!((answer, asked), (Err(WalkError::Failed("no")), vec![4]));
}

#[tokio::test(start_paused = true)]
async fn what_an_instance_says_of_its_own_trouble_is_no_answer_of_the_others() {
    for _ in 0..20 {
        let upstream = upstream(&[5, 3]);
        assert_eq!(ask(&upstream, WALK).await.0, Ok(3));
        assert_eq!(ask(&upstream, WALK).await, (Ok(3), vec![3]));
    }
    // Whoever is alone is not asked again for it.
    let alone = upstream(&[5]);
    let (answer, asked) = ask(&alone, WALK).await;
    assert_eq!((answer, asked), (Err(WalkError::Failed("ill")), vec![5]));
}

#[tokio::test(start_paused = true)]
async fn the_only_instance_has_all_the_time_and_is_asked_again_only_if_it_failed_early() {
    let silent = upstream(&[1]);
    let began = Instant::now();
    let (answer, asked) = ask(&silent, WALK).await;
    assert_eq!((answer, asked), (Err(WalkError::TooLong), vec![1]));
    assert_eq!(began.elapsed(), WALK.within);

    let down = upstream(&[2]);
    let (answer, asked) = ask(&down, WALK).await;
    assert_eq!(
        (answer, asked),
        (Err(WalkError::Failed("down")), vec![2, 2, 2])
    );
    let once = Walk {
        again: false,
        ..WALK
    };
    assert_eq!(ask(&down, once).await.1, vec![2]);
}

#[tokio::test(start_paused = true)]
async fn without_an_instance_nobody_is_asked() {
    let nobody = DiscoverError::no_instance("service-auth");
    let refused = WalkError::Refused(Refusal::NoInstance(nobody));
    assert_eq!(ask(&upstream(&[]), WALK).await, (Err(refused), vec![]));
}
