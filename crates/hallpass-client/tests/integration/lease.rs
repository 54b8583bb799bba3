//! Several processes that share a tier make one token request together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use hallpass_client::{
    CacheError, InternalTokenCache, Lease, LeaseId, MemoryTokenCache, SealedToken, TokenHandle,
    TokenKey,
};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::scripted_issuer::{Mode, ScriptedIssuer, handle};

const LIFE: Duration = Duration::from_secs(600);
const PROCESSES: usize = 50;
/// What one call to a tier may take.
const TIER_WAIT: Duration = Duration::from_millis(30);

fn shared() -> Arc<MemoryTokenCache> {
    Arc::new(MemoryTokenCache::new(100))
}

/// What stand for so many processes.
fn processes(
    issuer: &ScriptedIssuer,
    tier: &Arc<dyn InternalTokenCache>,
    number: usize,
) -> Vec<TokenHandle> {
    let process = |_| handle(&issuer.client().shared_cache(Arc::clone(tier)).build());
    (0..number).map(process).collect()
}

fn exported(tokens: &TokenHandle) -> String {
    let mut registry = Registry::default();
    tokens.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn fifty_processes_at_a_cold_cache_make_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, PROCESSES);
    let tokens = join_all(processes.iter().map(TokenHandle::token)).await;
    let first = tokens[0].as_ref().unwrap();
    assert!(tokens.iter().all(|token| token.as_ref().unwrap() == first));
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_processes_renew_by_age_with_one_request_and_nobody_waits_for_it() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, PROCESSES);
    let old = join_all(processes.iter().map(TokenHandle::token)).await;
    issuer.set_delay(Duration::from_secs(2));
    sleep(Duration::from_secs(500)).await;
    for (process, old) in processes.iter().zip(&old) {
        let start = Instant::now();
        assert_eq!(process.token().await.as_ref(), old.as_ref());
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
    sleep(Duration::from_secs(3)).await;
    let new = join_all(processes.iter().map(TokenHandle::token)).await;
    assert!(new[0].as_ref().unwrap() != old[0].as_ref().unwrap());
    assert!(new.iter().all(|token| token.as_ref() == new[0].as_ref()));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_processes_whose_token_is_rejected_make_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, PROCESSES);
    let old = join_all(processes.iter().map(TokenHandle::token)).await;
    sleep(Duration::from_secs(5)).await;
    let renewed = processes.iter().zip(&old).map(|(process, old)| {
        let generation = old.as_ref().unwrap().generation();
        process.renew_rejected(generation)
    });
    let new = join_all(renewed).await;
    assert!(
        new.iter()
            .zip(&old)
            .all(|(new, old)| new.as_ref().unwrap() != old.as_ref().unwrap())
    );
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_keeps_its_lease_until_it_ends() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(2_900));
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, 5);
    for token in join_all(processes.iter().map(TokenHandle::token)).await {
        token.unwrap();
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_dies_costs_the_others_its_lease_and_no_more() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let shared: Arc<dyn InternalTokenCache> = tier.clone();
    let processes = processes(&issuer, &shared, PROCESSES);
    let key = processes[0].key().unwrap();
    let lease = tier.lease(&key, Duration::from_secs(1)).await.unwrap();
    assert!(matches!(lease, Lease::Held(_)), "and never gives it back");
    let start = Instant::now();
    for token in join_all(processes.iter().map(TokenHandle::token)).await {
        token.unwrap();
    }
    assert!(
        start.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_fails_frees_the_lease_at_once_and_a_later_call_gets_a_token() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, 2);
    issuer.set(Mode::Down);
    processes[0].token().await.unwrap_err();
    issuer.set(Mode::Issue);
    let start = Instant::now();
    processes[1].token().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(20),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_between_the_look_and_the_lease_is_taken() {
    let issuer = ScriptedIssuer::new(LIFE);
    let inner = shared();
    let before: Arc<dyn InternalTokenCache> = inner.clone();
    let first = processes(&issuer, &before, 1).remove(0);
    let tier = Arc::new(Unsure {
        inner,
        first,
        answer: Answer::AfterAnother,
    });
    let tokens = handle(&issuer.client().shared_cache(tier).build());
    tokens.token().await.unwrap();
    assert_eq!(issuer.requests(), 1);
}

/// A tier whose leases go wrong.
#[derive(Debug)]
struct Unsure {
    inner: Arc<MemoryTokenCache>,
    first: TokenHandle,
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Another process gets a token just before the lease is given.
    AfterAnother,
    AlwaysElsewhere,
    Fails,
    Hangs,
}

impl InternalTokenCache for Unsure {
    fn name(&self) -> &'static str {
        "unsure"
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        self.inner.get_token(key)
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.inner.put_token(key, token, keep_for)
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        self.inner.evict(key)
    }

    fn lease<'a>(
        &'a self,
        _: &'a TokenKey,
        _: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        Box::pin(async {
            match self.answer {
                Answer::AfterAnother => {
                    self.first.token().await.unwrap();
                    Ok(Lease::Held(LeaseId::random()))
                }
                Answer::AlwaysElsewhere => Ok(Lease::Elsewhere),
                Answer::Fails => Err(CacheError::new("connection reset")),
                Answer::Hangs => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn leases_that_fail_hang_or_never_come_hold_nobody_up_beyond_their_limit() {
    let short = TIER_WAIT + Duration::from_millis(10);
    let whole_request = Duration::from_secs(4) + Duration::from_millis(300);
    for (answer, limit, result) in [
        (Answer::Fails, short, "error"),
        (Answer::Hangs, short, "error"),
        (Answer::AlwaysElsewhere, whole_request, "expired"),
    ] {
        let issuer = ScriptedIssuer::new(LIFE);
        let tier = Unsure {
            inner: shared(),
            first: issuer.handle(),
            answer,
        };
        let tokens = handle(&issuer.client().shared_cache(Arc::new(tier)).build());
        let start = Instant::now();
        tokens.token().await.unwrap();
        assert!(
            start.elapsed() <= limit,
            "{answer:?}: {:?}",
            start.elapsed()
        );
        let line = format!(r#"hallpass_token_lease_total{{result="{result}"}} 1"#);
        assert!(exported(&tokens).contains(&line), "{}", exported(&tokens));
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_another_process_counts_as_one_look_up_and_as_a_hit_when_its_token_came() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(500));
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes: Vec<_> = (0..2)
        .map(|_| {
            let client = issuer.client().without_memory_cache();
            handle(&client.shared_cache(Arc::clone(&tier)).build())
        })
        .collect();
    join_all(processes.iter().map(TokenHandle::token)).await;
    let texts: Vec<_> = processes.iter().map(exported).collect();
    let has = |text: &String, line: &str| assert!(text.contains(line), "{line} in\n{text}");
    has(&texts[0], r#"hallpass_token_lease_total{result="held"} 1"#);
    has(
        &texts[1],
        r#"hallpass_token_lease_total{result="elsewhere"} 1"#,
    );
    has(
        &texts[1],
        r#"hallpass_token_lease_total{result="waited"} 1"#,
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_another_process_asks_cancels_nobody() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_secs(1));
    let tier: Arc<dyn InternalTokenCache> = shared();
    let processes = processes(&issuer, &tier, 2);
    let call = |tokens: &TokenHandle| {
        let tokens = tokens.clone();
        tokio::spawn(async move { tokens.token().await })
    };
    let holder = call(&processes[0]);
    sleep(Duration::from_millis(10)).await;
    let (goes, stays) = (call(&processes[1]), call(&processes[1]));
    sleep(Duration::from_millis(100)).await;
    holder.abort();
    goes.abort();
    stays.await.unwrap().unwrap();
    assert_eq!(issuer.requests(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Wait { milliseconds: u64 },
    Call { process: usize },
    Reject { process: usize },
    Evict { process: usize },
    Issuer { works: bool, delay: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..4_usize;
    prop_oneof![
        6 => (0..8_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        8 => process().prop_map(|process| Step::Call { process }),
        2 => process().prop_map(|process| Step::Reject { process }),
        1 => process().prop_map(|process| Step::Evict { process }),
        2 => (prop::bool::weighted(0.7), 0..300_u64).prop_map(|(works, delay)| Step::Issuer { works, delay }),
    ]
}

async fn run(steps: Vec<Step>, memory: bool) {
    let issuer = ScriptedIssuer::new(Duration::from_secs(60));
    let tier: Arc<dyn InternalTokenCache> = shared();
    let process = || {
        let client = issuer.client().shared_cache(Arc::clone(&tier));
        let client = if memory {
            client
        } else {
            client.without_memory_cache()
        };
        handle(&client.build())
    };
    let processes: Vec<_> = (0..4).map(|_| process()).collect();
    let mut calls: Vec<JoinHandle<()>> = Vec::new();
    for step in steps {
        match step {
            Step::Wait { milliseconds } => sleep(Duration::from_millis(milliseconds)).await,
            Step::Call { process } => {
                let (tokens, issuer) = (processes[process].clone(), issuer.clone());
                calls.push(tokio::spawn(async move {
                    if let Ok(token) = tokens.token().await {
                        assert!(!issuer.has_ended(token.access_token().expose()));
                    }
                }));
            }
            Step::Reject { process } => {
                let tokens = processes[process].clone();
                calls.push(tokio::spawn(async move {
                    if let Ok(seen) = tokens.token().await {
                        _ = tokens.renew_rejected(seen.generation()).await;
                    }
                }));
            }
            Step::Evict { process } => processes[process].evict().await,
            Step::Issuer { works, delay } => {
                issuer.set(if works { Mode::Issue } else { Mode::Down });
                issuer.set_delay(Duration::from_millis(delay));
            }
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    assert!(
        issuer.most_at_once() <= 1,
        "{} at once",
        issuer.most_at_once()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_several_processes_do_there_is_one_request_at_a_time(
        steps in prop::collection::vec(step(), 1..60), memory in any::<bool>(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(steps, memory));
    }
}
