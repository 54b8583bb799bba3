//! A service that asks our issuer about tokens, in place of verifying them.

use std::time::Duration;

use hallpass::config::Loader;
use hallpass::resource::{Denial, ResourceServer};
use hallpass::token::VerifyError;
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{Hallpass, Settings};
use hallpass_issuer::{IssuerSettings, RevocationTarget};
use hallpass_testkit::TestIssuer;
use http::Request;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use crate::revocation::jti;

const ISSUER: &str = "hallpass: { issuer: { clients: [ \
    { client-id: service-system, client-secret: 'SystemSecret123!', audiences: [service-system, billing], grant-types: [client_credentials, refresh_token] } \
    ] } }";

async fn issuer() -> TestIssuer {
    let loader = Loader::new("hallpass").text("issuer", ISSUER);
    let settings = loader.load::<IssuerSettings>().unwrap().into_settings();
    TestIssuer::of(settings).start().await.unwrap()
}

/// A service that verifies nothing by itself.
fn asking(issuer: &TestIssuer) -> ResourceServer {
    let yaml = format!(
        "hallpass:
  service: {{ name: service-system }}
  security:
    internal-jwt:
      introspection:
        url: '{}'
        tokens: all
        client-id: service-system
        client-secret: 'SystemSecret123!'
        cache-seconds: 1
",
        issuer.url("/oauth2/introspect"),
    );
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings: Settings = settings.load().unwrap().into_settings();
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    hallpass.resource_server().build().unwrap()
}

async fn tokens(issuer: &TestIssuer, audience: &str) -> Value {
    let form = format!(
        "grant_type=client_credentials&client_id=service-system&client_secret=SystemSecret123!&audience={audience}"
    );
    let request = Request::post(issuer.token_url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    let body = response
        .into_body()
        .collect_within(64 * 1024)
        .await
        .unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_takes_what_our_issuer_says_is_good_and_nothing_else() {
    let issuer = issuer().await;
    let service = asking(&issuer);
    let ours = tokens(&issuer, "service-system").await;
    let token = text(&ours, "access_token");
    let verified = service.verify(&token).await.unwrap();
    assert_eq!(verified.context().subject().as_str(), "service-system");
    assert!(verified.is_internal_service());

    let for_others = text(&tokens(&issuer, "billing").await, "access_token");
    assert_eq!(
        service.verify(&for_others).await.err(),
        Some(Denial::Inactive)
    );
    // Its issuer says to its own client that it is active, and it lets nobody in.
    let refresh = text(&ours, "refresh_token");
    let refused = service.verify(&refresh).await.err();
    assert!(
        matches!(
            refused,
            Some(
                Denial::Token(VerifyError::Type | VerifyError::MissingClaim { .. })
                    | Denial::Inactive
            )
        ),
        "{refused:?}"
    );

    issuer
        .revoke(&RevocationTarget::Token(jti(&token)))
        .await
        .unwrap();
    let began = Instant::now();
    while service.verify(&token).await.err() != Some(Denial::Inactive) {
        assert!(began.elapsed() < Duration::from_secs(10), "never refused");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_our_issuer_is_down_nothing_is_known_of_new_tokens() {
    let mut issuer = issuer().await;
    let service = asking(&issuer);
    let token = text(&tokens(&issuer, "service-system").await, "access_token");
    issuer.stop().await.unwrap();
    let refused = service.verify(&token).await.unwrap_err();
    assert_eq!(refused.response().status.as_u16(), 503, "{refused}");
    issuer.restart().await.unwrap();
    let began = Instant::now();
    while service.verify(&token).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(15), "never again");
        sleep(Duration::from_millis(20)).await;
    }
}
