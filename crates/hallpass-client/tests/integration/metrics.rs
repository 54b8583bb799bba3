//! What is counted, under which names.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hallpass_client::{BearerLayer, ClientMetrics, Identity, TierEvent, TokenError, TokenHandle};
use hallpass_upstream::{Body, TransportError};
use http::{Request, Response};
use prometheus_client::registry::Registry;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use crate::scripted_issuer::{Mode, ScriptedIssuer, handle, notice};
use crate::unreliable_tier::{MOMENT, Unreliable, process};

pub(crate) struct Exported(String);

impl Exported {
    pub(crate) fn of(tokens: &TokenHandle) -> Self {
        Self::of_metrics(tokens.metrics())
    }

    fn of_metrics(metrics: &ClientMetrics) -> Self {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        Self(text)
    }

    pub(crate) fn assert_line(&self, line: &str) {
        assert!(
            self.0.lines().any(|found| found == line),
            "no line {line:?} in\n{}",
            self.0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn look_ups_hits_requests_and_expiry_are_exported_under_the_fixed_names() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    for _ in 0..10 {
        tokens.token().await.unwrap();
    }
    let exported = Exported::of(&tokens);
    exported.assert_line(r#"hallpass_token_cache_requests_total{tier="memory"} 10"#);
    exported.assert_line(r#"hallpass_token_cache_hits_total{tier="memory"} 9"#);
    exported.assert_line(
        r#"hallpass_token_request_total{audience="service-system",grant="client_credentials",result="ok"} 1"#,
    );
    exported.assert_line(r#"hallpass_token_request_duration_seconds_count{result="ok"} 1"#);
    exported.assert_line(r#"hallpass_token_renewal_total{reason="miss"} 1"#);
    exported.assert_line(
        r#"hallpass_token_expiry_timestamp_seconds{audience="service-system"} 1767226200"#,
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_and_its_handles_show_the_same_numbers() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    handle(&service).token().await.unwrap();
    let exported = Exported::of_metrics(service.metrics());
    exported.assert_line(r#"hallpass_token_cache_requests_total{tier="memory"} 1"#);
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_as_one_look_up_even_when_it_waits_for_its_token() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let bearer = BearerLayer::new("orders", Identity::Service, Arc::clone(tokens.clock()))
        .tokens(tokens.clone());
    let callee = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, TransportError>(Response::new(Body::empty()))
    });
    for _ in 0..10 {
        let call = bearer.layer(callee);
        call.oneshot(Request::new(Body::empty())).await.unwrap();
    }
    let exported = Exported::of(&tokens);
    exported.assert_line(r#"hallpass_token_cache_requests_total{tier="memory"} 10"#);
    exported.assert_line(r#"hallpass_token_cache_hits_total{tier="memory"} 9"#);
}

#[tokio::test(start_paused = true)]
async fn failures_and_missing_identities_are_exported_with_a_closed_set_of_results() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.set(Mode::Down);
    let tokens = issuer.handle();
    tokens.token().await.unwrap_err();
    let relay = BearerLayer::new("orders", Identity::Relay, Arc::clone(tokens.clock()))
        .tokens(tokens.clone());
    let callee = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, TransportError>(Response::new(Body::empty()))
    });
    relay
        .layer(callee)
        .oneshot(Request::new(Body::empty()))
        .await
        .unwrap_err();
    let exported = Exported::of(&tokens);
    exported.assert_line(
        r#"hallpass_token_request_total{audience="service-system",grant="client_credentials",result="unreachable"} 1"#,
    );
    exported.assert_line(r#"hallpass_relay_total{result="absent"} 1"#);
    exported.assert_line(r#"hallpass_missing_identity_total{service="orders"} 1"#);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_audience_labels_is_bounded() {
    const MAX_AUDIENCE_LABELS: usize = 200;

    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    for number in 0..MAX_AUDIENCE_LABELS + 20 {
        let audience = format!("audience-{number}").parse().unwrap();
        service
            .service_token(&audience, &"s".parse().unwrap())
            .await
            .unwrap();
    }
    let exported = Exported::of(&service.handle(&"a".parse().unwrap(), &"s".parse().unwrap()));
    let lines = exported
        .0
        .lines()
        .filter(|line| line.starts_with("hallpass_token_expiry_timestamp_seconds{"));
    assert_eq!(lines.count(), MAX_AUDIENCE_LABELS + 1);
    exported.assert_line(r#"hallpass_token_request_total{audience="other",grant="client_credentials",result="ok"} 20"#);
}

#[tokio::test(start_paused = true)]
async fn failures_of_a_tier_and_what_came_of_its_notices_are_counted() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tier = Unreliable::new(Duration::ZERO);
    let tokens = process(&issuer, &tier);
    tier.responds.store(false, Ordering::Relaxed);
    tokens.token().await.unwrap();
    // Before the lease, and once more with it.
    Exported::of(&tokens).assert_line(r#"hallpass_token_cache_errors_total{tier="unreliable"} 2"#);
    let key = tokens.key().unwrap();
    let good = notice(&key, "InternalSecret123!", 1_767_225_600_000_000, b'e');
    let forged = notice(&key, "guessed", 1_767_225_600_000_000, b'e');
    for heard in [forged, good.clone(), good.clone(), good] {
        tier.tell(&TierEvent::Evicted(heard));
    }
    tier.tell(&TierEvent::Missed);
    sleep(MOMENT).await;
    let exported = Exported::of(&tokens);
    for (result, count) in [("refused", 1), ("followed", 1), ("known", 2), ("missed", 1)] {
        exported.assert_line(&format!(
            r#"hallpass_token_eviction_notice_total{{result="{result}"}} {count}"#
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_a_tier_is_asked_by_those_alone_who_keep_nothing_in_memory() {
    for (memory, look_ups) in [(true, 1), (false, 2)] {
        let issuer = ScriptedIssuer::new(Duration::from_secs(600));
        issuer.set(Mode::Down);
        let client = issuer
            .client()
            .shared_cache(Unreliable::new(Duration::ZERO));
        let client = if memory {
            client
        } else {
            client.without_memory_cache()
        };
        let tokens = handle(&client.build());
        tokens.token().await.unwrap_err();
        let requests = issuer.requests();
        let error = tokens.token().await.unwrap_err();
        assert!(matches!(error, TokenError::BackingOff { .. }));
        assert_eq!(issuer.requests(), requests);
        Exported::of(&tokens).assert_line(&format!(
            r#"hallpass_token_cache_requests_total{{tier="unreliable"}} {look_ups}"#
        ));
    }
}

/// A family without a value is not exported, so the names are taken from where they are registered.
#[test]
fn every_metric_is_in_the_documentation() {
    let documented = include_str!("../../../../docs/metrics.md");
    let registering = [
        include_str!("../../src/auth_token_service/tiers/metrics.rs"),
        include_str!("../../src/auth_token_service/flight/metrics.rs"),
        include_str!("../../src/replay/metrics.rs"),
        include_str!("../../src/bearer/metrics.rs"),
        include_str!("../../src/host_guard/metrics.rs"),
    ];
    let texts = registering.iter().flat_map(|file| file.split('"'));
    let names: Vec<&str> = texts.filter(|text| text.starts_with("hallpass_")).collect();
    assert_eq!(names.len(), 14);
    for name in names {
        assert!(
            documented.contains(&format!("| `{name}")),
            "{name} is not in docs/metrics.md"
        );
    }
}
