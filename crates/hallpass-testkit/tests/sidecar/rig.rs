//! A sidecar in this process, callers that say any bytes, and services that show what came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::{Configuration, Loader};
use hallpass::prelude::*;
use hallpass::resource::ResourceServer;
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};
use hallpass::{Hallpass, Settings};
use hallpass_clock::ManualClock;
use hallpass_gateway::{RunningSidecar, Sidecar, SidecarServer, SidecarSettings};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::estate::USERS_KEY;

const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        grant-types: 'client_credentials, urn:ietf:params:oauth:grant-type:token-exchange'
        scopes: internal-service
        audiences: [stock-service, order-service]
        exchange:
          - { subject-kinds: user, targets: stock-service, scopes: 'orders:read' }
";

/// For what a busy machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) issuer: TestIssuer,
    pub(crate) sidecar: RunningSidecar,
    hallpass: Hallpass,
    /// Verifies what the program passes on.
    outbound: ResourceServer,
    before: String,
}

impl Rig {
    /// With this below `sidecar`, and the service `stock-service` at this address.
    pub(crate) async fn start(issuer: TestIssuer, stock: SocketAddr, sidecar: &str) -> Self {
        Self::start_of(issuer, stock, ("", sidecar), None).await
    }

    /// The same, with further rules.
    pub(crate) async fn start_for(
        issuer: TestIssuer,
        stock: SocketAddr,
        routes: &str,
        sidecar: &str,
    ) -> Self {
        Self::start_of(issuer, stock, (routes, sidecar), None).await
    }

    /// The same, by a clock that the test moves.
    pub(crate) async fn start_by(
        issuer: TestIssuer,
        stock: SocketAddr,
        sidecar: &str,
        clock: Arc<ManualClock>,
    ) -> Self {
        Self::start_of(issuer, stock, ("", sidecar), Some(clock)).await
    }

    async fn start_of(
        issuer: TestIssuer,
        stock: SocketAddr,
        (routes, sidecar): (&str, &str),
        clock: Option<Arc<ManualClock>>,
    ) -> Self {
        let before = format!(
            "
hallpass:
  service: {{ name: order-service }}
  discovery: {{ static: {{ stock-service: ['{stock}'] }} }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, token-url: '{}' }}
  security:
    internal-jwt:
      jwks-url: '{}'
      routes:
        - {{ path: /open/**, rule: anonymous }}
        - {{ path: /orders/**, rule: authenticated }}
{routes}  sidecar:
    management: {{ listen: '127.0.0.1:0' }}
",
            issuer.token_url(),
            issuer.jwks_url(),
        );
        let yaml = format!("{before}{sidecar}");
        let (settings, service) = (load::<SidecarSettings>(&yaml), load::<Settings>(&yaml));
        let builder = Hallpass::builder(&service);
        let builder = match clock {
            Some(clock) => builder.clock(clock),
            None => builder,
        };
        let hallpass = builder.build().unwrap();
        let of_outbound = settings.outbound.as_ref();
        let of_outbound = of_outbound.map(|it| it.security(&service.security));
        let outbound = ResourceServer::from_settings(
            &of_outbound.unwrap_or_default(),
            "order-service",
            hallpass.network(),
        );
        let outbound = outbound.build().unwrap();
        let sidecar = Sidecar {
            inbound: hallpass.resource_server().build().unwrap(),
            outbound: outbound.clone(),
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: service.security.paths.allow_encoded,
        };
        let sidecar = SidecarServer::start(sidecar, &settings).await.unwrap();
        Self {
            issuer,
            sidecar,
            hallpass,
            outbound,
            before,
        }
    }

    /// Other settings from now on.
    pub(crate) async fn reload(&mut self, sidecar: &str) {
        let yaml = format!("{}{sidecar}", self.before);
        let (settings, service) = (load::<SidecarSettings>(&yaml), load::<Settings>(&yaml));
        self.hallpass.apply(&service).unwrap();
        let outbound = settings.outbound.as_ref();
        let outbound = outbound.map(|it| it.security(&service.security));
        self.outbound.apply(&outbound.unwrap_or_default()).unwrap();
        let encoded = service.security.paths.allow_encoded;
        self.sidecar.apply(&settings, encoded).await.unwrap();
    }

    /// Where callers of the program come in.
    pub(crate) fn inbound(&self) -> SocketAddr {
        self.sidecar.inbound_addr().unwrap()
    }

    /// The proxy that the program names.
    pub(crate) fn proxy(&self) -> SocketAddr {
        self.sidecar.outbound_addrs()[0]
    }

    /// What it counts.
    pub(crate) async fn metrics(&self) -> String {
        let address = self.sidecar.management_addr();
        let answer = say(address, &["GET /metrics HTTP/1.1", "Host: localhost"]).await;
        assert_eq!(answer.status, 200);
        answer.body
    }
}

fn load<T: Configuration>(yaml: &str) -> T {
    let loader = Loader::new("hallpass").text("sidecar", yaml);
    loader.load_part().unwrap().into_settings()
}

pub(crate) async fn issuer(clock: Option<Arc<ManualClock>>) -> TestIssuer {
    let settings = Loader::new("hallpass").text("issuer", ISSUER);
    let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
    let builder = TestIssuer::of(settings);
    let builder = match clock {
        Some(clock) => builder.clock(clock),
        None => builder,
    };
    let issuer = builder.start().await.unwrap();
    issuer.import_key(USERS_KEY).await.unwrap();
    issuer
}

/// A service that says who calls, and for whom. It takes tokens for this audience.
pub(crate) async fn stock(issuer: &TestIssuer, audience: &str) -> TestServer {
    let yaml = format!(
        "hallpass: {{ service: {{ name: stock-service }}, security: {{ internal-jwt: {{ audience: {audience}, jwks-url: '{}', routes: [{{ path: /**, rule: anonymous }}] }} }} }}",
        issuer.jwks_url()
    );
    let hallpass = Hallpass::from_settings(&load(&yaml)).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let who = async |caller: Option<Caller>, headers: HeaderMap| {
        let subject = caller.as_ref().map(|it| it.subject().to_string());
        Json(json!({
            "subject": subject,
            "token": headers.contains_key("authorization"),
            "handle": headers.contains_key("x-hallpass-context"),
        }))
    };
    let router = Router::new().route("/{*path}", get(who));
    TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Sends these lines with an empty one behind them, as the last request of a connection, and reads all that comes back.
pub(crate) async fn say(address: SocketAddr, lines: &[&str]) -> Answer {
    let (first, rest) = lines.split_first().unwrap();
    let mut request = format!("{first}\r\nConnection: close\r\n{}", rest.join("\r\n"));
    request.push_str("\r\n\r\n");
    say_bytes(address, &request).await
}

/// Sends these bytes, and reads until the end of the connection.
pub(crate) async fn say_bytes(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is refused may be so before the last byte is written.
    let _written = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "no end: {}", String::from_utf8_lossy(&bytes));
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{request}: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// The line that shows a user's token for the order service.
pub(crate) fn bearer(user: &str) -> String {
    let now = UnixTime::from(SystemClock::new().now());
    let (user, audience) = (user.parse().unwrap(), "order-service".parse().unwrap());
    let end = now.saturating_add(Duration::from_secs(500));
    let mut claims = TokenClaims::new("internal".parse().unwrap(), user, audience, end);
    claims.client_id = Some("web-shop".parse().unwrap());
    claims.scope = "orders:read".parse().unwrap();
    claims.issued_at = Some(now);
    let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
    let token = sign(&claims, &key, now).unwrap();
    format!("Authorization: Bearer {}", token.expose())
}
