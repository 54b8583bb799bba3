//! The calling service's own identity.

use axum::response::{IntoResponse, Response};
use hallpass_client::RenewOn;
use hallpass_client::TokenFeignSettings;
use hallpass_client::context;
use hallpass_feign::{FeignClientSettings, FeignError, FeignSettings, Identity};
use http::StatusCode;

use crate::clients::{AsService, FeignAsService};
use crate::support::{Issuer, Seen, Upstream, caller, runtime};

async fn client(
    answer: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
) -> (Upstream, Issuer, FeignAsService) {
    let upstream = Upstream::answering(answer).await;
    let issuer = Issuer::default();
    let feign = runtime(&[&upstream]).tokens(issuer.tokens()).build();
    let client = FeignAsService::new(&feign).unwrap();
    (upstream, issuer, client)
}

fn ok(_: &Seen, _: usize) -> Response {
    "\"ok\"".into_response()
}

/// Rejects `service-token-1` as a callee does that knows no such token any more.
fn rejecting_the_first_token(seen: &Seen, _: usize) -> Response {
    if seen.authorization() == Some("Bearer service-token-1") {
        let challenge = [("www-authenticate", r#"Bearer error="invalid_token""#)];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    "\"ok\"".into_response()
}

fn tokens(upstream: &Upstream) -> Vec<String> {
    upstream
        .identities()
        .into_iter()
        .map(|identity| identity.unwrap())
        .collect()
}

#[tokio::test]
async fn the_service_token_is_attached_and_fetched_once() {
    let (upstream, issuer, client) = client(ok).await;
    client.job().await.unwrap();
    client.start(1).await.unwrap();
    assert_eq!(tokens(&upstream), vec!["Bearer service-token-1"; 2]);
    assert_eq!(issuer.issued(), 1);
}

#[tokio::test]
async fn a_caller_does_not_change_what_a_service_call_carries() {
    let (upstream, _, client) = client(ok).await;
    context::scope(caller("anna"), client.job()).await.unwrap();
    assert_eq!(tokens(&upstream), ["Bearer service-token-1"]);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_and_the_call_replayed_once_whatever_the_verb() {
    let (upstream, issuer, client) = client(rejecting_the_first_token).await;
    client.start(1).await.unwrap();
    assert_eq!(
        tokens(&upstream),
        ["Bearer service-token-1", "Bearer service-token-2"]
    );
    assert_eq!(upstream.seen()[1].body, "1");
    client.job().await.unwrap();
    assert_eq!(issuer.issued(), 2);
}

#[tokio::test]
async fn a_second_rejection_goes_to_the_caller() {
    let reject = |_: &Seen, _: usize| {
        (
            StatusCode::UNAUTHORIZED,
            [("www-authenticate", r#"Bearer error="invalid_token""#)],
        )
            .into_response()
    };
    let (upstream, issuer, client) = client(reject).await;
    let error = client.job().await.unwrap_err();
    assert!(
        matches!(
            error,
            FeignError::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!((upstream.seen().len(), issuer.issued()), (2, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_instance_is_not_blamed() {
    let (upstream, issuer, client) = client(ok).await;
    issuer.go_down();
    for _ in 0..30 {
        let error = client.job().await.unwrap_err();
        assert_eq!(error.code(), "token", "{error}");
        assert!(!error.to_string().contains("service-token"));
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_runtime_without_a_token_service_sends_nothing_for_a_service_client() {
    let upstream = Upstream::answering(ok).await;
    let client = FeignAsService::new(&runtime(&[&upstream]).build()).unwrap();
    assert_eq!(client.job().await.unwrap_err(), FeignError::NoTokenService);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_skipped_client_carries_no_token() {
    let upstream = Upstream::answering(ok).await;
    let issuer = Issuer::default();
    for (enabled, skipped) in [(true, "service-a"), (false, "other")] {
        let skip = TokenFeignSettings {
            enabled,
            skip_clients: vec![skipped.to_owned()],
            ..TokenFeignSettings::default()
        };
        let feign = runtime(&[&upstream])
            .tokens(issuer.tokens())
            .settings(&FeignSettings::default(), &skip);
        FeignAsService::new(&feign.build())
            .unwrap()
            .job()
            .await
            .unwrap();
    }
    assert_eq!(upstream.identities(), [None, None]);
    assert_eq!(issuer.issued(), 0);
}

#[tokio::test]
async fn the_configuration_decides_over_the_trait_and_the_builder_over_both() {
    let upstream = Upstream::answering(ok).await;
    let issuer = Issuer::default();
    let mut settings = FeignSettings::default();
    let relay = FeignClientSettings {
        identity: Some(Identity::Relay),
        ..Default::default()
    };
    settings.clients.insert("service-a".to_owned(), relay);
    let feign = runtime(&[&upstream])
        .tokens(issuer.tokens())
        .settings(&settings, &TokenFeignSettings::default())
        .build();
    context::scope(caller("anna"), FeignAsService::new(&feign).unwrap().job())
        .await
        .unwrap();
    let service = FeignAsService::builder(&feign)
        .identity(Identity::Service)
        .build()
        .unwrap();
    context::scope(caller("anna"), service.job()).await.unwrap();
    assert_eq!(
        tokens(&upstream),
        ["Bearer token-of-anna", "Bearer service-token-1"]
    );
}

#[tokio::test]
async fn the_configuration_says_whether_a_401_without_a_reason_renews_the_token() {
    for (renew_on, expected) in [
        (RenewOn::InvalidToken, vec!["Bearer service-token-1"]),
        (
            RenewOn::AnyUnauthorized,
            vec!["Bearer service-token-1", "Bearer service-token-2"],
        ),
    ] {
        let upstream = Upstream::answering(|_, _| StatusCode::UNAUTHORIZED).await;
        let issuer = Issuer::default();
        let mut settings = FeignSettings::default();
        settings.defaults.renew_on = renew_on;
        let feign = runtime(&[&upstream])
            .tokens(issuer.tokens())
            .settings(&settings, &TokenFeignSettings::default())
            .build();
        let client = FeignAsService::new(&feign).unwrap();
        assert_eq!(client.job().await.unwrap_err().code(), "client_error");
        assert_eq!(tokens(&upstream), expected);
    }
}
