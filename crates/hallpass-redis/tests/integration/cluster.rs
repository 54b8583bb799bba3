//! Redis Cluster: slots that move, nodes that go.

use std::time::Duration;

use futures_util::StreamExt;
use hallpass_client::{InternalTokenCache, TierEvent, TokenKey};
use hallpass_redis::{RedisForm, RedisSettings};

use crate::servers::{ClusterEstate, beside_others};
use crate::tiers::{key, name_of, notice, patient, sealed, tier, until, works};

const MINUTE: Duration = Duration::from_secs(60);

fn settings(estate: &ClusterEstate, seeds: usize) -> RedisSettings {
    let mut nodes = estate.addresses();
    nodes.truncate(seeds);
    patient(RedisSettings::new(RedisForm::Cluster(nodes)))
}

/// Enough that each primary has some.
fn keys() -> Vec<TokenKey> {
    (0..30)
        .map(|number| key(&format!("service-{number}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_reached_by_one_seed_and_again_after_a_failover() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut estate = ClusterEstate::start().await;
    let tier_of_one = tier(&settings(&estate, 1)).await;
    let tier_of_other = tier(&settings(&estate, 6)).await;
    for key in keys() {
        assert!(works(&tier_of_one, &key).await, "{key:?}");
        assert!(tier_of_other.get_token(&key).await.unwrap().is_some());
    }
    until("each primary and its replica have some", async || {
        estate
            .servers
            .iter()
            .all(|server| server.cli(&["DBSIZE"]).trim() != "0")
    })
    .await;
    let mut events = tier_of_one.events().unwrap();
    assert_eq!(
        events.next().await,
        Some(TierEvent::Missed),
        "at the beginning"
    );
    let heard = tokio::spawn(async move { events.next().await });
    until("somebody listens", async || {
        let told = |it: &crate::servers::RedisServer| {
            it.cli(&["PUBSUB", "NUMSUB", "hallpass:internal-token:evictions"])
        };
        estate
            .servers
            .iter()
            .any(|server| told(server).contains('1'))
    })
    .await;
    tier_of_other.announce(&notice("k")).await.unwrap();
    assert_eq!(heard.await.unwrap(), Some(TierEvent::Evicted(notice("k"))));

    let slot = slot_of(&estate, 0);
    let owner = estate.owner_of(&slot);
    estate.servers[owner].kill();
    let all_work = async || {
        for key in keys() {
            if !works(&tier_of_one, &key).await {
                return false;
            }
        }
        true
    };
    let took = until("every key works again", all_work).await;
    println!("Cluster: all keys work {took:?} after a primary was killed");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed_while_it_moves_and_afterwards() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = ClusterEstate::start().await;
    let tier = tier(&settings(&estate, 6)).await;
    let slot = slot_of(&estate, 0);
    let others: Vec<_> = keys().into_iter().skip(1).collect();
    for key in &others {
        assert!(works(&tier, key).await);
    }
    let from = estate.owner_of(&slot);
    let is_primary = |at: usize| estate.cli(at, &["ROLE"]).starts_with("master");
    let to = (0..6).find(|at| *at != from && is_primary(*at)).unwrap();
    let (source, target) = (
        estate.cli(from, &["CLUSTER", "MYID"]),
        estate.cli(to, &["CLUSTER", "MYID"]),
    );
    let set_slot = |at: usize, what: &str, node: &str| {
        let said = estate.cli(at, &["CLUSTER", "SETSLOT", &slot, what, node]);
        assert_eq!(said, "OK");
    };
    set_slot(to, "IMPORTING", &source);
    set_slot(from, "MIGRATING", &target);
    // A key that is not there any more: the old owner says ASK.
    let moving = key("service-0");
    tier.put_token(&moving, &sealed("entry"), MINUTE)
        .await
        .unwrap();
    assert_eq!(tier.get_token(&moving).await, Ok(Some(sealed("entry"))));
    let held_by = |at: usize| estate.cli(at, &["CLUSTER", "COUNTKEYSINSLOT", &slot]);
    assert_eq!((held_by(from).as_str(), held_by(to).as_str()), ("0", "1"));
    // Now it says MOVED.
    for at in [to, from] {
        set_slot(at, "NODE", &target);
    }
    assert_eq!(tier.get_token(&moving).await, Ok(Some(sealed("entry"))));
    for key in &others {
        assert!(works(&tier, key).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_to_a_new_node_is_followed_while_it_moves_and_afterwards() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut estate = ClusterEstate::start().await;
    let tier = tier(&settings(&estate, 1)).await;
    let (moving, slot) = (key("service-0"), slot_of(&estate, 0));
    let from = estate.owner_of(&slot);
    let to = estate.add_empty().await;
    let name = name_of(&moving);
    let entry = sealed("entry");
    tier.put_token(&moving, &entry, MINUTE).await.unwrap();

    let [source, target] = [from, to].map(|at| estate.cli(at, &["CLUSTER", "MYID"]));
    let set_slot = |at: usize, what: &str, node: &str| {
        let said = estate.cli(at, &["CLUSTER", "SETSLOT", &slot, what, node]);
        assert_eq!(said, "OK");
    };
    set_slot(to, "IMPORTING", &source);
    set_slot(from, "MIGRATING", &target);
    assert_eq!(tier.get_token(&moving).await, Ok(Some(entry.clone())));
    let port = estate.servers[to].port.to_string();
    let moved = estate.cli(from, &["MIGRATE", "127.0.0.1", &port, &name, "0", "5000"]);
    assert_eq!(moved, "OK");
    // The first call learns of the new node; no call waits for a connection to it.
    let took = until("it is asked at the new node", async || {
        tier.get_token(&moving).await == Ok(Some(entry.clone()))
    })
    .await;
    println!("Cluster: a node without slots is asked {took:?} after ASK named it");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(works(&tier, &moving).await);

    for at in [to, from] {
        set_slot(at, "NODE", &target);
    }
    assert!(works(&tier, &moving).await, "moved");
    for key in keys() {
        assert!(works(&tier, &key).await, "{key:?}");
    }
}

/// The slot of an entry, as a server computes it.
fn slot_of(estate: &ClusterEstate, number: usize) -> String {
    let name = name_of(&key(&format!("service-{number}")));
    estate.servers[0]
        .cli(&["CLUSTER", "KEYSLOT", &name])
        .trim()
        .to_owned()
}
