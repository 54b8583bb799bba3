//! Whatever happens, in whatever order: no expired token is handed out, no key has two requests at once.

use std::time::Duration;

use hallpass_client::{AuthTokenService, TokenHandle};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::scripted_issuer::{Mode, ScriptedIssuer};

#[derive(Clone, Debug)]
enum Step {
    Wait { milliseconds: u64 },
    Call { audience: usize, callers: usize },
    CallAndCancel { audience: usize },
    Reject { audience: usize },
    Refresh { audience: usize },
    Evict { audience: usize },
    Issuer(Mode),
    Slow { milliseconds: u64 },
}

const AUDIENCES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let audience = 0..AUDIENCES;
    let mode = prop_oneof![
        4 => Just(Mode::Issue),
        1 => Just(Mode::Down),
        1 => Just(Mode::Hang),
        1 => Just(Mode::Respond(500, "text/plain", String::new())),
        1 => Just(Mode::Respond(200, "text/html", String::new())),
    ];
    prop_oneof![
        6 => (0..20_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        6 => (audience.clone(), 1..20_usize).prop_map(|(audience, callers)| Step::Call { audience, callers }),
        1 => audience.clone().prop_map(|audience| Step::CallAndCancel { audience }),
        1 => audience.clone().prop_map(|audience| Step::Reject { audience }),
        1 => audience.clone().prop_map(|audience| Step::Refresh { audience }),
        1 => audience.prop_map(|audience| Step::Evict { audience }),
        2 => mode.prop_map(Step::Issuer),
        1 => (0..3_000_u64).prop_map(|milliseconds| Step::Slow { milliseconds }),
    ]
}

async fn run(steps: Vec<Step>, life: Duration, memory: bool) {
    let issuer = ScriptedIssuer::new(life);
    let builder = issuer.client();
    let service = if memory {
        builder
    } else {
        builder.without_memory_cache()
    }
    .build();
    let handles: Vec<TokenHandle> = (0..AUDIENCES)
        .map(|number| handle(&service, number))
        .collect();
    for step in steps {
        match step {
            Step::Wait { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await
            }
            Step::Call { audience, callers } => call(&issuer, &handles[audience], callers).await,
            Step::CallAndCancel { audience } => {
                let soon = Duration::from_millis(2);
                _ = tokio::time::timeout(soon, handles[audience].token()).await;
            }
            Step::Reject { audience } => {
                if let Some(seen) = handles[audience].try_current() {
                    let renewed = handles[audience].renew_rejected(seen.generation()).await;
                    assert!(renewed.is_err() || renewed.unwrap().generation() > seen.generation());
                }
            }
            Step::Refresh { audience } => _ = handles[audience].refresh_if_needed().await,
            Step::Evict { audience } => handles[audience].evict().await,
            Step::Issuer(mode) => issuer.set(mode),
            Step::Slow { milliseconds } => issuer.set_delay(Duration::from_millis(milliseconds)),
        }
        assert!(
            issuer.most_at_once() <= 1,
            "two requests for one key at once"
        );
    }
}

fn handle(service: &AuthTokenService, number: usize) -> TokenHandle {
    service.handle(
        &format!("audience-{number}").parse().unwrap(),
        &"s".parse().unwrap(),
    )
}

async fn call(issuer: &ScriptedIssuer, tokens: &TokenHandle, callers: usize) {
    let mut calls = JoinSet::new();
    for number in 0..callers {
        let (issuer, tokens) = (issuer.clone(), tokens.clone());
        calls.spawn(async move {
            tokio::time::sleep(Duration::from_millis(number as u64 % 7)).await;
            if let Ok(token) = tokens.token().await {
                let text = token.access_token().expose();
                assert!(!issuer.has_ended(text), "expired token handed out");
                assert!(
                    text.starts_with(tokens.audience().as_str()),
                    "another audience's token"
                );
            }
            if let Some(token) = tokens.try_current() {
                assert!(
                    !issuer.has_ended(token.access_token().expose()),
                    "expired token on the hot path"
                );
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn no_expired_token_is_ever_handed_out_and_no_key_has_two_requests_at_once(
        steps in prop::collection::vec(step(), 1..60), life in 1_u64..100, memory in prop::bool::weighted(0.8),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(steps, Duration::from_secs(life), memory));
    }
}
