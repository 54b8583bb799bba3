//! The issuer goes away and comes back; the callers' services stay up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hallpass::feign::FeignError;
use hallpass_testkit::{Fault, FaultProxy, ManualClock, TestIssuer};

use crate::service::{Services, System};

/// Life of a token of [`TestIssuer`].
const LIFE: Duration = Duration::from_secs(600);
/// How many callers there are at each moment.
const CALLERS: usize = 20;

async fn start() -> (TestIssuer, Services) {
    let clock = Arc::new(ManualClock::new());
    let issuer = TestIssuer::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let services = Services::start(clock, issuer.address()).await;
    (issuer, services)
}

/// A burst of calls; what failed.
async fn burst(services: &Services) -> Vec<FeignError> {
    let calls = join_all((0..CALLERS).map(|_caller| services.system.report())).await;
    calls.into_iter().filter_map(Result::err).collect()
}

#[tokio::test]
async fn an_issuer_that_is_down_for_the_rest_of_a_tokens_life_costs_no_call() {
    let (mut issuer, services) = start().await;
    assert_eq!(burst(&services).await, []);
    issuer.stop().await.unwrap();

    // The token is used until the safety margin before its end (10 % of its life at the most).
    let usable = LIFE - LIFE / 10;
    for _step in 0..usable.as_secs() / 10 - 1 {
        services.clock.advance(Duration::from_secs(10));
        assert_eq!(burst(&services).await, [], "while the token lives");
    }
    assert_eq!(issuer.tokens_issued(), 1);

    // Then: clear errors, at once, that name the token and not the callee.
    services.clock.advance(LIFE);
    let errors = burst(&services).await;
    assert_eq!(errors.len(), CALLERS);
    for error in &errors {
        assert!(matches!(error, FeignError::Token(_)), "{error:?}");
    }

    // And back, without a restart of anything.
    issuer.restart().await.unwrap();
    services.clock.advance(Duration::from_secs(60));
    assert_eq!(burst(&services).await, []);
}

#[tokio::test]
async fn a_thousand_callers_at_a_cold_cache_make_one_token_request() {
    let (issuer, services) = start().await;
    let (audience, scope) = crate::service::target();
    let tokens = services.caller.tokens();
    let calls = join_all((0..1000).map(|_caller| tokens.service_token(&audience, &scope))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(issuer.tokens_issued(), 1);
}

#[tokio::test]
async fn five_minutes_of_calls_are_one_token_request() {
    let (issuer, services) = start().await;
    for _second in 0..300 {
        assert_eq!(
            services.system.report().await,
            Ok(TestIssuer::CLIENT_ID.to_owned())
        );
        services.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(issuer.tokens_issued(), 1);
}

#[tokio::test]
async fn a_restarted_issuer_signs_with_the_same_key() {
    let (mut issuer, services) = start().await;
    assert_eq!(burst(&services).await, []);
    issuer.restart().await.unwrap();
    // The callee has the old key set and no reason to fetch another one.
    services.forget_token().await;
    assert_eq!(burst(&services).await, []);
    assert_eq!(issuer.tokens_issued(), 2);
}

#[tokio::test]
async fn a_network_that_swallows_the_renewal_disturbs_no_call() {
    let clock = Arc::new(ManualClock::new());
    let issuer = TestIssuer::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let mut network = FaultProxy::start(issuer.address()).await.unwrap();
    let services = Services::start(clock, network.address()).await;
    assert_eq!(burst(&services).await, []);
    for fault in [Fault::BlackHole, Fault::Reset, Fault::Refuse] {
        network.set(fault).await;
        // Inside the refresh-ahead window: each burst asks for a renewal in the background.
        services.clock.advance(Duration::from_secs(1));
        let elapsed = tokio::time::timeout(Duration::from_secs(2), burst(&services)).await;
        assert_eq!(
            elapsed.expect("nobody waits for the issuer"),
            [],
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn services_that_start_before_their_issuer_answer_when_it_is_there() {
    let clock = Arc::new(ManualClock::new());
    let mut issuer = TestIssuer::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    issuer.stop().await.unwrap();
    let address: SocketAddr = issuer.address();
    let services = Services::start(clock, address).await;
    assert!(services.system.report().await.is_err());
    issuer.restart().await.unwrap();
    services.clock.advance(Duration::from_secs(60));
    assert_eq!(burst(&services).await, []);
}
