//! What one process evicts, another one gives up.

use std::time::Duration;

use hallpass_client::AuthTokenService;

use crate::estate::{Endpoint, Process, Round, builder, errors_of, processes, service, token_of};
use crate::servers::{RedisServer, alone};
use crate::standalone::{as_user, guarded};
use crate::tiers::{tier, until};

/// Two processes that have the same token, and hear of evictions.
struct Two {
    server: RedisServer,
    endpoint: Endpoint,
    evicts: AuthTokenService,
    other: Process,
}

impl Two {
    async fn start() -> Self {
        let server = RedisServer::start(&[]).await;
        let endpoint = Endpoint::start().await;
        endpoint.respond();
        let evicts = service(server.port, &endpoint.url).await;
        token_of(&evicts).await;
        let mut other = processes(1, &server, &endpoint).remove(0);
        other.token();
        until("both listen", async || {
            let told = server.cli(&["PUBSUB", "NUMSUB", "hallpass:internal-token:evictions"]);
            told.lines().last() == Some("2")
        })
        .await;
        // What it has heard at the beginning of its subscription is done with.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            other.token();
        }
        Self {
            server,
            endpoint,
            evicts,
            other,
        }
    }

    async fn evict(&self) {
        let (audience, scope) = ("service-system", "internal-service");
        let (audience, scope) = (audience.parse().unwrap(), scope.parse().unwrap());
        self.evicts.evict(&audience, &scope).await;
    }

    /// What came of it, when both have a token again.
    async fn round(&mut self) -> Round {
        let (token, errors) = self.other.token();
        let own = token_of(&self.evicts).await;
        let errors = errors + errors_of(&self.evicts);
        assert!(token == own || errors > 0, "{token} and {own}");
        Round {
            requests: self.endpoint.seen(),
            errors,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eviction_in_one_process_is_followed_by_another_within_a_second() {
    let Some(_turn) = alone().await else {
        return;
    };
    Round::undisturbed(2, async || {
        let mut two = Two::start().await;
        let used = two.other.token().0;
        // That Redis has it no more would not tell it: what is in memory is used without asking.
        for name in two.server.cli(&["--scan"]).lines() {
            two.server.cli(&["DEL", name]);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(two.other.token().0, used);
        two.evict().await;
        let took = until("it is given up", async || two.other.token().0 != used).await;
        println!("another process has given the token up {took:?} after the eviction");
        assert!(took < Duration::from_secs(1), "{took:?}");
        two.round().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_evicted_while_redis_was_away_is_given_up_when_it_is_back_with_the_token() {
    let Some(_turn) = alone().await else {
        return;
    };
    let mut two = Two::start().await;
    let used = two.other.token().0;
    assert!(two.server.cli(&["SAVE"]).contains("OK"));
    two.server.kill();
    two.evict().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(two.other.token().0, used, "nobody could tell it");
    two.server.start_again().await;
    let took = until("it is given up", async || two.other.token().0 != used).await;
    println!("another process has given the token up {took:?} after Redis was back");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let (token, _) = two.other.token();
    assert_ne!(token, used);
    assert_ne!(token_of(&two.evicts).await, used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_may_not_publish_costs_few_commands_however_much_is_evicted() {
    let Some(_turn) = alone().await else {
        return;
    };
    let rule = "user hallpass on >s3cret ~hallpass:* resetchannels +@read +@write +@connection +@scripting";
    let server = guarded(rule).await;
    let endpoint = Endpoint::start().await;
    let tier = tier(&as_user(&server, "s3cret")).await;
    let service = builder(tier, &endpoint.url).build();
    let scope = "internal-service".parse().unwrap();
    for number in 0..5 {
        let audience = format!("service-{number}").parse().unwrap();
        endpoint.respond();
        service.service_token(&audience, &scope).await.unwrap();
        service.evict(&audience, &scope).await;
    }
    let asked = || -> u64 {
        let statistics = server.cli(&["INFO", "commandstats"]);
        let ours = |line: &&str| {
            let name = line.strip_prefix("cmdstat_").unwrap_or_default();
            ["publish:", "get", "del:", "eval:"]
                .iter()
                .any(|it| name.starts_with(it))
        };
        let of_line = |line: &str| -> u64 {
            let values = line
                .split([',', ':'])
                .filter_map(|pair| pair.split_once('='));
            let counts = values.filter(|(name, _)| ["calls", "rejected_calls"].contains(name));
            counts
                .map(|(_, count)| count.trim().parse::<u64>().unwrap())
                .sum()
        };
        statistics.lines().filter(ours).map(of_line).sum()
    };
    let before = asked();
    assert!(before > 0);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let further = asked() - before;
    assert!(
        further <= 5,
        "{further} commands in 4 s of which nothing can come"
    );
}
