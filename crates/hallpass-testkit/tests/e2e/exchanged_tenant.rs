//! A tenant behind an exchange: it is in the new token where the rule of the issuer names the claim, and no header puts it there.

use axum::{Json, Router, routing::get};
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Issuer, SigningKey, TokenClaims, UnixTime, sign};
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{CallContext, Settings};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

use crate::exchange::{ISSUER, USERS_KEY};

/// Called in the name of the user, by this service.
#[feign_client(name = "logistics-service", identity = "exchange")]
trait Logistics {
    #[get("/shipments")]
    async fn shipments(&self) -> Result<Value, FeignError>;
}

struct Estate {
    _issuer: TestIssuer,
    order: TestServer,
    _logistics: TestServer,
}

impl Estate {
    /// The rule of the exchange has `claims`, and both services ask for the claim of `demand`.
    async fn start(claims: &str, demand: &str) -> Self {
        let rule = "scopes: shipments.read";
        let issuer = ISSUER.replace(rule, &format!("{rule}{claims}"));
        let settings = Loader::new("hallpass").text("issuer", issuer);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let common = format!(
            "
  context: {{ headers: [X-Tenant-Id], tenant: {{ header: X-Tenant-Id, demand-claim: {demand} }} }}
  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
",
            issuer.jwks_url()
        );
        let yaml = format!("hallpass:\n  service: {{ name: logistics-service }}{common}");
        let shipments = get(async |caller: Caller| {
            let header = CallContext::current();
            let header = header.carried().get("X-Tenant-Id").cloned();
            Json(json!({
                "claim": caller.claims().extra.get("tenant"),
                "header": header.map(|it| it.to_str().unwrap().to_owned()),
            }))
        });
        let logistics = protected(&service(&yaml), shipments).await;
        let yaml = format!(
            "hallpass:\n  service: {{ name: order-service }}{common}
  discovery: {{ static: {{ logistics-service: ['{}'] }} }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, token-url: '{}' }}
",
            logistics.address(),
            issuer.token_url(),
        );
        let hallpass = service(&yaml);
        let client = BoxLogistics::new(FeignLogistics::new(hallpass.feign()).unwrap());
        let orders = get(move || {
            let client = client.clone();
            async move {
                match client.shipments().await {
                    Ok(seen) => (StatusCode::OK, Json(seen)),
                    Err(error) => (StatusCode::BAD_GATEWAY, Json(error.to_string().into())),
                }
            }
        });
        Self {
            order: protected(&hallpass, orders).await,
            _issuer: issuer,
            _logistics: logistics,
        }
    }

    /// What the last service sees of alice, whose token and header name these.
    async fn ask(&self, claim: Option<&str>, header: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::get(self.order.url("/shipments"));
        request = request.header("authorization", format!("Bearer {}", token_of_alice(claim)));
        if let Some(header) = header {
            request = request.header("x-tenant-id", header);
        }
        let request = request.body(Body::empty()).unwrap();
        let transport = HttpTransport::new().unwrap();
        let response = transport.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect_within(100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn service(yaml: &str) -> Hallpass {
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    Hallpass::from_settings(&settings).unwrap()
}

async fn protected(hallpass: &Hallpass, handler: axum::routing::MethodRouter) -> TestServer {
    let server = hallpass.resource_server();
    let guard = server.route_any("/shipments", Rule::Authenticated);
    let layer = guard.build().unwrap().layer();
    let router = Router::new().route("/shipments", handler).layer(layer);
    TestServer::start(router).await.unwrap()
}

fn token_of_alice(tenant: Option<&str>) -> String {
    let now: UnixTime = SystemClock::new().now().into();
    let end = now.saturating_add(Duration::from_secs(300));
    let (user, audience) = ("alice".parse().unwrap(), "order-service".parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), user, audience, end);
    claims.client_id = Some("web-shop".parse().unwrap());
    claims.scope = "shipments.read".parse().unwrap();
    claims.issued_at = Some(now);
    if let Some(tenant) = tenant {
        claims.extra.insert("tenant".to_owned(), tenant.into());
    }
    let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
    sign(&claims, &key, now).unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_tenant_is_no_part_of_an_exchanged_token() {
    // Nobody asks for the claim, so that whatever is sent gets as far as it can.
    let unnamed = Estate::start("", "none").await;
    for (claim, header) in [(Some("north"), Some("north")), (None, Some("south"))] {
        let (status, seen) = unnamed.ask(claim, header).await;
        assert_eq!(status, StatusCode::OK, "{seen}");
        assert_eq!(seen, json!({ "claim": null, "header": header }));
    }
    // With the claim in its rule it is the token's own, and each tenant has a token of its own although the user is one.
    let named = Estate::start(", claims: tenant", "none").await;
    for tenant in ["north", "south", "north"] {
        let (status, seen) = named.ask(Some(tenant), Some(tenant)).await;
        assert_eq!(status, StatusCode::OK, "{seen}");
        assert_eq!(seen, json!({ "claim": tenant, "header": tenant }));
    }
    let (_, seen) = named.ask(None, Some("south")).await;
    assert_eq!(
        seen,
        json!({ "claim": null, "header": "south" }),
        "no header makes one"
    );
}

#[tokio::test]
async fn behind_an_exchange_that_drops_the_claim_no_tenant_counts() {
    let unnamed = Estate::start("", "users").await;
    let (status, seen) = unnamed.ask(Some("north"), Some("north")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(seen.as_str().unwrap().contains("403"), "{seen}");
    assert_eq!(unnamed.ask(Some("north"), None).await.0, StatusCode::OK);
    let named = Estate::start(", claims: tenant", "users").await;
    let (status, seen) = named.ask(Some("north"), Some("north")).await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    let (status, _) = named.ask(Some("north"), Some("south")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
