//! What callers notice of a server that is away or hangs: nothing but a short failure.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hallpass_client::{InternalTokenCache, Lease};
use hallpass_clock::{Clock, SystemClock};

use crate::estate::{Endpoint, TOKEN, builder, token_of};
use crate::servers::{RedisServer, alone, free_port};
use crate::standalone::prometheus;
use crate::tiers::{in_time, key, lazy, tier, until, works};

/// What a call takes at most: its limit, and a little. Who waited twice would take longer.
const LIMIT: Duration = Duration::from_millis(30 + 25);
/// What a call takes at most that does not wait at all.
const AT_ONCE: Duration = Duration::from_millis(25);
/// What a busy machine may add to some of them.
const BUSY: Duration = Duration::from_secs(2);

/// Makes calls that fail: a fifth of them within `limit`, since a machine that is busy makes some longer and none shorter,
/// and none very much longer. The longest.
async fn fail_within(
    tier: &hallpass_redis::RedisTokenCache,
    calls: usize,
    limit: Duration,
) -> Duration {
    let mut times = Vec::new();
    for _ in 0..calls {
        let (is_ok, took) = timed(tier).await;
        assert!(!is_ok);
        times.push(took);
    }
    times.sort();
    let longest = times[calls - 1];
    assert!(
        times[calls / 5] < limit && longest < limit + BUSY,
        "{times:?}"
    );
    longest
}

/// Makes one call and says how long it took.
async fn timed(tier: &hallpass_redis::RedisTokenCache) -> (bool, Duration) {
    let clock = SystemClock::new();
    let result = tier.get_token(&key("a")).await;
    (result.is_ok(), clock.monotonic())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_calls_fail_at_once_and_work_by_themselves_when_it_is_there() {
    let Some(_turn) = alone().await else {
        return;
    };
    let port = free_port();
    let tier = lazy(&in_time(port));
    assert!(!tier.connect(Duration::from_millis(100)).await);
    fail_within(&tier, 20, AT_ONCE).await;
    let _server = RedisServer::start_at(port, &[]).await;
    let took = until("it works", async || works(&tier, &key("a")).await).await;
    println!("works {took:?} after the server was there");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_calls_wait_for_the_first_connection() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = lazy(&in_time(server.port));
    let result = tier.get_token(&key("a")).await;
    assert_eq!(result, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_to_a_server_that_hangs_takes_longer_than_its_limit() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&in_time(server.port)).await;
    assert!(works(&tier, &key("a")).await);
    server.hang();
    let longest = fail_within(&tier, 5, LIMIT).await;
    // The breaker is open, or the connection was given up.
    fail_within(&tier, 50, AT_ONCE).await;
    assert!(prometheus(&tier).contains("hallpass_redis_breaker_opened_total 1"));
    // Long enough that the connection was found dead and new ones were tried.
    until("the connection is given up", async || {
        prometheus(&tier).contains("hallpass_redis_connected 0")
    })
    .await;
    server.go_on();
    let took = until("it works", async || works(&tier, &key("a")).await).await;
    println!("longest call {longest:?}, works {took:?} after the server goes on");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_a_server_gives_after_it_hung_keeps_the_process_that_wanted_it_from_nothing() {
    const LONG: Duration = Duration::from_secs(60);
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let (mine, others) = (
        tier(&in_time(server.port)).await,
        tier(&in_time(server.port)).await,
    );
    assert!(works(&mine, &key("a")).await && works(&others, &key("a")).await);
    server.hang();
    assert!(mine.lease(&key("a"), LONG).await.is_err());
    {
        // The caller's own limit ends first.
        let key = key("b");
        let asked = mine.lease(&key, LONG);
        let asked = tokio::time::timeout(Duration::from_millis(10), asked).await;
        assert!(asked.is_err());
    }
    server.go_on();
    for name in ["a", "b"] {
        until("another process sees the lease", async || {
            matches!(others.lease(&key(name), LONG).await, Ok(Lease::Elsewhere))
        })
        .await;
        until("this one takes it", async || {
            matches!(mine.lease(&key(name), LONG).await, Ok(Lease::Held(_)))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_counts_as_a_call_without_response() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&in_time(server.port)).await;
    assert!(works(&tier, &key("a")).await);
    server.hang();
    for _ in 0..5 {
        let key = key("a");
        let mut call = pin!(tier.get_token(&key));
        let first = poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(first.await.is_pending());
        // Nobody looks at it any more, however late this goes on.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(prometheus(&tier).contains("hallpass_redis_breaker_opened_total 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_is_used_again() {
    let Some(_turn) = alone().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let tier = tier(&in_time(server.port)).await;
    assert!(works(&tier, &key("a")).await);
    server.kill();
    until("it is noticed", async || {
        prometheus(&tier).contains("hallpass_redis_connected 0")
    })
    .await;
    fail_within(&tier, 20, AT_ONCE).await;
    server.start_again().await;
    let took = until("it responds", async || {
        tier.get_token(&key("a")).await.is_ok()
    })
    .await;
    println!("works {took:?} after the restart");
    assert_eq!(tier.get_token(&key("a")).await, Ok(None));
    assert!(works(&tier, &key("a")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tier_that_is_dropped_leaves_no_connection() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&in_time(server.port)).await;
    let events = tier.events().unwrap();
    let ended = tokio::spawn(futures_util::StreamExt::count(events));
    until("both connections are there", async || {
        connections(&server) == 2
    })
    .await;
    drop(tier);
    until("none is left", async || connections(&server) == 0).await;
    assert_eq!(ended.await.unwrap(), 1, "the beginning");
}

#[test]
fn a_tier_made_outside_of_a_runtime_works_in_one_after_the_other() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let Some(_turn) = first.block_on(alone()) else {
        return;
    };
    let server = first.block_on(RedisServer::start(&[]));
    let tier = lazy(&in_time(server.port));
    for runtime in [first, runtime()] {
        runtime.block_on(until("it works", async || works(&tier, &key("a")).await));
    }
}

/// Those of others than `redis-cli`.
fn connections(server: &RedisServer) -> usize {
    let list = server.cli(&["CLIENT", "LIST"]);
    list.lines()
        .filter(|line| !line.is_empty() && !line.contains("cmd=client"))
        .count()
}

/// Services without memory of their own ask Redis for each call, so each outage of it meets many calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_services_that_live_from_redis_fails_whatever_happens_to_it() {
    let Some(_turn) = alone().await else {
        return;
    };
    let mut server = RedisServer::start(&[]).await;
    let endpoint = Endpoint::start().await;
    endpoint.respond();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for _ in 0..2 {
        let tier = tier(&in_time(server.port)).await;
        let service = builder(tier, &endpoint.url).without_memory_cache().build();
        for _ in 0..4 {
            let (service, is_over) = (service.clone(), Arc::clone(&is_over));
            callers.push(tokio::spawn(async move {
                let (mut calls, mut longest) = (0, Duration::ZERO);
                while !is_over.load(Ordering::Relaxed) {
                    let clock = SystemClock::new();
                    let token = token_of(&service).await;
                    assert!(token.starts_with(TOKEN), "{token}");
                    calls += 1;
                    longest = longest.max(clock.monotonic());
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (calls, longest)
            }));
        }
    }
    let a_while = || tokio::time::sleep(Duration::from_secs(1));
    a_while().await;
    server.kill();
    a_while().await;
    server.start_again().await;
    a_while().await;
    server.hang();
    a_while().await;
    server.go_on();
    a_while().await;
    let before = endpoint.seen();
    until("Redis serves again", async || {
        let seen = endpoint.seen();
        tokio::time::sleep(Duration::from_millis(200)).await;
        endpoint.seen() == seen
    })
    .await;
    is_over.store(true, Ordering::Relaxed);
    let (mut calls, mut longest) = (0, Duration::ZERO);
    for caller in callers {
        let (of_this, longest_of_this) = caller.await.unwrap();
        calls += of_this;
        longest = longest.max(longest_of_this);
    }
    println!("{calls} calls, none failed, {before} token requests; the longest took {longest:?}");
    assert!(
        calls > 100 && longest < Duration::from_secs(1),
        "{calls} {longest:?}"
    );
}
