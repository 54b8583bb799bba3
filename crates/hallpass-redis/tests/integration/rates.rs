//! Quotas of several processes over real servers.

use std::time::Duration;

use hallpass_redis::{RedisForm, RedisRateStore, RedisSettings, RedisTokenCache};
use hallpass_upstream::{Quota, RateStore};
use tokio::time::Instant;

use crate::servers::{ClusterEstate, RedisServer, beside_others};
use crate::standalone::{as_user, documented_rule, guarded, prometheus};
use crate::tiers::{at, lazy, patient, tier, until};

const SLOW: Quota = Quota {
    count: 100,
    per: Duration::from_secs(3_600),
    burst: 100,
};

struct Process {
    tier: RedisTokenCache,
    store: RedisRateStore,
}

impl Process {
    async fn start(settings: &RedisSettings) -> Self {
        Self::over(tier(settings).await)
    }

    fn over(tier: RedisTokenCache) -> Self {
        let store = RedisRateStore::over(&tier);
        Self { tier, store }
    }

    async fn take(&self, name: &str, quota: Quota, count: u32) -> (u32, Duration) {
        let taken = self.store.take(name.as_bytes(), quota, count).await;
        let grant = taken.unwrap();
        (grant.granted, grant.retry_after)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_ask_at_once_get_one_quota_together() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let settings = at(server.port);
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&settings).await,
    );
    let mut granted = 0;
    for _ in 0..30 {
        let (a, b) = tokio::join!(one.take("a", SLOW, 3), other.take("a", SLOW, 3));
        granted += a.0 + b.0;
    }
    assert_eq!(granted, 100);
    let (none, wait) = one.take("a", SLOW, 1).await;
    assert_eq!(none, 0);
    let interval = SLOW.interval();
    assert!(wait > interval / 2 && wait <= interval, "{wait:?}");
    let refused = one.store.take(b"a", SLOW, 1).await.unwrap();
    assert_eq!((refused.granted, refused.left), (0, 0));
    let another = one.store.take(b"b", SLOW, 7).await.unwrap();
    assert_eq!((another.granted, another.left), (7, 93), "it has its own");
    // Nothing of whom it is about, below the prefix of the tier, and not for ever.
    let names = server.cli(&["--scan"]);
    assert_eq!(names.lines().count(), 2);
    for name in names.lines() {
        assert!(name.starts_with("hallpass:internal-token:rate:"), "{name}");
        let left: u64 = server.cli(&["PTTL", name]).trim().parse().unwrap();
        assert!((1..=3_601_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn a_quota_fills_again_at_its_rate_and_no_further() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&at(server.port)).await;
    let quota = Quota {
        count: 50,
        per: Duration::from_secs(1),
        burst: 10,
    };
    let began = Instant::now();
    let mut granted = 0;
    while began.elapsed() < Duration::from_secs(1) {
        granted += process.take("a", quota, 5).await.0;
    }
    let most = 10.0 + began.elapsed().as_secs_f64() * 50.0;
    assert!(f64::from(granted) <= most + 1.0, "{granted} of {most}");
    assert!(f64::from(granted) >= most * 0.9, "{granted} of {most}");
}

#[tokio::test]
async fn a_value_of_a_clock_that_was_set_back_blocks_nobody_for_long() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&at(server.port)).await;
    let quota = Quota {
        count: 100,
        per: Duration::from_secs(1),
        burst: 10,
    };
    assert_eq!(process.take("a", quota, 1).await.0, 1);
    let name = server.cli(&["--scan"]);
    server.cli(&["SET", name.trim(), "9999999999999999"]);
    let (granted, wait) = process.take("a", quota, 1).await;
    assert_eq!(granted, 0);
    assert!(wait <= quota.interval(), "{wait:?}");
}

#[tokio::test]
async fn the_documented_user_may_count_and_one_without_scripts_may_not() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = guarded(&documented_rule("s3cret")).await;
    let process = Process::start(&as_user(&server, "s3cret")).await;
    assert_eq!(process.take("a", SLOW, 1).await.0, 1);
    let text = prometheus(&process.tier);
    assert!(!text.contains("refused"), "{text}");
    let server = guarded(&documented_rule("s3cret").replace("+eval ", "")).await;
    let process = Process::start(&as_user(&server, "s3cret")).await;
    assert!(process.store.take(b"a", SLOW, 1).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_away_is_no_grant_and_costs_no_wait() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let settings = at(server.port);
    let process = Process::over(lazy(&settings));
    assert_eq!(process.take("a", SLOW, 1).await.0, 1);
    drop(server);
    until("it is away", async || {
        process.store.take(b"a", SLOW, 1).await.is_err()
    })
    .await;
    let began = Instant::now();
    assert!(process.store.take(b"a", SLOW, 1).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_each_quota_is_counted_by_one_node() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = ClusterEstate::start().await;
    let settings = patient(RedisSettings::new(RedisForm::Cluster(estate.addresses())));
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&settings).await,
    );
    for name in ["a", "b", "c", "d", "e"] {
        let first = one.take(name, SLOW, 60).await.0;
        let second = other.take(name, SLOW, 60).await.0;
        assert_eq!((first, second), (60, 40), "{name}");
    }
}
