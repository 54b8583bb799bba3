//! Keys that somebody else writes when a token is logged out, while Redis does what servers do.

use std::time::Duration;

use hallpass_clock::{Clock as _, SystemClock};
use hallpass_redis::{RedisBlacklist, RedisForm, RedisSettings, RedisTokenCache};
use hallpass_upstream::{BlacklistError, BlacklistStore};

use crate::servers::{ClusterEstate, RedisServer, alone, beside_others};
use crate::standalone::{as_user, documented_rule, guarded, prometheus};
use crate::tiers::{at, in_time, patient, tier, until};

struct Process {
    tier: RedisTokenCache,
    list: RedisBlacklist,
}

impl Process {
    async fn start(settings: &RedisSettings) -> Self {
        let tier = tier(settings).await;
        let list = RedisBlacklist::over(&tier);
        Self { tier, list }
    }

    async fn is_listed(&self, token_id: &str) -> Result<bool, BlacklistError> {
        self.list
            .is_listed(&format!("jwt:blacklist:{token_id}"))
            .await
    }

    async fn fails(&self) -> String {
        self.is_listed("a-1").await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_token_is_listed_while_its_key_is_there_whatever_stands_in_it() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let mut settings = at(server.port);
    settings.key_prefix = "other:prefix:".to_owned();
    let process = Process::start(&settings).await;
    assert!(!process.is_listed("a-1").await.unwrap());
    server.cli(&["SET", "jwt:blacklist:a-1", "1", "PX", "60000"]);
    server.cli(&["HSET", "jwt:blacklist:a-2", "user", "alice"]);
    server.cli(&["SET", "jwt:blacklist:a-3", ""]);
    for token_id in ["a-1", "a-2", "a-3"] {
        assert!(process.is_listed(token_id).await.unwrap(), "{token_id}");
    }
    for token_id in ["a", "a-*", "a-11", "a-1 a-2", ""] {
        assert!(!process.is_listed(token_id).await.unwrap(), "{token_id}");
    }
    server.cli(&["PEXPIRE", "jwt:blacklist:a-1", "1"]);
    until("it has ended", async || {
        !process.is_listed("a-1").await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn the_right_of_the_documentation_is_enough_to_look_and_does_not_let_write() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    const RIGHT: &str = "(+exists %R~jwt:blacklist:*)";
    assert!(include_str!("../../../../docs/redis.md").contains(RIGHT));
    let rule = documented_rule("s3cret");
    let without = guarded(&rule).await;
    let process = Process::start(&as_user(&without, "s3cret")).await;
    assert!(process.fails().await.contains("NOPERM"));
    let server = guarded(&format!("{rule} {RIGHT}")).await;
    let process = Process::start(&as_user(&server, "s3cret")).await;
    server.cli(&["SET", "jwt:blacklist:a-1", "1"]);
    assert!(process.is_listed("a-1").await.unwrap());
    assert!(!process.is_listed("a-2").await.unwrap());
    let login = ["--user", "hallpass", "--pass", "s3cret"];
    for command in [
        &["DEL", "jwt:blacklist:a-1"][..],
        &["SET", "jwt:blacklist:a-2", "1"],
        &["GET", "jwt:blacklist:a-1"],
        &["EXISTS", "session:1"],
    ] {
        let said = server.cli(&[&login[..], command].concat());
        assert!(said.contains("NOPERM"), "{command:?}: {said}");
    }
}

#[tokio::test]
async fn a_token_that_is_listed_here_is_so_for_everybody_until_its_time_is_over() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let mut settings = at(server.port);
    settings.key_prefix = "other:prefix:".to_owned();
    let (one, other) = (
        Process::start(&settings).await,
        Process::start(&at(server.port)).await,
    );
    let hour = Duration::from_secs(3_600);
    one.list.list("jwt:blacklist:a-1", hour).await.unwrap();
    assert!(other.is_listed("a-1").await.unwrap());
    assert!(!other.is_listed("a-2").await.unwrap());
    let left = server.cli(&["PTTL", "jwt:blacklist:a-1"]);
    let left: u64 = left.trim().parse().unwrap();
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    // Whatever the estate has there is longer there now.
    server.cli(&["HSET", "jwt:blacklist:a-3", "user", "alice"]);
    one.list.list("jwt:blacklist:a-3", hour).await.unwrap();
    assert!(server.cli(&["PTTL", "jwt:blacklist:a-3"]).trim() != "-1");
    one.list
        .list("jwt:blacklist:a-4", Duration::from_nanos(1))
        .await
        .unwrap();
    until("it has ended", async || {
        !other.is_listed("a-4").await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn who_lists_tokens_needs_one_right_more() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    const RIGHT: &str = "(+exists +set ~jwt:blacklist:*)";
    assert!(include_str!("../../../../docs/redis.md").contains(RIGHT));
    let rule = documented_rule("s3cret");
    let hour = Duration::from_secs(3_600);
    let reader = guarded(&format!("{rule} (+exists %R~jwt:blacklist:*)")).await;
    let process = Process::start(&as_user(&reader, "s3cret")).await;
    let denied = process.list.list("jwt:blacklist:a-1", hour).await;
    assert!(denied.unwrap_err().to_string().contains("NOPERM"));
    assert!(!process.is_listed("a-1").await.unwrap());
    let writer = guarded(&format!("{rule} {RIGHT}")).await;
    let process = Process::start(&as_user(&writer, "s3cret")).await;
    process.list.list("jwt:blacklist:a-1", hour).await.unwrap();
    assert!(process.is_listed("a-1").await.unwrap());
    let login = ["--user", "hallpass", "--pass", "s3cret"];
    for command in [
        &["DEL", "jwt:blacklist:a-1"][..],
        &["GET", "jwt:blacklist:a-1"],
        &["SET", "session:1", "1"],
    ] {
        let said = writer.cli(&[&login[..], command].concat());
        assert!(said.contains("NOPERM"), "{command:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_away_after_30_ms_and_soon_at_once() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let process = Process::start(&in_time(server.port)).await;
    server.cli(&["SET", "jwt:blacklist:a-1", "1"]);
    assert!(process.is_listed("a-1").await.unwrap());
    server.hang();
    for _ in 0..5 {
        let clock = SystemClock::new();
        process.fails().await;
        let took = clock.monotonic();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let clock = SystemClock::new();
    for _ in 0..100 {
        process.fails().await;
    }
    let took = clock.monotonic();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let text = prometheus(&process.tier);
    for line in [
        "hallpass_blacklist_breaker_opened_total 1",
        "hallpass_replay_store_breaker_opened_total 0",
        "hallpass_redis_breaker_opened_total 0",
    ] {
        assert!(text.contains(line), "{text}");
    }
    server.go_on();
    until("it is asked again", async || {
        process.is_listed("a-1").await.is_ok_and(|it| it)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_is_away_at_once_and_asked_again_when_it_is_back() {
    let Some(_turn) = alone().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let process = Process::start(&in_time(server.port)).await;
    assert!(!process.is_listed("a-1").await.unwrap());
    server.kill();
    let clock = SystemClock::new();
    for _ in 0..50 {
        process.fails().await;
    }
    assert!(clock.monotonic() < Duration::from_secs(1));
    server.start_again().await;
    server.cli(&["SET", "jwt:blacklist:a-1", "1"]);
    let took = until("it is asked again", async || {
        process.is_listed("a-1").await.is_ok_and(|it| it)
    })
    .await;
    println!("asked again after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_each_token_is_looked_for_where_its_key_is() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let estate = ClusterEstate::start().await;
    let settings = patient(RedisSettings::new(RedisForm::Cluster(estate.addresses())));
    let process = Process::start(&settings).await;
    for number in 0..30 {
        let name = format!("jwt:blacklist:{number}");
        // Redirected by the client itself.
        estate.cli(0, &["-c", "SET", &name, "1"]);
        let token_id = number.to_string();
        assert!(process.is_listed(&token_id).await.unwrap(), "{name}");
        assert!(!process.is_listed(&format!("x{number}")).await.unwrap());
    }
}
