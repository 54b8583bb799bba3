//! Eviction notices between processes.

use std::time::Duration;

use futures_util::StreamExt;
use hallpass_client::{InternalTokenCache, TierEvent};
use hallpass_clock::{Clock, SystemClock};
use hallpass_redis::{RedisRevocations, RedisTokenCache};
use hallpass_upstream::RevocationNotice;

use crate::servers::{RedisServer, beside_others};
use crate::standalone::prometheus;
use crate::tiers::{at, notice, tier, until};

const CHANNEL: &str = "hallpass:internal-token:evictions";

/// What a tier hears after it has begun to, in the background.
async fn follow(tier: &RedisTokenCache) -> tokio::sync::mpsc::Receiver<TierEvent> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
    let mut events = tier.events().unwrap();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    // Between the call and the subscription tokens may have been taken.
    assert_eq!(receiver.recv().await, Some(TierEvent::Missed));
    receiver
}

async fn listening(server: &RedisServer, number: usize) {
    let number = number.to_string();
    until("they listen", async || {
        server.cli(&["PUBSUB", "NUMSUB", CHANNEL]).lines().last() == Some(&number)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_reaches_every_process_within_a_second_the_sender_too() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let mut tiers = Vec::new();
    for _ in 0..5 {
        tiers.push(tier(&at(server.port)).await);
    }
    let mut heard = Vec::new();
    for tier in &tiers {
        heard.push(follow(tier).await);
    }
    listening(&server, 5).await;
    // What others say on the channel is left alone.
    server.cli(&["PUBLISH", CHANNEL, "hello"]);
    let clock = SystemClock::new();
    tiers[0].announce(&notice("k")).await.unwrap();
    for heard in &mut heard {
        assert_eq!(heard.recv().await, Some(TierEvent::Evicted(notice("k"))));
    }
    let took = clock.monotonic();
    println!("5 tiers had the notice after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_time_without_connection_it_is_said_that_something_may_have_been_missed() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    let mut heard = follow(&tier).await;
    listening(&server, 1).await;
    server.start_again().await;
    assert_eq!(heard.recv().await, Some(TierEvent::Missed));
    listening(&server, 1).await;
    tier.announce(&notice("k")).await.unwrap();
    assert_eq!(heard.recv().await, Some(TierEvent::Evicted(notice("k"))));
    assert!(prometheus(&tier).contains("hallpass_redis_subscribed 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_not_listened_to_any_longer() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    let mut heard = follow(&tier).await;
    listening(&server, 1).await;
    server.hang();
    until("it is noticed", async || {
        prometheus(&tier).contains("hallpass_redis_subscribed 0")
    })
    .await;
    server.go_on();
    assert_eq!(heard.recv().await, Some(TierEvent::Missed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_is_bounded_and_told_as_missed() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    let mut events = tier.events().unwrap();
    assert_eq!(
        events.next().await,
        Some(TierEvent::Missed),
        "at the beginning"
    );
    // Nobody reads the events meanwhile.
    for _ in 0..300 {
        let published = async || tier.announce(&notice("k")).await.is_ok();
        until("it is published", published).await;
    }
    let next = events.next().await;
    assert_eq!(next, Some(TierEvent::Missed));
    assert_eq!(events.next().await, Some(TierEvent::Evicted(notice("k"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_is_told_on_a_channel_of_its_own_and_again_after_a_break() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    let revocations = RedisRevocations::over(&tier);
    let mut notices = revocations.notices();
    assert_eq!(notices.next().await, Some(RevocationNotice::Missed));
    assert!(prometheus(&tier).contains("hallpass_redis_revocations_subscribed 1"));
    assert!(prometheus(&tier).contains("hallpass_redis_subscribed 0"));
    server.cli(&["PUBLISH", "hallpass:internal-token:revocations", "hello"]);
    tier.announce(&notice("k")).await.unwrap();
    let message = RevocationNotice::to_bytes(&[]);
    revocations.announce(&message).await.unwrap();
    let nothing_new = RevocationNotice::New(Vec::new());
    assert_eq!(notices.next().await, Some(nothing_new.clone()));
    server.start_again().await;
    assert_eq!(notices.next().await, Some(RevocationNotice::Missed));
    // Whatever is not taken at first is published again.
    revocations.announce(&message).await.unwrap();
    assert_eq!(notices.next().await, Some(nothing_new));
}
