//! Whatever happens between: an evicted token does not come back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_client::{IssuedToken, TierEvent, TokenHandle};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::scripted_issuer::{Mode, ScriptedIssuer, handle};
use crate::unreliable_tier::{MOMENT, Unreliable};

#[derive(Clone, Debug)]
enum Step {
    Wait { milliseconds: u64 },
    Call { process: usize },
    Reject { process: usize },
    Evict { process: usize },
    Missed,
    Issuer { works: bool, delay: u64 },
    TierForgets(bool),
    TierResponds(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..3_usize;
    prop_oneof![
        6 => (0..8_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        8 => process().prop_map(|process| Step::Call { process }),
        1 => process().prop_map(|process| Step::Reject { process }),
        3 => process().prop_map(|process| Step::Evict { process }),
        1 => Just(Step::Missed),
        2 => (prop::bool::weighted(0.7), 0..2_500_u64).prop_map(|(works, delay)| Step::Issuer { works, delay }),
        1 => any::<bool>().prop_map(Step::TierForgets),
        1 => any::<bool>().prop_map(Step::TierResponds),
    ]
}

/// The number of the token in the order of issuing.
fn number(token: &IssuedToken) -> u64 {
    let mut parts = token.access_token().expose().split('.');
    parts.nth(1).unwrap().parse().unwrap()
}

async fn run(steps: Vec<Step>, memory: bool) {
    let issuer = ScriptedIssuer::new(Duration::from_secs(60));
    let tier = Unreliable::new(Duration::ZERO);
    let process = |_| {
        let client = issuer.client().shared_cache(tier.clone());
        let client = if memory {
            client
        } else {
            client.without_memory_cache()
        };
        handle(&client.build())
    };
    let processes: Vec<_> = (0..3).map(process).collect();
    // Each follows from its first request on.
    join_all(processes.iter().map(TokenHandle::token)).await;
    let mut evicted = 0;
    let mut calls: Vec<JoinHandle<()>> = Vec::new();
    for step in steps {
        match step {
            Step::Wait { milliseconds } => sleep(Duration::from_millis(milliseconds)).await,
            Step::Call { process } => {
                let (tokens, floor) = (processes[process].clone(), evicted);
                calls.push(tokio::spawn(async move {
                    let got = tokens.token().await;
                    let is_new = got.iter().all(|token| number(token) > floor);
                    assert!(is_new, "an evicted token is back");
                }));
            }
            Step::Reject { process } => {
                if let Some(seen) = processes[process].try_current() {
                    _ = processes[process].renew_rejected(seen.generation()).await;
                }
            }
            Step::Evict { process } => {
                let issued = issuer.issued();
                processes[process].evict().await;
                sleep(MOMENT).await;
                evicted = issued;
            }
            Step::Missed => tier.tell(&TierEvent::Missed),
            Step::Issuer { works, delay } => {
                issuer.set(if works { Mode::Issue } else { Mode::Down });
                issuer.set_delay(Duration::from_millis(delay));
            }
            Step::TierForgets(forgets) => tier.forgets.store(forgets, Ordering::Relaxed),
            Step::TierResponds(responds) => tier.responds.store(responds, Ordering::Relaxed),
        }
        for tokens in &processes {
            let current = tokens.try_current();
            let is_new = current.iter().all(|token| number(token) > evicted);
            assert!(is_new, "an evicted token is in memory");
        }
    }
    for call in calls {
        call.await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn no_call_in_any_process_gets_what_was_issued_before_an_announced_eviction(
        steps in prop::collection::vec(step(), 1..60), memory in any::<bool>(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(steps, memory));
    }
}
