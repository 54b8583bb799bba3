//! What a cached token costs: in the memory of a service, by the number of tokens there, and in Redis, for a service that has none of
//! its own.
//!
//! The issuer responds at once with a token as long as one of ours. Redis is a real server on loopback, which this program starts.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hallpass::client::{AuthTokenService, InternalTokenCache, TokenHandle};
use hallpass::clock::{Clock, SystemClock};
use hallpass::redis::{RedisSettings, RedisTokenCache};
use hallpass::token::{Audience, Scope};
use tokio::runtime::{Builder, Runtime};

use crate::bearer::token_service_builder;
use crate::measure::Outcome;
use crate::redis_server::RedisServer;

/// How many tokens are in memory.
const SIZES: [usize; 3] = [10, 10_000, 100_000];
/// How many are in Redis.
const IN_REDIS: usize = 10_000;
const ROUNDS: usize = 100;
const CALLS_PER_ROUND: u32 = 5_000;
const LOOK_UPS: usize = 20_000;
/// From one key to the next, so that neighbours in time are none in memory. No size is a multiple of it.
const STRIDE: usize = 7_919;

/// Measures and prints Markdown tables.
///
/// # Errors
/// When no token comes, or `redis-server` or `redis-cli` is not installed: then there is nothing to measure.
pub(crate) fn run() -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    in_memory(&runtime)?;
    in_redis(&runtime)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn in_memory(runtime: &Runtime) -> Outcome<()> {
    println!(
        "| tokens in memory | bytes per token, all included | ns per hit by handle, min / median | ns per hit by audience and scope, min / median |"
    );
    println!("|---|---|---|---|");
    for number in SIZES {
        let scope: Scope = "internal-service".parse()?;
        let audiences = audiences(number)?;
        let mut service = Err("nothing was done".into());
        let counted = allocation_counter::measure(|| {
            service = filled(runtime, number, &audiences, &scope);
        });
        let service = service?;
        let handles: Vec<TokenHandle> = audiences
            .iter()
            .map(|audience| service.handle(audience, &scope))
            .collect();
        let at = Cell::new(0);
        let next = || {
            at.set((at.get() + STRIDE) % number);
            at.get()
        };
        let by_handle = nanos(|| {
            handles
                .get(next())
                .and_then(TokenHandle::try_current)
                .is_some()
        });
        let by_name = nanos(|| {
            let audience = audiences.get(next());
            audience.is_some_and(|audience| is_there(service.service_token(audience, &scope)))
        });
        let bytes = counted.bytes_current as f64 / number as f64;
        println!(
            "| {number} | {bytes:.0} | {:.0} / {:.0} | {:.0} / {:.0} |",
            by_handle.0, by_handle.1, by_name.0, by_name.1
        );
    }
    Ok(())
}

/// A service that has a token for each of `audiences` in memory.
fn filled(
    runtime: &Runtime,
    number: usize,
    audiences: &[Audience],
    scope: &Scope,
) -> Outcome<AuthTokenService> {
    let service = token_service_builder()?.memory_cache(number).build();
    runtime.block_on(get_all(&service, audiences, scope))?;
    Ok(service)
}

async fn get_all(service: &AuthTokenService, audiences: &[Audience], scope: &Scope) -> Outcome<()> {
    for audience in audiences {
        service.service_token(audience, scope).await?;
    }
    Ok(())
}

fn audiences(number: usize) -> Outcome<Vec<Audience>> {
    let audiences = (0..number).map(|number| format!("service-{number}").parse());
    Ok(audiences.collect::<Result<_, _>>()?)
}

/// Whether a future that waits for nothing ends well.
fn is_there<T, E>(call: impl Future<Output = Result<T, E>>) -> bool {
    let polled = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(_)))
}

/// Smallest and middle time of one call.
fn nanos(call: impl Fn() -> bool) -> (f64, f64) {
    let clock = SystemClock::new();
    let round = || {
        let start = clock.monotonic();
        for _ in 0..CALLS_PER_ROUND {
            black_box(call());
        }
        (clock.monotonic() - start).as_secs_f64() * 1e9 / f64::from(CALLS_PER_ROUND)
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    let at = |index: usize| rounds.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(ROUNDS / 2))
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn in_redis(runtime: &Runtime) -> Outcome<()> {
    let server = runtime.block_on(RedisServer::start(&[]))?;
    let _inside = runtime.enter();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let settings = RedisSettings::standalone(format!("127.0.0.1:{}", server.port).parse()?);
    let tier = RedisTokenCache::new(&settings, Arc::clone(&clock))?;
    if !runtime.block_on(tier.connect(Duration::from_secs(10))) {
        return Err("no connection to redis-server".into());
    }
    let service = token_service_builder()?.without_memory_cache();
    let service = service.shared_cache(Arc::new(tier.clone())).build();
    let (scope, audiences) = ("internal-service".parse()?, audiences(IN_REDIS)?);
    let before = used_memory(&server)?;
    runtime.block_on(get_all(&service, &audiences, &scope))?;
    let bytes = used_memory(&server)?.saturating_sub(before);
    let keys: usize = server.cli(&["DBSIZE"])?.trim().parse()?;

    let handles: Vec<_> = audiences
        .iter()
        .map(|audience| service.handle(audience, &scope))
        .collect();
    let (raw, opened) = runtime.block_on(look_ups(&clock, &tier, &handles))?;
    println!();
    println!("| Redis, {keys} keys | |");
    println!("|---|---|");
    println!(
        "| memory of the server | {bytes} bytes, {} a key |",
        bytes / keys.max(1)
    );
    for (what, times) in [
        ("the tier alone", raw),
        ("the seal opened, as a call has it", opened),
    ] {
        let at = |share: usize| {
            times
                .get(times.len() * share / 1_000)
                .map_or(0, Duration::as_micros)
        };
        println!(
            "| look-up on a memory miss, {what}: µs p50 / p99 / p99.9 / longest | {} / {} / {} / {} |",
            at(500),
            at(990),
            at(999),
            times.last().map_or(0, Duration::as_micros)
        );
    }
    Ok(())
}

/// The times, in order, of look-ups in the tier, and of those that a call without a token in memory makes.
async fn look_ups(
    clock: &Arc<dyn Clock>,
    tier: &RedisTokenCache,
    handles: &[TokenHandle],
) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let (mut raw, mut opened) = (Vec::new(), Vec::new());
    for number in 0..LOOK_UPS {
        let handle = handles.get(number * STRIDE % handles.len());
        let handle = handle.ok_or("there are no keys")?;
        let key = handle.key().ok_or("the service is switched off")?;
        let start = clock.monotonic();
        // One that took too long is a time as well; it is an error to the service, which asks the issuer then.
        if tier.get_token(&key).await == Ok(None) {
            return Err("Redis has lost a key".into());
        }
        let between = clock.monotonic();
        handle.token().await?;
        raw.push(between - start);
        opened.push(clock.monotonic() - between);
    }
    raw.sort();
    opened.sort();
    Ok((raw, opened))
}

fn used_memory(server: &RedisServer) -> Outcome<usize> {
    let info = server.cli(&["INFO", "memory"])?;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used
        .ok_or("redis-cli says nothing of memory")?
        .trim()
        .parse()?)
}
