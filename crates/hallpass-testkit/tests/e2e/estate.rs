//! The first seed's configuration, byte for byte, from its text to a verified call.

use hallpass::Settings;
use hallpass::client::TokenSource;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::EndpointUrl;
use hallpass_testkit::{TestIssuer, TestServer};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// As printed in the estate's own plan.
const SEED: &str = include_str!("../../../../examples/shop/config/internal-token.yaml");

#[feign_client(name = "service-system", identity = "service")]
trait System {
    #[get("/internal/whoami")]
    async fn whoami(&self) -> Result<String, FeignError>;
}

#[test]
fn the_seeds_yaml_loads_as_printed() {
    let settings = Loader::new("scccy")
        .text("seed", SEED)
        .load::<Settings>()
        .unwrap()
        .into_settings();
    let section = settings.internal_token.token_service.unwrap();
    let credential = section.credential;
    assert_eq!(credential.client_id, "internal-service-client");
    assert_eq!(credential.client_secret.expose(), "InternalSecret123!");
    let url: EndpointUrl = "lb://service-auth/oauth2/token".parse().unwrap();
    assert_eq!(credential.token_url, url);
    assert_eq!(
        (
            credential.scope.as_str(),
            credential.audience.as_ref().map(AsRef::as_ref)
        ),
        ("internal-service", Some("service-system"))
    );
    assert_eq!(credential.cache_life.expire(), Duration::from_secs(540));
    assert_eq!(
        credential.cache_life.refresh_ahead(),
        Duration::from_secs(60)
    );
}

#[tokio::test]
async fn the_seeds_yaml_gets_a_token_from_the_issuer_and_opens_an_internal_endpoint() {
    let issuer = TestIssuer::start().await.unwrap();
    let callee = callee(&issuer).await;
    let places = format!(
        "scccy:\n  discovery:\n    static:\n      service-auth: ['{}']\n      service-system: ['{}']\n",
        issuer.address(),
        callee.address()
    );
    let settings = Loader::new("scccy")
        .text("seed", SEED)
        .text("places", places)
        .load::<Settings>()
        .unwrap();
    let sources = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sources);
    let hallpass = Hallpass::builder(settings.settings())
        .observe(move |call| {
            let source = call.identity.as_ref().and_then(|report| report.source);
            seen.lock().unwrap().push(source);
        })
        .build()
        .unwrap();
    let system = FeignSystem::new(hallpass.feign()).unwrap();
    for _call in 0..3 {
        assert_eq!(
            system.whoami().await,
            Ok("internal-service-client".to_owned())
        );
    }
    let (issued, cached) = (Some(TokenSource::Issuer), Some(TokenSource::Cache));
    assert_eq!(*sources.lock().unwrap(), [issued, cached, cached]);
    assert_eq!(issuer.tokens_issued(), 1);
}

async fn callee(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "scccy:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      \
         jwks-url: '{}'\n      internal-only: {{ paths: ['/internal/**'] }}\n",
        issuer.jwks_url()
    );
    let settings = Loader::new("scccy")
        .text("callee", yaml)
        .load::<Settings>()
        .unwrap();
    let hallpass = Hallpass::from_settings(settings.settings()).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let whoami =
        axum::routing::get(async |caller: Caller| axum::Json(caller.subject().to_string()));
    let router = axum::Router::new()
        .route("/internal/whoami", whoami)
        .layer(guard.layer());
    TestServer::start(router).await.unwrap()
}
