//! Which `Authorization` leaves with a call.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::context::{self, CaptureContextLayer};
use hallpass_client::{
    BearerLayer, CallError, CallReport, Identity, TokenError, TokenSource, WhenAbsent,
};
use hallpass_clock::Clock as _;
use hallpass_token::{
    AccessToken, Algorithm, JwkSet, SecurityContext, SigningKey, VerifyPolicy, sign, verify,
};
use tower::{Layer, Service, ServiceExt};

use crate::mirror::{LIFE, plain, setup, with_foreign_authorization};
use crate::scripted_issuer::Mode;

#[tokio::test(start_paused = true)]
async fn a_service_call_carries_the_service_token_from_the_issuer_and_then_from_memory() {
    let setup = setup();
    let first = setup.sent(setup.layer(Identity::Service), plain()).await;
    assert!(first.starts_with("Bearer service-system.1."), "{first}");
    assert_eq!(
        setup.sent(setup.layer(Identity::Service), plain()).await,
        first
    );
    assert_eq!(setup.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_relayed_call_carries_the_callers_token_unchanged() {
    let setup = setup();
    assert_eq!(
        setup
            .sent(setup.layer(Identity::Relay), setup.of_alice())
            .await,
        "Bearer token-of-alice"
    );
    assert_eq!(setup.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_authorization_that_is_on_the_request_already_is_replaced() {
    let setup = setup();
    let relay = with_foreign_authorization(setup.of_alice());
    assert_eq!(
        setup.sent(setup.layer(Identity::Relay), relay).await,
        "Bearer token-of-alice"
    );
    for _ in ["from the issuer", "from memory"] {
        let service = with_foreign_authorization(plain());
        let sent = setup.sent(setup.layer(Identity::Service), service).await;
        assert!(
            sent.starts_with("Bearer service-system.1.") && !sent.contains('\n'),
            "{sent}"
        );
    }
    let nobody = with_foreign_authorization(setup.of_alice());
    assert_eq!(setup.sent(setup.layer(Identity::None), nobody).await, "");
}

#[tokio::test(start_paused = true)]
async fn no_inbound_identity_fails_closed_before_anything_is_sent() {
    let setup = setup();
    let error = setup
        .send(
            setup.layer(Identity::Relay),
            with_foreign_authorization(plain()),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error,
        CallError::NoIdentity {
            identity: Identity::Relay
        }
    );
    assert!(error.is_unsent() && !error.is_retryable());
    assert_eq!((setup.mirror.calls(), setup.issuer.requests()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn when_absent_service_or_none_takes_the_place_of_a_missing_identity() {
    let setup = setup();
    let service = setup
        .layer(Identity::Relay)
        .when_absent(WhenAbsent::Service);
    assert!(
        setup
            .sent(service.clone(), with_foreign_authorization(plain()))
            .await
            .starts_with("Bearer service-system")
    );
    assert_eq!(
        setup.sent(service, setup.of_alice()).await,
        "Bearer token-of-alice",
        "present, so relayed"
    );
    let none = setup.layer(Identity::Relay).when_absent(WhenAbsent::None);
    assert_eq!(
        setup.sent(none, with_foreign_authorization(plain())).await,
        ""
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_relayed_as_long_as_receivers_take_it_and_no_longer() {
    let setup = setup();
    let default = setup.layer(Identity::Relay);
    let strict = default.clone().leeway(Duration::ZERO);
    let lenient = default.clone().leeway(Duration::from_secs(300));
    let endless = default.clone().leeway(Duration::MAX);
    let alice = setup.alice(0);
    for (after, relayed) in [
        (0, [true, false, true, true]),
        (9, [true, false, true, true]),
        (10, [false, false, true, true]),
        (299, [false, false, true, true]),
        (300, [false, false, false, true]),
    ] {
        let ends = std::time::SystemTime::from(alice.expires_at());
        let past = setup.issuer.clock().now().duration_since(ends).unwrap();
        tokio::time::sleep(Duration::from_secs(after) - past).await;
        for (layer, relayed) in [&default, &strict, &lenient, &endless]
            .into_iter()
            .zip(relayed)
        {
            let mut request = plain();
            request.extensions_mut().insert(alice.clone());
            let sent = setup.send(layer.clone(), request).await;
            assert_eq!(sent.is_ok(), relayed, "{after} s after its end: {layer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_not_relayed_whatever_when_absent_says() {
    let setup = setup();
    let ended = setup.alice(0);
    tokio::time::sleep(BearerLayer::DEFAULT_LEEWAY).await;
    for when_absent in [WhenAbsent::Fail, WhenAbsent::Service, WhenAbsent::None] {
        let mut request = plain();
        request.extensions_mut().insert(ended.clone());
        let error = setup
            .send(
                setup.layer(Identity::Relay).when_absent(when_absent),
                request,
            )
            .await
            .unwrap_err();
        assert_eq!(error, CallError::IdentityExpired);
    }
    assert_eq!((setup.mirror.calls(), setup.issuer.requests()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_stand_in_a_header_is_not_relayed() {
    let setup = setup();
    let context = SecurityContext::new(
        setup.alice(60).claims().clone(),
        AccessToken::new("a\r\nx-injected: 1"),
    );
    let mut request = plain();
    request.extensions_mut().insert(context);
    let error = setup
        .send(setup.layer(Identity::Relay), request)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        CallError::NoIdentity {
            identity: Identity::Relay
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_token_that_cannot_be_had_fails_the_call_before_anything_is_sent() {
    let setup = setup();
    setup.issuer.set(Mode::Down);
    for when_absent in [WhenAbsent::Fail, WhenAbsent::None] {
        let layer = setup.layer(Identity::Service).when_absent(when_absent);
        let error = setup
            .send(layer, with_foreign_authorization(plain()))
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::Token(_)), "{error:?}");
    }
    assert_eq!(setup.mirror.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_token_service_says_so() {
    let setup = setup();
    let layer = BearerLayer::new(
        "callee",
        Identity::Service,
        Arc::clone(setup.tokens.clock()),
    );
    assert_eq!(
        setup.send(layer, plain()).await.unwrap_err(),
        CallError::NoTokenService
    );
    let disabled = crate::scripted_issuer::switched_off();
    let layer = setup
        .layer(Identity::Service)
        .tokens(crate::scripted_issuer::handle(&disabled));
    assert_eq!(
        setup.send(layer, plain()).await.unwrap_err(),
        CallError::Token(TokenError::Disabled)
    );
}

#[tokio::test(start_paused = true)]
async fn the_bearer_layer_reads_the_request_and_never_the_task() {
    let setup = setup();
    let bare = setup.send(setup.layer(Identity::Relay), plain());
    let error = context::scope(setup.alice(60), bare).await.unwrap_err();
    assert_eq!(
        error,
        CallError::NoIdentity {
            identity: Identity::Relay
        }
    );
    let captured = CaptureContextLayer::new()
        .layer(setup.layer(Identity::Relay).layer(setup.mirror.service()));
    context::scope(setup.alice(60), captured.oneshot(plain()))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_attempt_gets_a_token_that_is_alive() {
    let setup = setup();
    let client = setup.layer(Identity::Service).layer(setup.mirror.service());
    let before = client
        .clone()
        .oneshot(plain())
        .await
        .unwrap()
        .into_body()
        .collect_within(1_000)
        .await
        .unwrap();
    tokio::time::sleep(LIFE).await;
    let after = client
        .oneshot(plain())
        .await
        .unwrap()
        .into_body()
        .collect_within(1_000)
        .await
        .unwrap();
    assert_ne!(before, after);
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_polled_ready_makes_the_call_also_when_the_token_has_to_be_fetched() {
    let setup = setup();
    let limited = tower::limit::ConcurrencyLimit::new(setup.mirror.service(), 1);
    let mut client = setup.layer(Identity::Service).layer(limited);
    for _ in ["token fetched", "token in memory"] {
        client.ready().await.unwrap().call(plain()).await.unwrap();
    }
    assert_eq!(setup.mirror.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_report_says_what_a_call_carried_and_only_where_it_was_asked_for() {
    let setup = setup();
    let report = async |layer: BearerLayer, request| {
        setup
            .send(layer, request)
            .await
            .unwrap()
            .extensions()
            .get::<CallReport>()
            .cloned()
    };
    assert_eq!(report(setup.layer(Identity::Service), plain()).await, None);
    for source in [TokenSource::Cache, TokenSource::Issuer] {
        if source == TokenSource::Issuer {
            setup.tokens.evict().await;
        }
        let service = report(setup.layer(Identity::Service).reports(true), plain())
            .await
            .unwrap();
        assert_eq!(
            (service.identity, service.source),
            (Identity::Service, Some(source))
        );
        assert_eq!(service.audience.unwrap().as_str(), "service-system");
        assert_eq!(service.subject.unwrap().as_str(), "internal-service-client");
    }
    let relay = report(setup.layer(Identity::Relay).reports(true), setup.of_alice())
        .await
        .unwrap();
    assert_eq!(relay.subject.as_ref().unwrap().as_str(), "alice");
    assert!(!format!("{relay:?}").contains("token-of-alice"));
    let nobody = report(setup.layer(Identity::None).reports(true), plain())
        .await
        .unwrap();
    assert_eq!((nobody.identity, nobody.subject), (Identity::None, None));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_can_be_printed_shows_a_token_or_secret() {
    let setup = setup();
    let service = setup.issuer.client().build();
    let token = setup.tokens.token().await.unwrap();
    let raw = token.access_token().expose().to_owned();
    let request = setup.of_alice();
    let layer = setup.layer(Identity::Service);
    let text = format!(
        "{service:?} {:?} {token:?} {layer:?} {request:?} {:?}",
        setup.tokens,
        token.authorization()
    );
    for hidden in [raw.as_str(), "InternalSecret123!", "token-of-alice"] {
        assert!(!text.contains(hidden), "{hidden} is shown in {text}");
    }
}

/// Each issuer may have a policy of its own, so its tokens are relayed as long as that policy takes them.
#[tokio::test(start_paused = true)]
async fn a_verified_token_is_relayed_as_long_as_its_own_policy_takes_it_unless_code_says_otherwise()
{
    let setup = setup();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = JwkSet::new([key.public_jwk()]);
    let default = setup.layer(Identity::Relay);
    let said = default.clone().leeway(Duration::from_secs(20));
    let verified = |leeway| {
        let claims = setup.alice(0).claims().clone().into_claims();
        let now = claims.expires_at.saturating_sub(Duration::from_secs(1));
        let token = sign(&claims, &key, now).unwrap();
        let audience = claims.audience[0].clone();
        let policy = VerifyPolicy::new(claims.issuer.clone(), audience).with_leeway(leeway);
        let claims = verify(token.expose(), &keys, &policy, now).unwrap();
        assert_eq!(claims.leeway(), Some(leeway));
        SecurityContext::new(claims, token)
    };
    let contexts = [0, 60].map(|seconds| verified(Duration::from_secs(seconds)));
    for (after, relayed) in [
        (0, [false, true, true, true]),
        (19, [false, true, true, true]),
        (20, [false, true, false, false]),
        (59, [false, true, false, false]),
        (60, [false, false, false, false]),
    ] {
        let ends = std::time::SystemTime::from(contexts[0].expires_at());
        let past = setup.issuer.clock().now().duration_since(ends).unwrap();
        tokio::time::sleep(Duration::from_secs(after) - past).await;
        let pairs = [(&default, 0), (&default, 1), (&said, 0), (&said, 1)];
        for ((layer, context), relayed) in pairs.into_iter().zip(relayed) {
            let mut request = plain();
            request.extensions_mut().insert(contexts[context].clone());
            let sent = setup.send(layer.clone(), request).await;
            assert_eq!(
                sent.is_ok(),
                relayed,
                "{after} s after its end: {context}, {layer:?}"
            );
        }
    }
}
