//! Messages that count once, shown to several processes, while Redis does what servers do.

use std::time::Duration;

use hallpass_clock::{Clock as _, SystemClock};
use hallpass_config::Secret;
use hallpass_redis::{
    RedisForm, RedisLoginSettings, RedisReplayStore, RedisSettings, RedisTokenCache,
    SentinelSettings,
};
use hallpass_token::{ReplayName, UnixTime};
use hallpass_upstream::{CLOCKS_DIFFER_BY, ReplayMessage, ReplayStore, ReplayStoreError};

use crate::servers::{ClusterEstate, RedisServer, SentinelEstate, alone, beside_others};
use crate::standalone::{as_user, documented_rule, guarded, prometheus};
use crate::tiers::{at, in_time, lazy, patient, tier, until};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const LIFE: Duration = Duration::from_secs(60);

fn message(number: usize) -> ReplayMessage<'static> {
    ReplayMessage {
        owner: "order-service",
        name: ReplayName::of(&[b"proof", &number.to_be_bytes()]),
        until: NOW.saturating_add(LIFE),
        now: NOW,
    }
}

struct Process {
    tier: RedisTokenCache,
    store: RedisReplayStore,
}

impl Process {
    async fn start(settings: &RedisSettings) -> Self {
        Self::over(tier(settings).await)
    }

    fn over(tier: RedisTokenCache) -> Self {
        let store = RedisReplayStore::over(&tier);
        Self { tier, store }
    }

    async fn shown(&self, number: usize) -> Result<bool, ReplayStoreError> {
        self.store.is_first(message(number)).await
    }

    async fn fails(&self, number: usize) -> String {
        self.shown(number).await.unwrap_err().to_string()
    }
}

/// Messages from `first` on that Redis takes again, at last.
async fn works_again(process: &Process, first: usize) -> Duration {
    let mut number = first;
    until("it remembers again", async || {
        number += 1;
        process.shown(number).await.is_ok_and(|is_first| is_first)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_processes_that_are_shown_a_message_at_once_one_is_the_first() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let settings = at(server.port);
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&settings).await,
    );
    for number in 0..300 {
        let (a, b, c) = tokio::join!(one.shown(number), other.shown(number), one.shown(number));
        let first = [a, b, c].map(|it| usize::from(it.unwrap()));
        assert_eq!(first.iter().sum::<usize>(), 1, "{number}: {first:?}");
    }
    assert!(!other.shown(0).await.unwrap(), "also later");
}

#[tokio::test]
async fn a_key_tells_nothing_and_stays_until_the_message_counts_by_no_clock() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&at(server.port)).await;
    assert!(process.shown(1).await.unwrap());
    let name = server.cli(&["--scan"]).trim().to_owned();
    let digits: String = message(1).digest()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(name, format!("hallpass:internal-token:used:{digits}"));
    let left: u128 = server.cli(&["PTTL", &name]).trim().parse().unwrap();
    let whole = (LIFE + CLOCKS_DIFFER_BY).as_millis();
    assert!(left <= whole && left > whole - 20_000, "{left} of {whole}");
    assert_eq!(server.cli(&["GET", &name]).trim(), "1");
}

#[tokio::test]
async fn a_remembered_message_takes_as_many_bytes_as_the_documentation_says() {
    const MESSAGES: usize = 20_000;
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&at(server.port)).await;
    let used = || -> usize {
        let info = server.cli(&["INFO", "memory"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse().unwrap()
    };
    let before = used();
    for number in 0..MESSAGES {
        assert!(process.shown(number).await.unwrap());
    }
    let each = (used() - before) / MESSAGES;
    println!("{each} bytes a message");
    assert!((80..=200).contains(&each), "{each}");
}

#[tokio::test]
async fn the_rule_of_the_documentation_is_enough_to_share_messages() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = guarded(&documented_rule("s3cret")).await;
    let process = Process::start(&as_user(&server, "s3cret")).await;
    assert!(process.shown(1).await.unwrap());
    assert!(!process.shown(1).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_costs_a_few_calls_their_limit_and_then_nothing() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&in_time(server.port)).await;
    assert!(process.shown(0).await.unwrap());
    server.hang();
    for number in 1..=5 {
        let clock = SystemClock::new();
        process.fails(number).await;
        let took = clock.monotonic();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let clock = SystemClock::new();
    for number in 0..100 {
        process.fails(number).await;
    }
    let took = clock.monotonic();
    assert!(took < Duration::from_secs(2), "a hundred calls: {took:?}");
    let text = prometheus(&process.tier);
    assert!(
        text.contains("hallpass_replay_store_breaker_opened_total 1"),
        "{text}"
    );
    assert!(
        text.contains("hallpass_redis_breaker_opened_total 0"),
        "{text}"
    );
    server.go_on();
    works_again(&process, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_is_used_again_when_it_is_back_and_has_forgotten_all() {
    let Some(_turn) = alone().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let process = Process::start(&in_time(server.port)).await;
    assert!(process.shown(0).await.unwrap());
    server.kill();
    let clock = SystemClock::new();
    for number in 0..50 {
        process.fails(number).await;
    }
    assert!(clock.monotonic() < Duration::from_secs(1));
    server.start_again().await;
    works_again(&process, 1_000).await;
    // That is why each process has its own memory in front.
    assert!(
        process.shown(0).await.unwrap(),
        "an empty server knows nothing"
    );
    server.cli(&["FLUSHALL"]);
    assert!(process.shown(0).await.unwrap(), "nor does a flushed one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_refuses_and_forgets_nothing_that_counts() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&at(server.port)).await;
    assert!(process.shown(0).await.unwrap());
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(process.fails(1).await.contains("OOM"));
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(process.shown(2).await.unwrap());
    assert!(!process.shown(0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_reads_is_no_memory() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let (primary, replica) = (RedisServer::start(&[]).await, RedisServer::start(&[]).await);
    let process = Process::start(&at(replica.port)).await;
    assert!(process.shown(0).await.unwrap());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    until("it refuses", async || {
        let failed = process.shown(1_000).await;
        failed.is_err_and(|error| error.to_string().contains("READONLY"))
    })
    .await;
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    works_again(&process, 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_password_nothing_is_remembered() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&["--requirepass", "s3cret"]).await;
    let mut settings = at(server.port);
    settings.login = RedisLoginSettings {
        username: None,
        password: Some(Secret::from("wrong")),
        password_file: None,
    };
    for settings in [at(server.port), settings] {
        let process = Process::over(lazy(&settings));
        assert!(!process.tier.connect(Duration::from_millis(300)).await);
        assert_eq!(process.fails(0).await, "not connected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_new_primary_remembers() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let mut estate = SentinelEstate::start().await;
    let settings = patient(RedisSettings::new(RedisForm::Sentinel(SentinelSettings {
        master: "mymaster".to_owned(),
        nodes: estate.addresses(),
        login: RedisLoginSettings::default(),
    })));
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&settings).await,
    );
    assert!(one.shown(0).await.unwrap());
    until("both replicas have it", async || {
        let sizes = estate.servers.iter().map(|it| it.cli(&["DBSIZE"]));
        sizes.into_iter().all(|size| size.trim() == "1")
    })
    .await;
    estate.servers[0].kill();
    works_again(&one, 1_000).await;
    works_again(&other, 2_000).await;
    assert!(!other.shown(0).await.unwrap(), "what was replicated stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_each_message_has_one_primary_that_tells_processes_apart() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = ClusterEstate::start().await;
    let mut nodes = estate.addresses();
    nodes.truncate(2);
    let settings = patient(RedisSettings::new(RedisForm::Cluster(nodes)));
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&settings).await,
    );
    for number in 0..60 {
        let (a, b) = tokio::join!(one.shown(number), other.shown(number));
        assert_ne!(a.unwrap(), b.unwrap(), "{number}");
    }
    let has_some = |at: usize| estate.cli(at, &["DBSIZE"]) != "0";
    assert!((0..3).all(has_some), "all three have a part of them");
}
