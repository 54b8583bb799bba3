//! A primary that changes.

use std::time::Duration;

use futures_util::StreamExt;
use hallpass_client::{InternalTokenCache, TierEvent};
use hallpass_config::Secret;
use hallpass_redis::{RedisForm, RedisLoginSettings, RedisSettings, SentinelSettings};

use crate::servers::{SentinelEstate, beside_others};
use crate::tiers::{key, lazy, notice, patient, tier, until, works};

fn settings(estate: &SentinelEstate, master: &str) -> RedisSettings {
    patient(RedisSettings::new(RedisForm::Sentinel(SentinelSettings {
        master: master.to_owned(),
        nodes: estate.addresses(),
        login: RedisLoginSettings::default(),
    })))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_by_calls_and_notices() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut estate = SentinelEstate::start().await;
    let tier_of_one = tier(&settings(&estate, "mymaster")).await;
    let tier_of_other = tier(&settings(&estate, "mymaster")).await;
    let unknown = lazy(&settings(&estate, "another"));
    assert!(!unknown.connect(Duration::from_millis(300)).await);
    assert!(works(&tier_of_one, &key("a")).await);
    let mut events = tier_of_one.events().unwrap();
    assert_eq!(
        events.next().await,
        Some(TierEvent::Missed),
        "at the beginning"
    );
    let heard = tokio::spawn(async move {
        let missed = events.next().await;
        (missed, events.next().await)
    });
    let subscribed = |port: u16, estate: &SentinelEstate| {
        let server = estate.servers.iter().find(|it| it.port == port).unwrap();
        server
            .cli(&["PUBSUB", "NUMSUB", "hallpass:internal-token:evictions"])
            .contains('1')
    };
    let first = estate.servers[0].port;
    until("it listens", async || subscribed(first, &estate)).await;

    estate.servers[0].kill();
    let took = until("it works again", async || {
        works(&tier_of_one, &key("a")).await
    })
    .await;
    println!("Sentinel: works again {took:?} after the primary was killed");
    assert!(took < Duration::from_secs(10), "{took:?}");
    until("so does the other", async || {
        works(&tier_of_other, &key("a")).await
    })
    .await;
    let listening = async || {
        [1, 2]
            .iter()
            .any(|at| subscribed(estate.servers[*at].port, &estate))
    };
    until("it listens again", listening).await;
    tier_of_other.announce(&notice("k")).await.unwrap();
    let (missed, evicted) = heard.await.unwrap();
    assert_eq!(missed, Some(TierEvent::Missed));
    assert_eq!(evicted, Some(TierEvent::Evicted(notice("k"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_and_servers_have_passwords_of_their_own() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = SentinelEstate::start().await;
    for server in &estate.servers {
        server.cli(&["CONFIG", "SET", "requirepass", "of-the-server"]);
    }
    let watcher = "on >of-the-sentinels -@all +auth +hello +ping +sentinel|get-master-addr-by-name";
    for sentinel in &estate.sentinels {
        let rule: Vec<_> = ["ACL", "SETUSER", "watcher"]
            .into_iter()
            .chain(watcher.split(' '))
            .collect();
        assert_eq!(sentinel.cli(&rule).trim(), "OK");
        assert_eq!(
            sentinel.cli(&["ACL", "SETUSER", "default", "off"]).trim(),
            "OK"
        );
    }
    let login = |username: Option<&str>, password: &str| RedisLoginSettings {
        username: username.map(str::to_owned),
        password: Some(Secret::from(password)),
        password_file: None,
    };
    let of = |sentinel: &str, server: &str| {
        let mut settings = settings(&estate, "mymaster");
        if let RedisForm::Sentinel(sentinels) = &mut settings.form {
            sentinels.login = login(Some("watcher"), sentinel);
        }
        settings.login = login(None, server);
        settings
    };
    let right = tier(&of("of-the-sentinels", "of-the-server")).await;
    assert!(works(&right, &key("a")).await);
    for (sentinel, server) in [
        ("of-the-server", "of-the-server"),
        ("of-the-sentinels", "of-the-sentinels"),
    ] {
        let wrong = lazy(&of(sentinel, server));
        assert!(!wrong.connect(Duration::from_millis(500)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_deposed_without_a_crash_is_left() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = SentinelEstate::start().await;
    let tier = tier(&settings(&estate, "mymaster")).await;
    assert!(works(&tier, &key("a")).await);
    assert!(
        estate.sentinels[0]
            .cli(&["SENTINEL", "FAILOVER", "mymaster"])
            .contains("OK")
    );
    until("it is a replica", async || {
        estate.servers[0]
            .cli(&["INFO", "replication"])
            .contains("role:slave")
    })
    .await;
    let took = until("it works", async || works(&tier, &key("a")).await).await;
    println!("Sentinel: works {took:?} after the primary became a replica");
    assert!(took < Duration::from_secs(8), "{took:?}");
}
