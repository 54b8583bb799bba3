//! A Spring Boot service that calls others gets its tokens from the issuer here.

use axum::Router;
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{JwkSet, UnixTime, VerifyPolicy, verify};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::StatusCode;

use crate::java::SpringBoot;
use crate::{get, guide_block};

const SECRET: &str = "Secret123!";

/// The issuer of the guide, whose client may call two services, and with a client that may call one.
async fn issuer() -> TestIssuer {
    let yaml = guide_block("## A Spring resource server that accepts tokens of `hallpass issuer`");
    let settings = Loader::new("hallpass")
        .text("guide", yaml)
        .environment([("ORDER_SERVICE_SECRET", SECRET)])
        .load::<IssuerSettings>();
    TestIssuer::of(settings.unwrap().into_settings())
        .client("nightly", SECRET, "internal-service", "service-system")
        .start()
        .await
        .unwrap()
}

/// Spring's client, with a registration of this name for each client id.
fn start(issuer: &TestIssuer, registrations: &[(&str, &str)], profile: &str) -> Option<SpringBoot> {
    let below = "spring.security.oauth2.client";
    let mut properties = vec![
        format!("{below}.provider.hallpass.token-uri={}", issuer.token_url()),
        format!("spring.profiles.active={profile}"),
    ];
    for (registration, client) in registrations {
        let registration = format!("{below}.registration.{registration}");
        properties.extend([
            format!("{registration}.provider=hallpass"),
            format!("{registration}.authorization-grant-type=client_credentials"),
            format!("{registration}.client-id={client}"),
            format!("{registration}.client-secret={SECRET}"),
            format!("{registration}.scope=internal-service"),
        ]);
    }
    SpringBoot::start("client", 0, &properties)
}

async fn asked(client: &SpringBoot, registration: &str) -> String {
    let seen = get(&client.url(&format!("/token/{registration}")), None).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    seen.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_client_names_its_audience_as_the_guide_says_and_is_refused_without_if_it_has_several()
 {
    let issuer = issuer().await;
    let both = [
        ("service-system", "order-service"),
        ("service-billing", "order-service"),
        ("service-logistics", "order-service"),
    ];
    let Some(client) = start(&issuer, &both, "audience") else {
        return;
    };
    let keys = JwkSet::parse(get(&issuer.jwks_url(), None).await.body.as_bytes()).unwrap();
    let now = UnixTime::from(SystemClock::new().now());
    for audience in ["service-system", "service-billing"] {
        let policy = VerifyPolicy::new(
            "https://auth.example".parse().unwrap(),
            audience.parse().unwrap(),
        )
        .dangerous_accept_untyped();
        let token = asked(&client, audience).await;
        let claims = verify(&token, &keys, &policy, now).unwrap();
        assert_eq!(claims.subject.as_str(), "order-service");
    }
    assert_eq!(asked(&client, "service-logistics").await, "invalid_target");
    drop(client);

    // Spring's client as it comes names none: enough for who may call one service.
    let clients = [("first", "order-service"), ("second", "nightly")];
    let Some(client) = start(&issuer, &clients, "stock") else {
        return;
    };
    assert_eq!(asked(&client, "first").await, "invalid_target");
    assert_eq!(asked(&client, "second").await.split('.').count(), 3);
}

/// A service here that the issuer's clients may call.
async fn service(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "hallpass: {{ service: {{ name: {} }}, security: {{ internal-jwt: {{ jwks-url: '{}' }} }} }}",
        TestIssuer::AUDIENCE,
        issuer.jwks_url()
    );
    let loader = Loader::new("hallpass").text("service", yaml);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let rule = Rule::InternalOnly(TestIssuer::SCOPE.parse().unwrap());
    let server = hallpass.resource_server();
    let guard = server.route_any("/report", rule).build().unwrap();
    let router = Router::new().route("/report", axum::routing::get(async || "done"));
    TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_client_drops_a_token_that_a_service_here_refuses_and_gets_another() {
    let issuer = TestIssuer::builder()
        .client(
            "order-service",
            SECRET,
            TestIssuer::SCOPE,
            TestIssuer::AUDIENCE,
        )
        .start()
        .await
        .unwrap();
    let registered = [("service-system", "order-service")];
    let Some(client) = start(&issuer, &registered, "stock") else {
        return;
    };
    let service = service(&issuer).await;
    let url = client.url(&format!(
        "/call/service-system?url={}",
        service.url("/report")
    ));
    for _ in 0..2 {
        assert_eq!(get(&url, None).await.body, "200");
    }
    assert_eq!(issuer.tokens_issued(), 1, "it keeps its token");
    issuer.taint_signing_key().await.unwrap();
    let refused = async { while get(&url, None).await.body != "401" {} };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, refused).await.unwrap();
    assert_eq!(get(&url, None).await.body, "200", "with another token");
    assert_eq!(issuer.tokens_issued(), 2);
}
