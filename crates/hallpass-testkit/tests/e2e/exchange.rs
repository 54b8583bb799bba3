//! A user's call through two services by token exchange: who the last one sees, and what it costs.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Issuer, SigningKey, TokenClaims, UnixTime, sign};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The key of the authorization server before the issuer (RFC 8037 appendix A.1), which users' tokens are still signed with.
pub(crate) const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

pub(crate) const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange'
        exchange:
          - { subject-kinds: user, targets: logistics-service, scopes: shipments.read }
";

/// Called in the name of the user, by this service; a circuit breaker runs the calls on another task.
#[feign_client(name = "logistics-service", identity = "exchange", isolate = true)]
trait Logistics {
    #[get("/shipments")]
    async fn shipments(&self) -> Result<Value, FeignError>;
}

struct Estate {
    issuer: TestIssuer,
    order: TestServer,
    _logistics: TestServer,
}

impl Estate {
    async fn start() -> Self {
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let logistics = logistics(&issuer).await;
        let order = order(&issuer, &logistics).await;
        Self {
            issuer,
            order,
            _logistics: logistics,
        }
    }

    /// `GET /orders` with the token of `user`, which is for the order service.
    async fn orders(&self, user: &str) -> (StatusCode, Value) {
        let token = token_of(user, "order-service");
        let request = Request::get(self.order.url("/orders"))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = HttpTransport::new()
            .unwrap()
            .oneshot(request)
            .await
            .unwrap();
        let status = response.status();
        let body = response.into_body().collect_within(100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

async fn order(issuer: &TestIssuer, logistics: &TestServer) -> TestServer {
    let yaml = format!(
        "
hallpass:
  service: {{ name: order-service }}
  discovery: {{ static: {{ logistics-service: ['{}'] }} }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, token-url: '{}' }}
  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
",
        logistics.address(),
        issuer.token_url(),
        issuer.jwks_url(),
    );
    let hallpass = service(&yaml);
    let client = BoxLogistics::new(FeignLogistics::new(hallpass.feign()).unwrap());
    let orders = get(move |_caller: Caller| {
        let client = client.clone();
        async move {
            match client.shipments().await {
                Ok(seen) => (StatusCode::OK, Json(seen)),
                Err(error) => (StatusCode::BAD_GATEWAY, Json(error.code().into())),
            }
        }
    });
    protected(&hallpass, "/orders", orders).await
}

/// Says who calls.
async fn logistics(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "
hallpass:
  service: {{ name: logistics-service }}
  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
",
        issuer.jwks_url(),
    );
    let shipments = get(async |caller: Caller| {
        Json(json!({
            "user": caller.is_user(),
            "claims": serde_json::to_value(caller.claims()).unwrap_or_default(),
        }))
    });
    protected(&service(&yaml), "/shipments", shipments).await
}

fn service(yaml: &str) -> Hallpass {
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    Hallpass::from_settings(&settings).unwrap()
}

async fn protected(
    hallpass: &Hallpass,
    path: &str,
    handler: axum::routing::MethodRouter,
) -> TestServer {
    let server = hallpass.resource_server();
    let guard = server.route_any(path, Rule::Authenticated).build().unwrap();
    let router = Router::new().route(path, handler).layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

pub(crate) fn token_of(user: &str, audience: &str) -> String {
    let now: UnixTime = SystemClock::new().now().into();
    let end = now.saturating_add(Duration::from_secs(300));
    let (user, audience) = (user.parse().unwrap(), audience.parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), user, audience, end);
    claims.client_id = Some("web-shop".parse().unwrap());
    claims.scope = "shipments.read orders.write".parse().unwrap();
    claims.issued_at = Some(now);
    let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
    sign(&claims, &key, now).unwrap().expose().to_owned()
}

#[tokio::test]
async fn the_callee_sees_the_user_and_the_service_that_acts_for_her_in_one_token_of_its_own() {
    let estate = Estate::start().await;
    let (status, seen) = estate.orders("alice").await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    assert_eq!(seen["user"], true);
    let claims = &seen["claims"];
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "logistics-service");
    assert_eq!(claims["act"]["sub"], "order-service");
    assert_eq!(claims["client_id"], "order-service");
    assert_eq!(claims["scope"], "shipments.read");
}

#[tokio::test]
async fn each_user_is_seen_as_herself_and_costs_one_exchange() {
    let estate = Estate::start().await;
    for user in ["alice", "bob", "carol"] {
        let token = token_of(user, "order-service");
        for _ in 0..4 {
            let request = Request::get(estate.order.url("/orders"))
                .header("authorization", format!("Bearer {token}"))
                .body(Body::empty())
                .unwrap();
            let response = HttpTransport::new()
                .unwrap()
                .oneshot(request)
                .await
                .unwrap();
            let body = response.into_body().collect_within(100_000).await.unwrap();
            let seen: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(seen["claims"]["sub"], user);
        }
    }
    assert_eq!(estate.issuer.tokens_issued(), 3);
}

#[tokio::test]
async fn a_user_whom_the_service_may_not_act_for_is_refused_and_told_from_an_outage() {
    let mut estate = Estate::start().await;
    // A service that calls in its own name: the rule is for users.
    let (status, code) = estate.orders("web-shop").await;
    assert_eq!((status, code), (StatusCode::BAD_GATEWAY, json!("token")));
    estate.issuer.stop().await.unwrap();
    let (status, code) = estate.orders("alice").await;
    assert_eq!((status, code), (StatusCode::BAD_GATEWAY, json!("token")));
    estate.issuer.restart().await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (status, seen) = estate.orders("alice").await;
        if status == StatusCode::OK {
            assert_eq!(seen["claims"]["sub"], "alice");
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
